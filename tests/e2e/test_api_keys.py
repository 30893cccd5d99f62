"""API keys over HTTP: created, used, disabled, rotated and deleted; and the hashes of a Waves node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.accounts import Person, admin, bearer
from tests.e2e.client import Response, RunningTwin, start_twin

PATH = "/v1/admin/api-keys"
HELLO = "/v1/service/hello"


@pytest.fixture(scope="module")
def operator(twin: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(twin)


@pytest.fixture(scope="module")
def service(operator: Person) -> str:
    """A client that may have keys."""
    members = {"kind": "service", "name": "Billing", "roles": ["service"], "scopes": ["orders:read"]}
    answer = operator.twin.call("POST", "/v1/admin/clients", json=members, headers=operator.bearer)
    return str(answer.json["id"])


def ask(operator: Person, method: str, path: str, body: object = None) -> Response:
    return operator.twin.call(method, PATH + path, json=body, headers=operator.bearer)


def new_key(operator: Person, service: str, **members: Any) -> dict[str, Any]:
    answer = ask(operator, "POST", "", {"client_id": service, "name": "nightly"} | members)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def hello(twin: RunningTwin, key: str) -> Response:
    return twin.call("GET", HELLO, headers={"X-API-Key": key})


def listed(operator: Person, service: str, key_id: str) -> dict[str, Any] | None:
    keys = ask(operator, "GET", f"?client_id={service}&limit=100").json["api_keys"]
    return next((key for key in keys if key["id"] == key_id), None)


def test_a_new_key_is_shown_once(operator: Person, service: str) -> None:
    """The list shows the key's prefix, name and dates, and neither the key nor its hash."""
    made = new_key(operator, service, expires_at=int(time.time()) + 3600)
    shown = listed(operator, service, made["id"])
    assert shown == {name: value for name, value in made.items() if name != "api_key"}
    assert made["api_key"].startswith(made["prefix"])
    assert (shown["roles"], shown["scopes"], shown["last_used_on"]) == (["service"], ["orders:read"], None)


def test_a_key_opens_the_routes_of_its_authorizer(operator: Person, service: str) -> None:
    """The API learns which client calls, and the day of use is recorded."""
    made = new_key(operator, service)
    answer = hello(operator.twin, made["api_key"])
    shown = listed(operator, service, made["id"])
    assert (answer.status, answer.json["message"]) == (200, f"Welcome, {service}!")
    assert shown is not None
    assert shown["last_used_on"] == time.strftime("%Y-%m-%d", time.gmtime())


def test_a_revoked_key_takes_its_tokens_from_operators(operator: Person) -> None:
    """A token that a service bought with a key opens no admin route once the key is deleted."""
    members = {"kind": "service", "name": "Deployer", "roles": ["service", "admin"]}
    made = operator.twin.call("POST", "/v1/admin/clients", json=members, headers=operator.bearer).json
    key = new_key(operator, made["id"])
    tokens = operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": key["api_key"]}).json
    by_service = bearer(tokens["access_token"])
    before = operator.twin.call("GET", "/v1/admin/clients", headers=by_service).status
    ask(operator, "DELETE", f"/{key['id']}")
    after = operator.twin.call("GET", "/v1/admin/clients", headers=by_service)
    assert (before, after.status, after.json["code"]) == (200, 401, "invalid_token")


def test_a_key_buys_tokens(operator: Person, service: str) -> None:
    """The token has the scopes of the key."""
    made = new_key(operator, service)
    answer = operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": made["api_key"]})
    assert (answer.status, answer.json["scope"]) == (200, "orders:read")


def test_what_is_no_key_opens_nothing(operator: Person, service: str) -> None:
    """A cut key, a key in another case, a prefix, a record's id and no key all get the same 401."""
    made = new_key(operator, service)
    text = made["api_key"]
    answers = [hello(operator.twin, bad) for bad in (text[:-1], text.upper(), made["prefix"], made["id"], "x")]
    answers.append(operator.twin.call("GET", HELLO))
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(401, "invalid_token")}


