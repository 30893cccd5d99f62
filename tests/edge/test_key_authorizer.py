"""The authorizer of API keys: what it accepts, and what it passes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from latchkey.core.clients.directory import ClientDirectory, new_api_key
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.model import ApiKey, Client, ClientKind
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, StoredRoles, registry_with
from latchkey.core.throttle import NoThrottle
from latchkey.edge import key_authorizer
from latchkey.edge.authorizer import Unauthorized
from latchkey.edge.key_authorizer import authorize
from tests.memory.store import MemoryStore

METHOD_ARN = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod/GET/v1/service/hello"
_KEY_ID, KEY, _STORED = new_api_key(bytes)


class Silent:
    """A journal that keeps nothing."""

    def record(self, event: Event) -> None:
        """Drop it."""


class Broken(MemoryStore):
    """A store that cannot answer."""

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Fail."""
        raise ServiceError(Errors.UNAVAILABLE, f"{key_id} {now}")


def use(monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> MemoryStore:
    """Give the authorizer a store in which Billing has a key."""
    now = int(time.time())
    client = Client("cli_a", ClientKind.SERVICE, "Billing", now, scopes=("a", "b"), roles=("service", "privacy"))
    store.create_client(client)
    store.create_api_key(ApiKey(_KEY_ID, "cli_a", "n", _STORED, now, scopes=("b", "c"), roles=("privacy", "admin")))
    directory = ClientDirectory(store, NoThrottle(), Silent())
    monkeypatch.setattr(key_authorizer, "_directory", lambda _: directory)
    monkeypatch.setattr(key_authorizer, "_roles", lambda: StoredRoles(lambda: registry_with(store.custom_roles())))
    return store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    return use(monkeypatch, MemoryStore())


def event(headers: Mapping[str, list[str]], **query: str) -> dict[str, Any]:
    """Return the event of a REST API's REQUEST authorizer."""
    return {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": dict(headers),
        "queryStringParameters": query or None,
    }


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key"])
def test_a_key_becomes_the_context_of_its_client(store: MemoryStore, name: str) -> None:
    """It has the members of the Bearer authorizer's context, and the id of the key."""
    answer = authorize(event({name: [KEY]}))
    assert answer["context"] == {
        "sub": "cli_a",
        "client_id": "cli_a",
        "sid": "",
        "roles": "privacy user",
        "permissions": " ".join(sorted({*BUILT_IN.permissions(("privacy",)), "b"})),
        "scope": "b",
        "auth_time": "",
        "api_key_id": _KEY_ID,
    }
    assert answer["principalId"] == "cli_a"


def test_a_role_of_the_stacks_own_permits_what_the_stack_says(store: MemoryStore) -> None:
    """The permissions of a key are looked up in the store of the roles."""
    store.replace_roles(CustomRoles(1, {"reporter": "users:read"}))
    store._clients["cli_a"] = replace(store._clients["cli_a"], roles=("reporter",))
    store._api_keys[_KEY_ID] = replace(store._api_keys[_KEY_ID], roles=("reporter",))
    permissions = authorize(event({"X-API-Key": [KEY]}))["context"]["permissions"].split()
    assert set(permissions) == {"users:read", "b", *BUILT_IN.permissions(("user",))}


def test_the_policy_holds_for_every_route(store: MemoryStore) -> None:
    """The gateway caches it for all routes of the key, so it names none of them."""
    [statement] = authorize(event({"X-API-Key": [KEY]}))["policyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:execute-api:eu-west-1:123456789012:api1/prod/*/*"


@pytest.mark.parametrize(
    "asked",
    [
        event({}),
        event({"X-API-Key": ["lk_x"]}),
        event({"X-API-Key": [KEY, KEY]}),
        event({"X-API-Key": [KEY], "x-api-key": [KEY]}),
        event({"X-API-Key": [KEY], "Authorization": ["Bearer a.b.c"]}),
        event({"X-API-Key": [KEY]}, api_key=KEY),
        event({"Host": ["x"]}, api_key=KEY),
        event({"X-API-Key": [_STORED]}),
    ],
    ids=["none", "junk", "two", "two spellings", "a token too", "in the URL too", "in the URL", "its hash"],
)
def test_anything_but_one_key_in_its_header_is_unauthorized(
    store: MemoryStore, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """One exception covers all, and its text makes a 401. The log has the reason, and not the key."""
    with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
        authorize(asked)
    assert KEY not in capsys.readouterr().out


def test_a_stack_of_tokens_takes_no_key(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """AuthMode `bearer` closes the routes of the key authorizer."""
    monkeypatch.setenv("LATCHKEY_AUTH_MODE", "bearer")
    with pytest.raises(Unauthorized):
        authorize(event({"X-API-Key": [KEY]}))


def test_a_store_that_cannot_answer_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failure becomes a 500. A 401 would be cached, and would make operators replace a good key."""
    use(monkeypatch, Broken())
    with pytest.raises(ServiceError):
        authorize(event({"X-API-Key": [KEY]}))


def test_a_security_event_says_which_request_from_where(capsys: pytest.CaptureFixture[str]) -> None:
    """The audit log can read the line, as it can those of every other function."""
    key_authorizer.LineJournal("r-1", "192.0.2.7").record(Event("client_refused", client_id="cli_a", reason="wrong"))
    line = json.loads(capsys.readouterr().out)
    assert abs(line.pop("time") / 1000 - time.time()) < 60
    assert line == {
        "level": "INFO",
        "message": "client_refused",
        "event": "client_refused",
        "client_id": "cli_a",
        "reason": "wrong",
        "request_id": "r-1",
        "address": "192.0.2.7",
    }
