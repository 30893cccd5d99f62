"""Routes. Each is declared once, at the function that answers it, with what it needs of its caller.

    routes = Routes("Administration of accounts")
    handler = routes.handler

    @routes("GET /v1/admin/users/{sub}", needs="users:read")
    def show(request: Request, operator: Operator) -> Response: ...

A request for a route that is not declared is answered with 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, overload

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge.callers import Caller, require_caller, require_service
from latchkey.edge.http import Handler, Request, Response, endpoint

if TYPE_CHECKING:  # only admin routes have operators
    from latchkey.core.roles.roles import Operator


class Access(Enum):
    """The requirement of a route that needs no permission."""

    PUBLIC = "public"  # nothing: if such a route takes a secret, its function checks it
    BEARER = "bearer"  # an access token
    API_KEY = "api_key"  # an API key in `X-API-Key`


PUBLIC: Final = Access.PUBLIC
BEARER: Final = Access.BEARER
API_KEY: Final = Access.API_KEY


@dataclass(frozen=True, slots=True)
class Person:
    """The requirement of a person's session whose token may use these permissions."""

    permissions: tuple[str, ...]


def person(*permissions: str) -> Person:
    """Return the requirement of a person's session whose token may use these permissions.

    Tokens of first-party clients may use all of them. The scope of any other token must name each.
    """
    return Person(permissions)


@dataclass(frozen=True, slots=True)
class KeyOrToken:
    """The requirement of an API key in `X-API-Key`, or of an operator's token, that holds this permission.

    A route has one authorizer, so the function checks either itself.
    """

    permission: str


def key_or_token(permission: str) -> KeyOrToken:
    """Return the requirement of an API key, or of an operator's token, that holds this permission."""
    return KeyOrToken(permission)


Need: TypeAlias = Access | Person | KeyOrToken | str
"""The requirement of a route. A text is the permission of an operator."""

ForCaller = TypeVar("ForCaller", bound=Callable[[Request, Caller], Response])
ForOperator = TypeVar("ForOperator", bound="Callable[[Request, Operator], Response]")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path as the template spells it, what it needs, and the sentence that documents it."""

    method: str
    path: str
    needs: Need
    doc: str


class Routes:
    """The routes of one Lambda function, to be iterated over; `handler` is its Lambda handler."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.handler = endpoint(self.answer)
        self._declared: dict[str, tuple[Route, Handler]] = {}

    def __iter__(self) -> Iterator[Route]:
        return (route for route, _ in self._declared.values())

    def answer(self, request: Request) -> Response:
        """Answer a request. Raises `NOT_FOUND` unless its method and path are declared, and what its check raises."""
        declared = self._declared.get(f"{request.method} {request.path}")
        if declared is None:
            raise ServiceError(Errors.NOT_FOUND, "not a route of this function")
        return declared[1](request)

    @overload
    def __call__(self, *routes: str, needs: Literal[Access.PUBLIC]) -> Callable[[Handler], Handler]: ...
    @overload
    def __call__(
        self, *routes: str, needs: Literal[Access.BEARER, Access.API_KEY] | Person
    ) -> Callable[[ForCaller], ForCaller]: ...
    @overload
    def __call__(self, *routes: str, needs: KeyOrToken | str) -> Callable[[ForOperator], ForOperator]: ...
    def __call__(self, *routes: str, needs: Need) -> Callable[[Any], Any]:
        """Declare one route, or a route and its aliases: `METHOD /path`.

        `needs` is an `Access`, a `person`, or the name of an operator's permission. The function gets the request and,
        unless the route is public, the `Caller`, or the `Operator` who holds the permission. Raises `ValueError` for a
        route that is declared twice or misspelt.
        """

        def declare(function: Callable[..., Response]) -> Callable[..., Response]:
            for route in routes:
                method, _, path = route.partition(" ")
                if route in self._declared or not method.isupper() or not path.startswith("/"):
                    raise ValueError(f"declared twice, or not METHOD /path: {route}")
                self._declared[route] = Route(method, path, needs, getdoc(function) or ""), _checked(function, needs)
            return function

        return declare


def _checked(function: Callable[..., Response], needs: Need) -> Handler:
    """Return the function behind the check of its caller."""
    if needs is PUBLIC:
        return function
    check = _check(needs)
    return lambda request: function(request, check(request))


def _check(needs: Need) -> Callable[[Request], Caller | Operator]:
    if isinstance(needs, Access):
        return {BEARER: require_caller, API_KEY: require_service}[needs]
    from latchkey.edge import operators  # which builds services that others do not need

    if isinstance(needs, KeyOrToken):
        from latchkey.edge.own_check import require_key_or_token  # which verifies tokens

        return partial(require_key_or_token, permission=needs.permission)
    if isinstance(needs, Person):
        return partial(operators.require_person, permissions=needs.permissions)
    return partial(operators.require_permission, permission=needs)