def test_a_key_in_the_url_is_refused(operator: Person, service: str) -> None:
    """A key in the URL is rejected, also beside one in the header, because logs keep URLs."""
    text = new_key(operator, service)["api_key"]
    headers = {"X-API-Key": text}
    answers = [
        operator.twin.call("GET", f"{HELLO}?api_key={text}"),
        operator.twin.call("GET", f"{HELLO}?api_key={text}", headers=headers),
        operator.twin.call("POST", f"/v1/auth/token?api_key={text}"),
        operator.twin.call("POST", f"/v1/auth/token?api_key={text}", headers=headers),
    ]
    assert [answer.status for answer in answers] == [401] * 4


def test_a_key_and_a_token_together_are_refused(operator: Person, service: str) -> None:
    """A caller must not present two identities."""
    text = new_key(operator, service)["api_key"]
    both = operator.bearer | {"X-API-Key": text}
    assert operator.twin.call("GET", HELLO, headers=both).status == 401


def test_a_key_is_no_bearer_token(operator: Person, service: str) -> None:
    """The routes for tokens accept no key, in either header."""
    text = new_key(operator, service)["api_key"]
    answers = [operator.twin.call("GET", "/v1/hello", headers=each) for each in ({"X-API-Key": text}, bearer(text))]
    assert [answer.status for answer in answers] == [401, 401]


def test_a_revoked_key_is_dead_at_once(operator: Person, service: str) -> None:
    """It buys no token, its sessions do not refresh, and a second deletion finds nothing."""
    made = new_key(operator, service)
    tokens = operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": made["api_key"]}).json
    revoked = [ask(operator, "DELETE", f"/{made['id']}").status for _ in range(2)]
    after = [
        operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": made["api_key"]}).status,
        operator.twin.call("POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status,
        hello(operator.twin, made["api_key"]).status,
    ]
    assert (revoked, after, listed(operator, service, made["id"])) == ([204, 404], [401, 401, 401], None)


def test_a_disabled_key_behaves_as_a_deleted_one(operator: Person, service: str) -> None:
    """It buys no token, its sessions do not refresh, and it opens no route. Enabled, it works again."""
    made = new_key(operator, service)
    tokens = operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": made["api_key"]}).json
    disabled = ask(operator, "PATCH", f"/{made['id']}", {"status": "disabled"})
    refused = [
        operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": made["api_key"]}).status,
        operator.twin.call("POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status,
        hello(operator.twin, made["api_key"]).status,
    ]
    enabled = ask(operator, "PATCH", f"/{made['id']}", {"status": "active"})
    assert (disabled.json["status"], refused, enabled.json["status"]) == ("disabled", [401, 401, 401], "active")
    assert hello(operator.twin, made["api_key"]).status == 200


def test_one_key_is_shown_and_renamed(operator: Person, service: str) -> None:
    """The record is that of the list, without the key itself. A change sets only the members that it names."""
    made = new_key(operator, service)
    record = {name: value for name, value in made.items() if name != "api_key"}
    shown = ask(operator, "GET", f"/{made['id']}")
    renamed = ask(operator, "PATCH", f"/{made['id']}", {"name": "weekly"})
    assert (shown.status, shown.json, record["status"]) == (200, record, "active")
    assert (renamed.status, renamed.json) == (200, record | {"name": "weekly"})
    assert listed(operator, service, made["id"]) == renamed.json


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "name", "required"),
        ({"name": ""}, "name", "required"),
        ({"status": "revoked"}, "status", "bad_value"),
        ({"status": True}, "status", "not_a_text"),
        ({"roles": []}, "roles", "unknown_member"),
        ({"expires_at": 1}, "expires_at", "unknown_member"),
    ],
)
def test_an_impossible_change_of_a_key_is_refused(
    operator: Person, service: str, body: dict[str, Any], field: str, code: str
) -> None:
    """A key can be renamed, disabled and enabled, and nothing else."""
    made = new_key(operator, service)
    answer = ask(operator, "PATCH", f"/{made['id']}", body)
    [fault] = answer.json["errors"]
    assert (answer.status, fault["field"], fault["code"]) == (400, field, code)


