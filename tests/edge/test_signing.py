"""The routes of the signing policy: what they take, who may use them, and what they reject by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.signing import app
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Session, User, UserStatus
from latchkey.core.roles.roles import RoleRegistry
from latchkey.edge import authorizer, bootstrap, operators
from latchkey.edge.http import Request
from tests.signing_world import LATER, SigningWorld, begun

ROUTES = [
    ("GET", ""),
    ("PATCH", ""),
    ("POST", "/rotate"),
    ("POST", "/reset"),
    ("GET", "/validation-key"),
]
READER, WRITER, KEEPER, USER = "usr_reader", "usr_writer", "usr_keeper", "usr_user"
GRANTED = {READER: ("signing:read",), WRITER: ("signing:write",), KEEPER: ("signing:read", "signing:read_secret")}


def account(store: object, sub: str, sid: str, *, now: int) -> tuple[User, Session]:
    """Return the account: everyone has one, with a role of the same name."""
    times = (now, now + 1, now + 1, now, now)
    session = Session(sub, sid, "cli_app", "", 0, *times, amr=("pwd",), family_hash="", link_hash="")
    return User(sub, sub, UserStatus.ACTIVE, (sub,), 0, 0), session


@pytest.fixture(autouse=True)
def operators_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may read, one may write, one may also read secrets, and one is a user."""
    roles = {sub: frozenset(permissions) for sub, permissions in GRANTED.items()} | {USER: frozenset({"profile:read"})}
    monkeypatch.setattr(bootstrap, "store", object)
    monkeypatch.setattr(bootstrap, "clients", object)
    monkeypatch.setattr(operators, "require_live_session", account)
    monkeypatch.setattr(bootstrap, "roles_now", lambda: RoleRegistry({"user": frozenset(), **roles}))


@pytest.fixture
def world() -> SigningWorld:
    """A stack with its first policy."""
    return begun()


def ask(world: SigningWorld, sub: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """Ask a route. A body that is not a string is sent as JSON."""
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    caller = {"sub": sub, "sid": "ses_a", "client_id": "cli_app", "auth_time": str(LATER)}
    headers = {"content-type": "application/json"}
    request = Request(method, f"/v1/admin/signing{path}", headers, text.encode(), {}, "192.0.2.7", caller, "r-1", LATER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "policy_admin", lambda: world.admin(**more))
        patch.setattr(bootstrap, "moment", world.moment)
        answer = app.routes.answer(request)
    assert answer.status == 200
    return dict(answer.body or {})


def refused(world: SigningWorld, sub: str, method: str, path: str, body: Any = None) -> ServiceError:
    """Return the error with which a request is refused; nothing has changed."""
    before = world.secret.current()
    with pytest.raises(ServiceError) as caught:
        ask(world, sub, method, path, body)
    assert world.secret.current() == before
    return caught.value


def fault(world: SigningWorld, path: str, method: str, body: Any) -> tuple[str, str]:
    """Return the member that a body is refused for, and the code."""
    error = refused(world, WRITER, method, path, body)
    assert error.error is Errors.INVALID_REQUEST
    return (error.fields[0].field, error.fields[0].code) if error.fields else ("", "")


# Who may


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_user_may_nothing(world: SigningWorld, method: str, path: str) -> None:
    """Every route of the policy needs a permission."""
    assert refused(world, USER, method, path, {"algorithm": "ES256"}).error is Errors.FORBIDDEN


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "GET"])
def test_reader_changes_nothing(world: SigningWorld, method: str, path: str) -> None:
    """Reading and writing are two permissions."""
    assert refused(world, READER, method, path, {"algorithm": "ES256"}).error is Errors.FORBIDDEN


@pytest.mark.parametrize("path", ["", "/validation-key"])
def test_writer_alone_reads_nothing(world: SigningWorld, path: str) -> None:
    """Writing does not imply reading."""
    assert refused(world, WRITER, "GET", path).error is Errors.FORBIDDEN


def test_refusal_comes_before_the_body_is_read(world: SigningWorld) -> None:
    """A caller without the permission learns nothing about what the route takes."""
    assert refused(world, USER, "PATCH", "", "not json").error is Errors.FORBIDDEN


def test_policy_is_shown_to_readers(world: SigningWorld) -> None:
    """The reader sees the policy in force."""
    assert ask(world, READER, "GET", "")["version"] == 1


@pytest.mark.parametrize(("sub", "given"), [(READER, False), (KEEPER, True)])
def test_shared_secret_needs_a_permission_of_its_own(world: SigningWorld, sub: str, given: bool) -> None:
    """The permission to read the policy is not the permission to read its secret."""
    ask(world, WRITER, "PATCH", "", {"algorithm": "HS256"}, allow_hs256=True)
    ask(world, WRITER, "POST", "/reset", {"confirmation_token": ask_to_reset(world), "understood": True})
    if given:
        assert "secret" in ask(world, sub, "GET", "/validation-key")
    else:
        assert refused(world, sub, "GET", "/validation-key").error is Errors.FORBIDDEN


def test_public_key_is_for_readers(world: SigningWorld) -> None:
    """A public key is not secret."""
    assert ask(world, READER, "GET", "/validation-key")["alg"] == "EdDSA"


# What the routes take


