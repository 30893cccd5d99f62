"""The function of the first admin: what it takes, what it returns, and what it never logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.init_admin import app
from latchkey.core.roles.roles import BUILT_IN
from latchkey.core.users.first_admin import FirstAdmin
from latchkey.edge import bootstrap
from tests.world import PASSWORD, World, small_policy

BOSS = {"login": "boss@example.com", "password": PASSWORD}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A stack without an admin."""
    world = World(small_policy())
    monkeypatch.setattr(app, "first_admin", lambda: FirstAdmin(world.store, world.accounts, world.journal))
    monkeypatch.setattr(bootstrap, "roles_now", lambda: BUILT_IN)
    return world


def invoke(members: Any) -> tuple[int, Any]:
    """Return status and document of an invocation as the command makes it."""
    event = {"httpMethod": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(members)}
    answer = app.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_first_admin_is_answered_as_an_account(world: World) -> None:
    """The document is that of any other route, without the password."""
    status, document = invoke(BOSS)
    assert (status, document["login"], document["roles"]) == (201, "boss@example.com", ["admin", "user"])
    assert PASSWORD not in str(document)


def test_second_invocation_is_a_problem(world: World) -> None:
    """It is in the table of errors and has a code."""
    invoke(BOSS)
    status, document = invoke(BOSS | {"login": "eve@example.com"})
    assert (status, document["code"]) == (409, "admin_exists")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"login": "boss@example.com"}, "password"),
        ({"password": PASSWORD}, "login"),
        (BOSS | {"roles": ["user"]}, "roles"),
        (BOSS | {"password": 1}, "password"),
        ([], ""),
    ],
)
def test_bad_member_is_named(world: World, members: Any, field: str) -> None:
    """A missing, wrong or unknown member is named, and nothing is stored."""
    status, document = invoke(members)
    assert (status, document["errors"][0]["field"]) == (400, field)
    assert world.store.find_credential("boss@example.com") is None


@pytest.mark.parametrize("members", [BOSS, BOSS | {"login": "no one"}, BOSS | {"more": 1}], ids=["done", "bad", "more"])
def test_password_is_in_no_log(world: World, members: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda logs everything that is printed, so the function prints nothing of the event."""
    invoke(members)
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err


def test_unforeseen_error_is_logged_by_its_place(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold what was sent, so it is in neither the log nor the response."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(PASSWORD)

    monkeypatch.setattr(FirstAdmin, "create", fail)
    status, document = invoke(BOSS)
    printed = capsys.readouterr()
    assert (status, document["code"]) == (500, "internal_error")
    assert "RuntimeError" in printed.out
    assert PASSWORD not in printed.out + printed.err + str(document)
