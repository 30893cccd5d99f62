"""Callers who hold a permission at this moment, and whose token may use it.

A token of a first-party client may use all that its owner may do. A token of any other client may use only what its
scope names.
"""

from __future__ import annotations

from collections.abc import Iterable

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.grants.sessions import require_live_app, require_live_client, require_live_session
from latchkey.core.roles.roles import Operator
from latchkey.core.roles.scopes import Rights
from latchkey.edge import bootstrap
from latchkey.edge.callers import Caller, require_caller, require_user
from latchkey.edge.http import Handler, Request, Response
from latchkey.edge.telemetry import LogJournal


def require_person(request: Request, *, permissions: tuple[str, ...]) -> Caller:
    """Return the caller, who must be a person with a session, and whose token may use these permissions.

    Raises `FORBIDDEN`, and `INVALID_TOKEN` if the client is disabled or gone. The function checks the session itself.
    """
    caller = require_user(request)
    _require(permissions, _usable(caller, permissions))
    return caller


def require_permission(request: Request, *, permission: str) -> Operator:
    """Return the caller, who must hold this permission, with all permissions that the token may use.

    The roles in the store decide, not those in the token, so that a change takes effect at once. Only a person has a
    time of sign-in. Raises `FORBIDDEN`, and `INVALID_TOKEN` if the session, account, client or API key is gone.
    """
    caller = require_caller(request)
    operator = _person(caller, request.now) if caller.is_person else _machine(caller, request.now)
    _require((permission,), operator.permissions)
    return operator


def journaled(handler: Handler) -> Handler:
    """Return the handler of an operator's route, which also records each caller that it refuses for a permission.

    It refuses some callers at once, and others when it knows what their request would give.
    """

    def handle(request: Request) -> Response:
        try:
            return handler(request)
        except ServiceError as error:
            if error.error is Errors.FORBIDDEN:
                record_forbidden(request, error.private)
            raise

    return handle


def record_forbidden(request: Request, why: str) -> None:
    """Record that a caller lacked a permission. `why` names it, and nothing that the caller has sent."""
    caller = require_caller(request)
    reason = f"{request.method} {request.path}: {why}"
    LogJournal().record(Event("forbidden", caller.sub, caller.sid, caller.client_id, reason))


def _person(caller: Caller, now: int) -> Operator:
    account, session = require_live_session(bootstrap.store(), caller.sub, caller.sid, now=now)
    if session.partner_id:
        raise ServiceError(Errors.FORBIDDEN, "a session that a partner opened operates nothing")
    held = bootstrap.roles_now().permissions(account.roles)
    return Operator(caller.sub, _usable(caller, held), caller.auth_time)


def _machine(caller: Caller, now: int) -> Operator:
    held = require_live_client(bootstrap.store(), bootstrap.clients(), caller.sub, caller.sid, now=now)
    asked = caller.scope.split()  # a token may have been asked for with a part of the scopes
    usable = Rights(held.roles, tuple(scope for scope in held.scopes if scope in asked))
    return Operator(caller.sub, usable.permissions(bootstrap.roles_now()), auth_time=0)


def _usable(caller: Caller, permissions: Iterable[str]) -> tuple[str, ...]:
    """Return those of a person's permissions that the token may use. Raises `INVALID_TOKEN` without a live client."""
    if require_live_app(bootstrap.clients(), caller.client_id):
        return tuple(permissions)
    scope = caller.scope.split()
    return tuple(each for each in permissions if each in scope)


def _require(needed: Iterable[str], held: Iterable[str]) -> None:
    lacking = set(needed) - set(held)
    if lacking:
        raise ServiceError(Errors.FORBIDDEN, f"{' '.join(sorted(lacking))} is needed")