def test_change_takes_what_it_names(world: SigningWorld) -> None:
    """The algorithm and lifetimes change, and the answer is the policy with them."""
    body = {"algorithm": "ES256", "access_ttl": 600, "refresh_ttl": 86_400, "refresh_idle_ttl": 3600}
    answer = ask(world, WRITER, "PATCH", "", body | {"refresh_retry_limit": 0})
    assert {name: answer[name] for name in body} == body
    assert (answer["version"], answer["refresh_retry_limit"]) == (2, 0)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "algorithm", "required"),
        ({"algorithm": "none"}, "algorithm", "bad_value"),
        ({"algorithm": "rs256"}, "algorithm", "bad_value"),
        ({"algorithm": ""}, "algorithm", "bad_value"),
        ({"algorithm": None}, "algorithm", "bad_value"),
        ({"algorithm": ["ES256"]}, "algorithm", "not_a_text"),
        ({"access_ttl": "600"}, "access_ttl", "not_a_number"),
        ({"access_ttl": 600.0}, "access_ttl", "not_a_number"),
        ({"access_ttl": True}, "access_ttl", "not_a_number"),
        ({"access_ttl": None}, "access_ttl", "not_a_number"),
        ({"refresh_retry_limit": "2"}, "refresh_retry_limit", "not_a_number"),
        ({"access_ttl": 600, "keys": []}, "keys", "unknown_member"),
        ({"access_ttl": 600, "issuer": "https://evil.example"}, "issuer", "unknown_member"),
        ({"access_ttl": 600, "version": 1}, "version", "unknown_member"),
    ],
    ids=str,
)
def test_change_names_the_member_at_fault(world: SigningWorld, body: Any, field: str, code: str) -> None:
    """So are wrong types, unknown members, and an empty change."""
    assert fault(world, "", "PATCH", body) == (field, code)


def test_rotation_takes_no_body(world: SigningWorld) -> None:
    """An empty object counts as no body."""
    assert fault(world, "/rotate", "POST", {"kid": "mine"}) == ("", "")
    bodies: list[Any] = [None, {}]
    assert [ask(world, WRITER, "POST", "/rotate", body)["version"] for body in bodies] == [2, 3]


def ask_to_reset(world: SigningWorld, **members: Any) -> str:
    """Make the first call of a reset and return its token."""
    error = refused(world, WRITER, "POST", "/reset", members)
    assert error.error is Errors.CONFIRMATION_REQUIRED
    return str(error.members["confirmation_token"])


def test_reset_takes_two_calls(world: SigningWorld) -> None:
    """The first returns what would break, and the second sends the token and says that this is understood."""
    token = ask_to_reset(world)
    answer = ask(world, WRITER, "POST", "/reset", {"confirmation_token": token, "understood": True})
    assert answer["version"] == 2


@pytest.mark.parametrize("understood", [{}, {"understood": False}])
def test_token_that_is_not_understood_is_proposed_again(world: SigningWorld, understood: dict[str, bool]) -> None:
    """Without `understood: true` there is only a new proposal, and the first token stays valid."""
    token = ask_to_reset(world)
    ask_to_reset(world, confirmation_token=token, **understood)
    assert ask(world, WRITER, "POST", "/reset", {"confirmation_token": token, "understood": True})["version"] == 2


def test_understood_without_a_token_is_a_first_call(world: SigningWorld) -> None:
    """A reset always takes two calls."""
    ask_to_reset(world, understood=True)


@pytest.mark.parametrize("end_sessions", [True, False])
def test_second_call_cannot_change_what_the_first_proposed(world: SigningWorld, end_sessions: bool) -> None:
    """The token decides whether sessions end."""
    before = {key.key_id for key in world.policy.refresh_keys}
    token = ask_to_reset(world, end_sessions=end_sessions)
    body = {"confirmation_token": token, "understood": True, "end_sessions": not end_sessions}
    ask(world, WRITER, "POST", "/reset", body)
    kept = before & {key.key_id for key in world.policy.refresh_keys}
    assert kept == (set() if end_sessions else before)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"understood": "true"}, "understood", "not_a_flag"),
        ({"understood": 1}, "understood", "not_a_flag"),
        ({"end_sessions": 0}, "end_sessions", "not_a_flag"),
        ({"confirmation_token": 1}, "confirmation_token", "not_a_text"),
        ({"algorithm": "ES256"}, "algorithm", "unknown_member"),
    ],
    ids=str,
)
def test_reset_names_the_member_at_fault(world: SigningWorld, body: Any, field: str, code: str) -> None:
    """A string is no flag, and a reset changes nothing else."""
    assert fault(world, "/reset", "POST", body) == (field, code)


def test_admin_is_journaled_by_subject(world: SigningWorld) -> None:
    """Neither the body nor a header can name someone else."""
    ask(world, WRITER, "POST", "/rotate")
    assert world.journal.events[-1].sub == WRITER


# How old keys may be


@pytest.mark.parametrize(("secret", "max_age", "kept"), [("", "300", 60), ("", "1", 1), ("signing", "1", 1)])
def test_own_authorizer_keeps_keys_for_no_longer_than_others(
    monkeypatch: pytest.MonkeyPatch, secret: str, max_age: str, kept: int
) -> None:
    """A new key waits for `JwksMaxAgeSeconds`, so this authorizer must also have read it by then."""
    monkeypatch.setenv("LATCHKEY_JWKS_MAX_AGE", max_age)
    monkeypatch.setenv("LATCHKEY_HS256_SECRET", secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    keys = authorizer._keys.__wrapped__("https://id.example")
    assert keys._keys._patience.fresh == kept
