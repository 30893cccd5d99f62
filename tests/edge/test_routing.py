"""Routes: a declared route runs after the check of its caller, and every other request is rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.users import app as users
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Session, User, UserStatus
from latchkey.core.roles.roles import Operator, RoleRegistry
from latchkey.edge import bootstrap, operators
from latchkey.edge.callers import Caller
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import API_KEY, BEARER, PUBLIC, USER, Access, Route, Routes
from tests.world import NOW

PERSON = {"sub": "usr_ann", "sid": "ses_a", "client_id": "cli_app", "roles": "user helper", "auth_time": "17"}
MACHINE = {"sub": "cli_job", "client_id": "cli_job"}
BY_KEY = MACHINE | {"api_key_id": "k1"}
ANONYMOUS: dict[str, str] = {}


def sample() -> Routes:
    """Return a route of each kind."""
    routes = Routes("A sample")

    @routes("GET /public", "GET /alias", needs=PUBLIC)
    def public(request: Request) -> Response:
        """Greet everyone."""
        return Response(200, {"path": request.path})

    @routes("GET /bearer", needs=BEARER)
    @routes("GET /user", needs=USER)
    @routes("GET /key", needs=API_KEY)
    def caller(request: Request, caller: Caller) -> Response:
        """Greet a caller."""
        return Response(200, {"sub": caller.sub, "roles": caller.roles, "auth_time": caller.auth_time})

    @routes("POST /users/{sub}", needs="users:write")
    def operator(request: Request, operator: Operator) -> Response:
        """Greet an operator."""
        return Response(200, {"sub": operator.sub, "permissions": operator.permissions})

    return routes


def request(route: str, caller: dict[str, str]) -> Request:
    method, _, path = route.partition(" ")
    return Request(method, path, {}, b"", {}, "192.0.2.7", caller, "r-1", NOW)


def refused(route: str, caller: dict[str, str]) -> Errors:
    with pytest.raises(ServiceError) as caught:
        sample().answer(request(route, caller))
    return caught.value.error


def account(store: object, sub: str, sid: str, *, now: int) -> tuple[User, Session]:
    """Return an account with the role of a helper, and its session. A partner opened the session of `usr_guest`."""
    partner = "prt_shop" if sub == "usr_guest" else ""
    times = (now, now + 1, now + 1, now, now)
    own = Session(sub, sid, "cli_app", "", 0, *times, amr=("pwd",), family_hash="", link_hash="", partner_id=partner)
    return User(sub, sub, UserStatus.ACTIVE, ("helper",), 0, 0), own


def client(store: object, clients: object, client_id: str, sid: str, *, now: int) -> tuple[str, ...]:
    """Return the roles of a client: every client is a helper."""
    return ("helper",)


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The current permissions of the role of a helper."""
    permitted: set[str] = {"users:write"}
    monkeypatch.setattr(bootstrap, "store", object)
    monkeypatch.setattr(bootstrap, "clients", object)
    monkeypatch.setattr(operators, "require_live_session", account)
    monkeypatch.setattr(operators, "require_live_client", client)
    registry = {"user": frozenset[str]()}
    monkeypatch.setattr(bootstrap, "roles_now", lambda: RoleRegistry(registry | {"helper": frozenset(permitted)}))
    return permitted


@pytest.mark.parametrize("path", ["/public", "/alias"])
def test_a_public_route_and_its_alias_answer_everyone(path: str) -> None:
    """One function answers both."""
    assert sample().answer(request(f"GET {path}", ANONYMOUS)).body == {"path": path}


@pytest.mark.parametrize("route", ["POST /public", "HEAD /public", "GET /nowhere", "GET ", "GET /users/{sub}"])
def test_a_route_that_is_not_declared_is_not_found(route: str) -> None:
    """Neither another method of a known path nor another path falls to the last function."""
    assert refused(route, PERSON) is Errors.NOT_FOUND