def test_a_key_that_is_not_there_is_not_found(operator: Person) -> None:
    """A missing key cannot be shown or changed."""
    answers = [ask(operator, "GET", "/nothing"), ask(operator, "PATCH", "/nothing", {"status": "disabled"})]
    assert [answer.status for answer in answers] == [404, 404]


def test_a_rotated_key_overlaps_with_its_successor(operator: Person, service: str) -> None:
    """Both work during the overlap. Without one, the old key stops working at once."""
    first = new_key(operator, service)
    second = ask(operator, "POST", f"/{first['id']}/rotate", {"overlap_seconds": 600}).json
    third = ask(operator, "POST", f"/{second['id']}/rotate").json
    statuses = [hello(operator.twin, each["api_key"]).status for each in (first, second, third)]
    shown = listed(operator, service, first["id"])
    assert (statuses, shown and shown["successor"]) == ([200, 401, 200], second["id"])


@pytest.mark.parametrize("overlap", [-1, 604_801, "60", 1.5])
def test_an_odd_overlap_is_refused(operator: Person, service: str, overlap: object) -> None:
    """An overlap is a week at most, in whole seconds."""
    made = new_key(operator, service)
    answer = ask(operator, "POST", f"/{made['id']}/rotate", {"overlap_seconds": overlap})
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "overlap_seconds")


@pytest.mark.parametrize(
    ("members", "field", "code"),
    [
        ({"key": "chosen"}, "key", "unknown_member"),
        ({"secret_hash": "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"}, "secret_hash", "unknown_member"),
        ({"user_id": "usr_x"}, "user_id", "unknown_member"),
        ({"client_id": "cli_missing"}, "client_id", "unknown_client"),
        ({"client_id": "cli_app"}, "client_id", "unknown_client"),
        ({"name": ""}, "name", "required"),
        ({"roles": ["admin"]}, "roles", "beyond_client"),
        ({"scopes": ["orders:write"]}, "scopes", "beyond_client"),
        ({"expires_at": 1}, "expires_at", "in_the_past"),
        ({"expires_at": "tomorrow"}, "expires_at", "not_a_number"),
    ],
)
def test_what_a_key_may_not_be_is_named(
    operator: Person, service: str, members: dict[str, Any], field: str, code: str
) -> None:
    """The service generates the key, and a key has no right that its client lacks."""
    answer = ask(operator, "POST", "", {"client_id": service, "name": "n"} | members)
    [fault] = answer.json["errors"]
    assert (answer.status, fault["field"], fault["code"]) == (400, field, code)


# The mode of the stack


@pytest.fixture(scope="module", params=["bearer", "api-key"])
def strict_twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin of a stack that accepts keys in one way only."""
    folder = tmp_path_factory.mktemp(f"mode-{request.param}")
    with start_twin(folder, LIMITS="off", PARAMETERS=f"AuthMode={request.param}") as running:
        running.dev["mode"] = request.param
        yield running


def test_a_mode_takes_its_own_way_alone(strict_twin: RunningTwin) -> None:
    """`bearer` accepts a key as a Bearer token, for tokens only. `api-key` accepts it in `X-API-Key` alone."""
    key, by_header = strict_twin.dev["api_key"], {"X-API-Key": strict_twin.dev["api_key"]}
    statuses = [
        strict_twin.call("POST", "/v1/auth/token", headers=bearer(key)).status,
        strict_twin.call("POST", "/v1/auth/token", headers=by_header).status,
        strict_twin.call("GET", HELLO, headers=by_header).status,
    ]
    assert statuses == {"bearer": [200, 401, 401], "api-key": [401, 200, 200]}[strict_twin.dev["mode"]]


# Hashes


def hashed(operator: Person, path: str, body: bytes, kind: str = "text/plain") -> Response:
    headers = operator.bearer | {"Content-Type": kind}
    return operator.twin.call("POST", f"/utils/hash/{path}", body=body, headers=headers)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/octet-stream"])
def test_a_body_is_hashed_as_it_comes(operator: Person, kind: str) -> None:
    """It is the node's own example, and the content type does not matter."""
    answer = hashed(operator, "secure", b"ridethewaves!", kind)
    assert (answer.status, answer.json) == (200, {"hash": "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"})


