"""Routes: a declared route runs after the check of its caller, and every other request is rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.users import app as users
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Client, ClientKind, Session, Status, User, UserStatus
from latchkey.core.roles.roles import Operator, RoleRegistry
from latchkey.core.roles.scopes import Rights
from latchkey.edge import bootstrap, operators
from latchkey.edge.callers import Caller
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import API_KEY, BEARER, PUBLIC, Access, Route, Routes, key_or_token, person
from tests.memory.store import MemoryStore
from tests.world import NOW, Kept

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
    @routes("GET /user", needs=person("profile:read"))
    @routes("GET /export", needs=person("profile:read", "sessions:read"))
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


def machine(store: object, clients: object, client_id: str, sid: str, *, now: int) -> Rights:
    """Return the rights of a machine: each is a helper with a scope."""
    return Rights(("helper",), ("users:export", "openid"))


@pytest.fixture(autouse=True)
def clients(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The clients of the stack: apps of its own, apps of others, and one that is disabled."""
    store = MemoryStore()
    for name, members in APPS.items():
        store.create_client(Client(name, ClientKind.PUBLIC, name, NOW, **members))
    monkeypatch.setattr(bootstrap, "store", lambda: store)
    monkeypatch.setattr(bootstrap, "clients", lambda: ClientDirectory(store, store, Kept()))
    return store


APPS: dict[str, dict[str, Any]] = {
    "cli_ours": {"first_party": True},
    "cli_theirs": {},
    "cli_closed": {"first_party": True, "status": Status.DISABLED},
}


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The current permissions of the role of a helper."""
    permitted: set[str] = {"users:write"}
    monkeypatch.setattr(operators, "require_live_session", account)
    monkeypatch.setattr(operators, "require_live_client", machine)
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


# Clients, and the scopes of their tokens


def of(client_id: str, scope: str) -> dict[str, str]:
    """Return a person with a token of this client. The roles in it never decide on our own routes."""
    return PERSON | {"client_id": client_id, "scope": scope, "roles": "admin user"}


@pytest.mark.parametrize("route", ["GET /user", "GET /export"])
@pytest.mark.parametrize("client_id", ["cli_app", "cli_ours"])
def test_a_first_party_client_needs_no_scope(route: str, client_id: str) -> None:
    """An app of the team's own may do all that its user may do."""
    assert sample().answer(request(route, of(client_id, "openid"))).status == 200


@pytest.mark.parametrize(
    ("route", "scope", "let_in"),
    [
        ("GET /user", "", False),
        ("GET /user", "openid profile", False),
        ("GET /user", "profile:write profile:reader", False),
        ("GET /user", "openid profile:read", True),
        ("GET /export", "profile:read", False),
        ("GET /export", "sessions:read profile:read", True),
    ],
)
def test_any_other_client_needs_the_permission_in_its_scope(route: str, scope: str, let_in: bool) -> None:
    """The scope names what its tokens may do, and names match as a whole."""
    caller = of("cli_theirs", scope)
    if let_in:
        assert sample().answer(request(route, caller)).status == 200
    else:
        assert refused(route, caller) is Errors.FORBIDDEN


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("client_id", ["cli_closed", "cli_gone", ""])
@pytest.mark.parametrize("route", ["GET /user", "POST /users/{sub}"])
def test_a_client_that_is_disabled_or_gone_is_refused_at_once(route: str, client_id: str) -> None:
    """Its tokens are no longer valid, whatever they carry."""
    assert refused(route, of(client_id, "profile:read users:write")) is Errors.INVALID_TOKEN


def test_an_operator_has_what_the_scope_names(helpers: set[str]) -> None:
    """Through a client that is not first-party, an operator may do only what both roles and scope permit."""
    helpers.add("users:read")
    assert refused("POST /users/{sub}", of("cli_theirs", "openid users:read")) is Errors.FORBIDDEN
    answer = sample().answer(request("POST /users/{sub}", of("cli_theirs", "users:write clients:write")))
    assert answer.body == {"sub": "usr_ann", "permissions": ("users:write",)}
    whole = sample().answer(request("POST /users/{sub}", of("cli_ours", "openid")))
    assert whole.body == {"sub": "usr_ann", "permissions": ("users:read", "users:write")}


def test_a_machine_may_do_what_its_roles_and_scopes_permit(helpers: set[str]) -> None:
    """A scope counts if the token names it and the client still has it. OpenID's names permit nothing."""
    asked = MACHINE | {"scope": "users:export users:import openid"}
    answer = sample().answer(request("POST /users/{sub}", asked))
    assert answer.body == {"sub": "cli_job", "permissions": ("users:export", "users:write")}


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("caller", "auth_time"), [(PERSON, 17), (MACHINE | {"auth_time": str(NOW)}, 0)])
def test_only_a_person_has_a_time_of_sign_in(caller: dict[str, str], auth_time: int) -> None:
    """A machine never counts as freshly signed in, whatever its token says."""
    assert operators.require_permission(request("GET /", caller), permission="users:write").auth_time == auth_time


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
        ("/user", person("profile:read")),
        ("/export", person("profile:read", "sessions:read")),
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
    for need in (*(set(Access) - {PUBLIC}), person("profile:read"), key_or_token("users:read"), "users:read"):
        routes: Any = Routes("One route")
        routes("GET /closed", needs=need)(lambda _, caller: Response(204))
        with pytest.raises(ServiceError):
            routes.answer(request("GET /closed", ANONYMOUS))