@pytest.mark.parametrize("path", ["/v1/admin/users/{sub}", "/v1/admin/users/{sub}/merge", "/v1/admin/users/import"])
def test_a_post_that_is_not_declared_opens_no_account(path: str) -> None:
    """The template may get another POST before the code does: it is a 404, and creates nothing."""
    body = {"login": "eve@example.com", "password": "correct horse battery"}
    event = {
        "httpMethod": "POST",
        "resource": path,
        "headers": {"Content-Type": "application/json"},
        "pathParameters": {"sub": "usr_ann"},
        "requestContext": {"requestId": "r-1", "authorizer": PERSON | {"roles": "admin"}},
        "body": json.dumps(body),
    }
    answer = users.handler(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("route", "caller", "error"),
    [
        ("GET /bearer", ANONYMOUS, Errors.INVALID_TOKEN),
        ("GET /user", ANONYMOUS, Errors.INVALID_TOKEN),
        ("GET /key", ANONYMOUS, Errors.INVALID_TOKEN),
        ("POST /users/{sub}", ANONYMOUS, Errors.INVALID_TOKEN),
        ("GET /user", MACHINE, Errors.FORBIDDEN),
        ("GET /user", PERSON | {"sid": ""}, Errors.FORBIDDEN),
        ("GET /key", MACHINE, Errors.INVALID_API_KEY),
        ("GET /key", PERSON, Errors.INVALID_API_KEY),
    ],
)
def test_a_caller_who_lacks_what_the_route_needs_is_refused(route: str, caller: dict[str, str], error: Errors) -> None:
    """The function checks it again, in case the gateway is set up wrongly."""
    assert refused(route, caller) is error


@pytest.mark.parametrize(
    ("route", "caller"),
    [("GET /bearer", PERSON), ("GET /bearer", MACHINE), ("GET /user", PERSON), ("GET /key", BY_KEY)],
)
def test_a_function_gets_the_caller(route: str, caller: dict[str, str]) -> None:
    """The function receives the caller that the authorizer has verified."""
    body: Any = sample().answer(request(route, caller)).body
    assert body["sub"] == caller["sub"]
    assert body["roles"] == tuple(caller.get("roles", "").split())
    assert body["auth_time"] == int(caller.get("auth_time", 0))


@pytest.mark.parametrize("caller", [PERSON, MACHINE], ids=["person", "machine"])
def test_a_function_gets_an_operator_with_all_permissions(helpers: set[str], caller: dict[str, str]) -> None:
    """A person by the roles of the account, a machine by those of the client."""
    helpers.add("users:read")
    answer = sample().answer(request("POST /users/{sub}", caller))
    assert answer.body == {"sub": caller["sub"], "permissions": ("users:read", "users:write")}


def test_roles_of_this_moment_decide(helpers: set[str]) -> None:
    """A permission that was taken away is gone at once, whatever the token says."""
    helpers.clear()
    assert refused("POST /users/{sub}", PERSON | {"permissions": "users:write"}) is Errors.FORBIDDEN


@pytest.mark.usefixtures("helpers")
def test_a_session_that_a_partner_opened_operates_nothing() -> None:
    """Such a session is rejected on operators' routes, even if the account has the permission."""
    assert refused("POST /users/{sub}", PERSON | {"sub": "usr_guest"}) is Errors.FORBIDDEN


def test_routes_can_be_listed() -> None:
    """With method, path, need and documentation, for the tests and for the description of the API."""
    found = list(sample())
    assert found[0] == Route("GET", "/public", PUBLIC, "Greet everyone.")
    assert {(each.path, each.needs) for each in found[1:]} == {
        ("/alias", PUBLIC),
        ("/bearer", BEARER),
        ("/user", USER),
        ("/key", API_KEY),
        ("/users/{sub}", "users:write"),
    }


@pytest.mark.parametrize("route", ["GET /public", "/public", "get /public", "GET public", "GET", ""])
def test_a_route_that_is_misspelt_or_declared_twice_does_not_start(route: str) -> None:
    """Such a route would not answer as declared."""
    with pytest.raises(ValueError, match="declared twice"):
        sample()(route, needs=PUBLIC)(lambda _: Response(204))


def test_a_route_that_does_not_say_what_it_needs_does_not_start() -> None:
    """Forgetting opens nothing."""
    forgetful: Any = sample()
    with pytest.raises(TypeError, match="needs"):
        forgetful("GET /open")


def test_every_need_is_checked() -> None:
    """A kind of route without a check of its own would be open."""
    for need in set(Access) - {PUBLIC}:
        routes: Any = Routes("One route")
        routes("GET /closed", needs=need)(lambda _, caller: Response(204))
        with pytest.raises(ServiceError):
            routes.answer(request("GET /closed", ANONYMOUS))