def test_a_hash_can_be_another(operator: Person) -> None:
    """`fast` leaves out Keccak, and `alg=sha256` is plain SHA-256."""
    fast = hashed(operator, "fast", b"vostok").json["hash"]
    sha256 = hashed(operator, "secure?alg=sha256", b"").json["hash"]
    assert fast not in {"5M7C14rf3TAaWscd8fHvU6Kqo97iJFpvFwyQ3Q6vfztS", sha256}
    assert sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_message_is_echoed_on_demand_and_never_logged(operator: Person) -> None:
    """The message may be a key in use, so it is not logged."""
    secret = "ключ key-number-4711"
    silent, loud = (hashed(operator, path, secret.encode()).json for path in ("secure", "secure?echo=true"))
    assert ("message" in silent, loud["message"]) == (False, secret)
    assert "key-number-4711" not in operator.twin.output()


def test_key_with_the_permission_may_hash(operator: Person) -> None:
    """As at a node, the key in `X-API-Key` is enough. A key without the permission gets 403, and a wrong one 401."""
    members = {"kind": "service", "name": "Node", "roles": ["service", "admin"]}
    node = operator.twin.call("POST", "/v1/admin/clients", json=members, headers=operator.bearer).json["id"]
    keys = [new_key(operator, node, roles=[role])["api_key"] for role in ("admin", "service")]
    answers = [
        operator.twin.call("POST", "/utils/hash/secure", body=b"ridethewaves!", headers={"X-API-Key": key} | also)
        for key, also in [(keys[0], {}), (keys[1], {}), (keys[0][:-1] + "x", {}), (keys[0], operator.bearer)]
    ]
    assert [answer.status for answer in answers] == [200, 403, 401, 401]
    assert answers[0].json == {"hash": "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"}


def test_private_route_is_for_keys_of_privacy(operator: Person) -> None:
    """The sample asks for `privacy:read`, which the role `privacy` permits. The key's own roles count."""
    members = {"kind": "service", "name": "Records", "roles": ["service", "privacy"]}
    client = operator.twin.call("POST", "/v1/admin/clients", json=members, headers=operator.bearer).json["id"]
    statuses = [
        operator.twin.call("GET", "/v1/service/private", headers={"X-API-Key": key}).status
        for key in (new_key(operator, client, roles=[role])["api_key"] for role in ("privacy", "service"))
    ]
    assert statuses == [200, 403]


def test_key_of_a_disabled_client_is_rejected_at_once(operator: Person, service: str) -> None:
    """The gateway keeps no answer about a key, so the next call is judged by what holds then."""
    key = new_key(operator, service)["api_key"]
    path = f"/v1/admin/clients/{service}"
    before = hello(operator.twin, key).status
    operator.twin.call("PATCH", path, json={"status": "disabled"}, headers=operator.bearer)
    meanwhile = hello(operator.twin, key).status
    operator.twin.call("PATCH", path, json={"status": "active"}, headers=operator.bearer)
    assert (before, meanwhile, hello(operator.twin, key).status) == (200, 401, 200)


@pytest.mark.parametrize(("path", "size", "status"), [("secure", 1025, 413), ("fast", 1024, 200), ("fast?x=1", 1, 400)])
def test_a_hash_has_limits(operator: Person, path: str, size: int, status: int) -> None:
    """A body can have 1,024 bytes at most, and unknown parameters are rejected."""
    assert hashed(operator, path, b"a" * size).status == status
