"""The commands for accounts, roles, clients, API keys and partners, against a small API on loopback."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from infra.cli.app import app
from tests.infra.fake_api import LOGIN, LOGOUT, PASSWORD, Call, FakeApi, latchkey, problem

USERS, ROLES, CLIENTS, KEYS = "/v1/admin/users", "/v1/admin/roles", "/v1/admin/clients", "/v1/admin/api-keys"
PARTNERS = "/v1/admin/partners"
CUSTOMER_ROLES, PERMISSIONS = "/v1/admin/customer-roles", "/v1/admin/permissions"
SUB = "usr_" + "a" * 26
ANN = f"{USERS}?login=ann%40example.com"
SECRET = "lks_only-once"
MADE_AT = 1_780_000_000

USER = {
    "id": SUB,
    "login": "ann@example.com",
    "name": "Ann",
    "locale": "",
    "status": "active",
    "roles": ["shop", "user"],
    "permissions": ["profile:read"],
    "created_at": MADE_AT,
}
ROLE = {"name": "shop", "built_in": False, "permissions": ["users:read"]}
PERMISSION = {"name": "orders:read", "built_in": False}
CLIENT = {
    "id": "cli_x",
    "kind": "confidential",
    "name": "Shop",
    "created_at": MADE_AT,
    "status": "active",
    "roles": [],
    "secrets": ["0123abcd"],
}
API_KEY = {
    "id": "kid",
    "prefix": "lk_kid_",
    "client_id": "cli_x",
    "name": "Job",
    "status": "active",
    "created_at": MADE_AT,
}
PARTNER = {
    "id": "prt_x",
    "name": "Shop",
    "issuer": "https://shop.example",
    "status": "active",
    "profile": "standard",
    "keys": [{"kid": "k1", "alg": "ES256", "kty": "EC"}],
    "role_map": {"a=b": "user"},
    "tokens_per_minute": 0,
    "max_users": 500,
    "created_at": MADE_AT,
}

COMMANDS: dict[str, tuple[list[str], Call, Any]] = {
    "user show with a blank": (["user", "show", f"{SUB} "], Call("GET", f"{USERS}/{SUB}", "", None), USER),
    "user show": (["user", "show", SUB], Call("GET", f"{USERS}/{SUB}", "", None), USER),
    "user disable": (["user", "disable", SUB], Call("PATCH", f"{USERS}/{SUB}", "", {"status": "disabled"}), USER),
    "user enable": (["user", "enable", SUB], Call("PATCH", f"{USERS}/{SUB}", "", {"status": "active"}), USER),
    "user create": (
        ["user", "create", "ann@example.com", "--no-password", "--role", "user", "--role", "shop", "--locale", "ru"],
        Call("POST", USERS, "", {"login": "ann@example.com", "roles": ["user", "shop"], "locale": "ru"}),
        USER,
    ),
    "user set": (
        ["user", "set", SUB, "--role", "user", "--role", "help"],
        Call("PATCH", f"{USERS}/{SUB}", "", {"roles": ["user", "help"]}),
        USER,
    ),
    "user end-sessions": (
        ["user", "end-sessions", SUB, "--yes"],
        Call("DELETE", f"{USERS}/{SUB}/sessions", "", None),
        None,
    ),
    "user forget-devices": (
        ["user", "forget-devices", SUB, "--yes"],
        Call("DELETE", f"{USERS}/{SUB}/devices", "", None),
        None,
    ),
    "user reset-password": (
        ["user", "reset-password", SUB],
        Call("POST", f"{USERS}/{SUB}/password-reset", "", {}),
        None,
    ),
    "role show": (["role", "show", "shop"], Call("GET", f"{ROLES}/shop", "", None), ROLE),
    "role list": (["role", "list"], Call("GET", ROLES, "", None), {"roles": [ROLE]}),
    "role set": (
        ["role", "set", "shop", "users:read", "users:write"],
        Call("PUT", f"{ROLES}/shop", "", {"permissions": ["users:read", "users:write"]}),
        ROLE,
    ),
    "role set to nothing": (
        ["role", "set", "shop", "--none"],
        Call("PUT", f"{ROLES}/shop", "", {"permissions": []}),
        ROLE,
    ),
    "role delete": (["role", "delete", "a/b", "--yes"], Call("DELETE", f"{ROLES}/a%2Fb", "", None), None),
    "role customer show": (
        ["role", "customer", "show"],
        Call("GET", CUSTOMER_ROLES, "", None),
        {"roles": ["user", "shop"]},
    ),
    "role customer set": (
        ["role", "customer", "set", "user", "shop"],
        Call("PUT", CUSTOMER_ROLES, "", {"roles": ["user", "shop"]}),
        {"roles": ["user", "shop"]},
    ),
    "role customer set to nothing": (
        ["role", "customer", "set", "--none"],
        Call("PUT", CUSTOMER_ROLES, "", {"roles": []}),
        {"roles": []},
    ),
    "permission list": (
        ["permission", "list"],
        Call("GET", PERMISSIONS, "", None),
        {"permissions": [PERMISSION]},
    ),
    "permission create": (
        ["permission", "create", "orders:read"],
        Call("PUT", f"{PERMISSIONS}/orders%3Aread", "", {}),
        PERMISSION,
    ),
    "permission delete": (
        ["permission", "delete", "https://a.example/orders", "--yes"],
        Call("DELETE", f"{PERMISSIONS}/https%3A%2F%2Fa.example%2Forders", "", None),
        None,
    ),
    "client show": (["client", "show", "cli_x"], Call("GET", f"{CLIENTS}/cli_x", "", None), CLIENT),
    "client create": (
        ["client", "create", "--kind", "public", "--name", "App", "--redirect-uri", "a:/b", "--grant", "refresh_token"],
        Call(
            "POST",
            CLIENTS,
            "",
            {"kind": "public", "name": "App", "redirect_uris": ["a:/b"], "grants": ["refresh_token"]},
        ),
        CLIENT,
    ),
    "client create of the team": (
        ["client", "create", "--kind", "public", "--name", "App", "--first-party"],
        Call("POST", CLIENTS, "", {"kind": "public", "name": "App", "first_party": True}),
        CLIENT,
    ),
    "client set": (
        ["client", "set", "cli_x", "--name", "Shop", "--role", "", "--scope", "a", "--scope", "b"],
        Call("PATCH", f"{CLIENTS}/cli_x", "", {"name": "Shop", "scopes": ["a", "b"], "roles": []}),
        CLIENT,
    ),
    "client set of the team": (
        ["client", "set", "cli_x", "--first-party"],
        Call("PATCH", f"{CLIENTS}/cli_x", "", {"first_party": True}),
        CLIENT,
    ),
    "client set of others": (
        ["client", "set", "cli_x", "--no-first-party"],
        Call("PATCH", f"{CLIENTS}/cli_x", "", {"first_party": False}),
        CLIENT,
    ),
    "client disable": (
        ["client", "disable", "cli_x"],
        Call("PATCH", f"{CLIENTS}/cli_x", "", {"status": "disabled"}),
        CLIENT,
    ),
    "client enable": (
        ["client", "enable", "cli_x"],
        Call("PATCH", f"{CLIENTS}/cli_x", "", {"status": "active"}),
        CLIENT,
    ),
    "client delete": (["client", "delete", "cli_x", "--yes"], Call("DELETE", f"{CLIENTS}/cli_x", "", None), None),
    "client secret delete": (
        ["client", "secret", "delete", "cli_x", "0123abcd", "--yes"],
        Call("DELETE", f"{CLIENTS}/cli_x/secrets/0123abcd", "", None),
        None,
    ),
    "api-key show": (["api-key", "show", "kid"], Call("GET", f"{KEYS}/kid", "", None), API_KEY),
    "api-key set": (
        ["api-key", "set", "kid", "--name", "Job"],
        Call("PATCH", f"{KEYS}/kid", "", {"name": "Job"}),
        API_KEY,
    ),
    "api-key disable": (
        ["api-key", "disable", "kid"],
        Call("PATCH", f"{KEYS}/kid", "", {"status": "disabled"}),
        API_KEY,
    ),
    "api-key enable": (["api-key", "enable", "kid"], Call("PATCH", f"{KEYS}/kid", "", {"status": "active"}), API_KEY),
    "api-key delete": (["api-key", "delete", "kid", "--yes"], Call("DELETE", f"{KEYS}/kid", "", None), None),
    "partner show": (["partner", "show", "prt_x"], Call("GET", f"{PARTNERS}/prt_x", "", None), PARTNER),
    "partner create": (
        ["partner", "create", "--name", "Shop", "--issuer", "i", "--token-profile", "nodul", "--map-role", "a=b=user"],
        Call("POST", PARTNERS, "", {"name": "Shop", "issuer": "i", "profile": "nodul", "role_map": {"a=b": "user"}}),
        PARTNER,
    ),
    "partner set": (
        ["partner", "set", "prt_x", "--client-id", "a", "--client-id", "b", "--max-users", "0"],
        Call("PATCH", f"{PARTNERS}/prt_x", "", {"clients": ["a", "b"], "max_users": 0}),
        PARTNER,
    ),
    "partner set to nothing": (
        ["partner", "set", "prt_x", "--map-role", "", "--default-role", "", "--allow-missing", ""],
        Call("PATCH", f"{PARTNERS}/prt_x", "", {"role_map": {}, "default_roles": [], "allow_missing": []}),
        PARTNER,
    ),
    "partner disable": (
        ["partner", "disable", "prt_x"],
        Call("PATCH", f"{PARTNERS}/prt_x", "", {"status": "disabled"}),
        PARTNER,
    ),
    "partner enable": (
        ["partner", "enable", "prt_x"],
        Call("PATCH", f"{PARTNERS}/prt_x", "", {"status": "active"}),
        PARTNER,
    ),
    "partner delete": (["partner", "delete", "prt_x", "--yes"], Call("DELETE", f"{PARTNERS}/prt_x", "", None), None),
    "partner key delete": (
        ["partner", "key", "delete", "prt_x", "k/1", "--yes"],
        Call("DELETE", f"{PARTNERS}/prt_x/keys/k%2F1", "", None),
        None,
    ),
}
"""A command line, the call that it makes, and the document that the server answers."""

WITH_SECRET: dict[str, tuple[list[str], Call, dict[str, Any]]] = {
    "client create": (
        ["client", "create", "--kind", "confidential", "--name", "Shop"],
        Call("POST", CLIENTS, "", {"kind": "confidential", "name": "Shop"}),
        CLIENT | {"client_secret": SECRET},
    ),
    "client secret create": (
        ["client", "secret", "create", "cli_x"],
        Call("POST", f"{CLIENTS}/cli_x/secrets", "", {}),
        CLIENT | {"client_secret": SECRET},
    ),
    "api-key create": (
        ["api-key", "create", "--client-id", "cli_x", "--name", "Job", "--role", "service"],
        Call("POST", KEYS, "", {"client_id": "cli_x", "name": "Job", "roles": ["service"]}),
        API_KEY | {"api_key": SECRET},
    ),
    "api-key rotate": (
        ["api-key", "rotate", "kid", "--overlap", "1h"],
        Call("POST", f"{KEYS}/kid/rotate", "", {"overlap_seconds": 3600}),
        API_KEY | {"api_key": SECRET},
    ),
}


def local(*arguments: str, typed: str = "") -> Result:
    return latchkey("--local", *arguments, typed=typed)


def prepare(fake: FakeApi, call: Call, document: Any) -> None:
    fake.will(call.method, call.path, (200, document) if document else (204, None))


def own_calls(fake: FakeApi) -> list[tuple[str, str, Any]]:
    """Return the calls other than signing in and out."""
    calls = [(call.method, call.path, call.body or None) for call in fake.calls]
    return [call for call in calls if call[1] not in {LOGIN, LOGOUT}]


@pytest.mark.parametrize("name", COMMANDS | WITH_SECRET)
def test_command_makes_its_call(fake: FakeApi, name: str) -> None:
    """Each command signs in as the twin's admin, makes exactly one call with what was typed, and signs out."""
    for arguments, call, document in (table[name] for table in (COMMANDS, WITH_SECRET) if name in table):
        fake.calls.clear()
        prepare(fake, call, document)
        result = local(*arguments)
        assert (result.exit_code, own_calls(fake)) == (0, [(call.method, call.path, call.body or None)])
        assert [fake.calls[0].path, fake.calls[-1].path] == [LOGIN, LOGOUT]
        assert result.stdout.strip() != ""


@pytest.mark.parametrize("name", [name for name, (_, _, document) in COMMANDS.items() if document])
def test_json_is_the_servers_document(fake: FakeApi, name: str) -> None:
    """--json prints the server's document byte by byte, with unknown members."""
    arguments, call, document = COMMANDS[name]
    text = json.dumps(document | {"news": "of tomorrow"}, indent=3)
    fake.will(call.method, call.path, (200, text.encode()))
    assert local(*arguments, "--json").stdout == text + "\n"


@pytest.mark.parametrize("name", [name for name, (_, _, document) in COMMANDS.items() if not document])
def test_json_of_nothing_is_nothing(fake: FakeApi, name: str) -> None:
    """--json prints nothing if the server has no document."""
    arguments, call, document = COMMANDS[name]
    prepare(fake, call, document)
    result = local(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(("arguments", "call", "document"), WITH_SECRET.values(), ids=WITH_SECRET)
def test_secret_is_alone_on_stdout(fake: FakeApi, arguments: list[str], call: Call, document: dict[str, Any]) -> None:
    """A pipe gets the secret alone; a note on stderr says that it is shown only once."""
    prepare(fake, call, document)
    result = local(*arguments)
    assert result.stdout == SECRET + "\n"
    assert "it cannot be shown again" in result.stderr
    assert SECRET not in result.stderr


@pytest.mark.parametrize(("arguments", "call", "document"), WITH_SECRET.values(), ids=WITH_SECRET)
def test_secret_is_in_the_document(fake: FakeApi, arguments: list[str], call: Call, document: dict[str, Any]) -> None:
    """--json prints the whole document, which contains the secret once."""
    prepare(fake, call, document)
    result = local(*arguments, "--json")
    assert (json.loads(result.stdout), result.output.count(SECRET)) == (document, 1)


def test_life_of_a_key_becomes_a_moment(fake: FakeApi) -> None:
    """The duration is sent as the second at which the key expires."""
    fake.will("POST", KEYS, (201, API_KEY | {"api_key": SECRET}))
    local("api-key", "create", "--client-id", "cli_x", "--name", "Job", "--expires-in", "90d")
    [body] = fake.bodies(KEYS)
    assert abs(body["expires_at"] - time.time() - 90 * 86_400) < 60


# ---- What cannot be undone ----

FINAL = {name: row for name, row in COMMANDS.items() if "--yes" in row[0]} | {
    "api-key rotate": (
        ["api-key", "rotate", "kid", "--yes"],
        Call("POST", f"{KEYS}/kid/rotate", "", {}),
        API_KEY | {"api_key": SECRET},
    )
}
WORDS = {"client delete": "cli_x", "partner delete": "prt_x"}
"""The command whose confirmation is the name of what goes; the others take `yes`."""


def unconfirmed(name: str) -> list[str]:
    return [argument for argument in FINAL[name][0] if argument != "--yes"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", FINAL)
def test_what_cannot_be_undone_is_asked_for(fake: FakeApi, name: str) -> None:
    """The effect is said on stderr, and the call is made as soon as the word is typed."""
    _, call, document = FINAL[name]
    prepare(fake, call, document)
    result = local(*unconfirmed(name), typed=f"{WORDS.get(name, 'yes')}\n")
    assert (result.exit_code, own_calls(fake)) == (0, [(call.method, call.path, call.body or None)])
    assert " will " in result.stderr
    assert "This cannot be undone." in result.stderr


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("name", "typed"),
    [*((name, "no\n") for name in FINAL), *(("api-key delete", typed) for typed in ("", "\n", "y\n", "Yes\n"))],
)
def test_another_word_changes_nothing(fake: FakeApi, name: str, typed: str) -> None:
    """Any other answer ends the command before it signs in."""
    result = local(*unconfirmed(name), typed=typed)
    assert (result.exit_code, result.stdout.strip(), fake.calls) == (1, typed.strip(), [])  # the echo of a terminal
    assert "Nothing has changed" in result.stderr


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", WORDS)
def test_habit_does_not_delete_what_others_hang_on(fake: FakeApi, name: str) -> None:
    """A client's API keys and a partner's users depend on it, so its name must be typed."""
    assert (local(*unconfirmed(name), typed="yes\n").exit_code, fake.calls) == (1, [])


@pytest.mark.parametrize("name", FINAL)
def test_nothing_is_asked_without_a_terminal(fake: FakeApi, name: str) -> None:
    """A script must pass `--yes`, and the error says so; a piped answer does not count."""
    result = local(*unconfirmed(name), typed="yes\n")
    assert (result.exit_code, result.stdout, fake.calls) == (2, "", [])
    assert "Add --yes to confirm it." in result.stderr


def test_confirmation_is_typed_on_a_real_terminal(fake: FakeApi) -> None:
    """The question comes before the server is called, and the typed name deletes the client."""
    fake.will("DELETE", f"{CLIENTS}/cli_x", (204, None))
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [f"{sys.prefix}/bin/latchkey", "client", "delete", "cli_x", "--local"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    seen = b""
    while b"to continue: " not in seen:
        seen += os.read(ours, 1024)
    assert fake.calls == []
    os.write(ours, b"cli_x\n")
    printed, _ = command.communicate(timeout=20)
    os.close(theirs)
    os.close(ours)
    assert (command.returncode, printed) == (0, b"The client and its API keys are deleted.\n")
    assert own_calls(fake) == [("DELETE", f"{CLIENTS}/cli_x", None)]


def test_every_delete_of_the_api_is_asked_for() -> None:
    """The tests above cover every command that deletes."""
    assert {name for name, (_, call, _) in COMMANDS.items() if call.method == "DELETE"} <= FINAL.keys()


# ---- Accounts by login ----


def test_account_is_found_by_its_login(fake: FakeApi) -> None:
    """The command looks up a login and changes its account."""
    fake.will("GET", ANN, (200, {"users": [USER], "cursor": None}))
    fake.will("PATCH", f"{USERS}/{SUB}", (200, USER | {"status": "disabled"}))
    result = local("user", "disable", "ann@example.com")
    assert result.exit_code == 0
    assert re.search(r"Status +disabled", result.stdout)


def sign_in_as(fake: FakeApi, sub: str) -> None:
    """Let the fake sign in the account with this id."""
    payload = urlsafe_b64encode(json.dumps({"sub": sub}).encode()).rstrip(b"=").decode()
    fake.will("POST", LOGIN, (200, {"access_token": f"e30.{payload}.c2ln", "token_type": "Bearer"}))


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("typed", "changed"), [("yes\n", True), ("no\n", False)])
def test_own_account_is_disabled_only_when_confirmed(fake: FakeApi, typed: str, *, changed: bool) -> None:
    """Operators who disable themselves cannot enable themselves again."""
    sign_in_as(fake, SUB)
    fake.will("PATCH", f"{USERS}/{SUB}", (200, USER | {"status": "disabled"}))
    result = local("user", "disable", SUB, typed=typed)
    assert "your own account" in result.stderr
    expected = [("PATCH", f"{USERS}/{SUB}", {"status": "disabled"})] if changed else []
    assert (result.exit_code, own_calls(fake)) == (0 if changed else 1, expected)


def test_own_account_is_not_disabled_without_a_terminal(fake: FakeApi) -> None:
    """A script must pass `--yes`."""
    sign_in_as(fake, SUB)
    fake.will("PATCH", f"{USERS}/{SUB}", (200, USER | {"status": "disabled"}))
    assert (local("user", "disable", SUB).exit_code, own_calls(fake)) == (2, [])
    assert local("user", "disable", SUB, "--yes").exit_code == 0


def test_unknown_login_is_said(fake: FakeApi) -> None:
    """An unknown login is named in the error, and nothing is changed."""
    fake.will("GET", ANN, (200, {"users": [], "cursor": None}))
    result = local("user", "end-sessions", "ann@example.com", "--yes")
    assert (result.exit_code, len(own_calls(fake))) == (1, 1)
    assert "no account with the login ann@example.com" in result.stderr


def test_roles_are_given_and_taken_beside_those_held(fake: FakeApi) -> None:
    """The server takes the whole list, so the command sends the other roles too."""
    path = f"{USERS}/{SUB}"
    fake.will("GET", path, (200, USER))
    fake.will("PATCH", path, (200, USER | {"roles": ["help", "user"]}))
    result = local("user", "set", SUB, "--add-role", "help", "--remove-role", "shop", "--remove-role", "never-held")
    assert (result.exit_code, fake.bodies(path)) == (0, ["", {"roles": ["help", "user"]}])


def test_password_is_asked_for_twice_and_never_shown(fake: FakeApi) -> None:
    """The password is sent once and shown nowhere."""
    fake.will("POST", USERS, (201, USER))
    result = local("user", "create", "ann@example.com", typed="a walk in the rain\na walk in the rain\n")
    assert fake.bodies(USERS) == [{"login": "ann@example.com", "password": "a walk in the rain"}]
    assert "rain" not in result.output


@pytest.mark.parametrize(
    ("typed", "said"),
    [("a walk\nanother\n", "differ"), ("", "no password was typed"), ("a walk\n", "no password was typed")],
)
def test_account_without_a_sure_password_is_not_opened(fake: FakeApi, typed: str, said: str) -> None:
    """A typing error, or no answer, changes nothing."""
    result = local("user", "create", "ann@example.com", typed=typed)
    assert (result.exit_code, own_calls(fake)) == (1, [])
    assert said in result.stderr


# ---- Lists ----


class Pages:
    """A list of entries, in pages of the requested size."""

    def __init__(self, fake: FakeApi, path: str, name: str, entries: list[dict[str, Any]]) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.path, self.name, self.entries = path, name, entries
        self._otherwise = fake.answer
        fake.answer = self.answer  # type: ignore[method-assign]

    def answer(self, call: Call) -> tuple[int, Any]:
        """Answer a page of the list; pass other requests on."""
        parts = urlsplit(call.path)
        if (call.method, parts.path) != ("GET", self.path):
            return self._otherwise(call)
        query = parse_qs(parts.query)
        self.asked.append(query)
        start, size = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
        cursor = str(start + size) if start + size < len(self.entries) else None
        return 200, {self.name: self.entries[start : start + size], "cursor": cursor}


LISTS = {
    "user": (["user", "list"], USERS, "users", USER, "login"),
    "client": (["client", "list"], CLIENTS, "clients", CLIENT, "id"),
    "api-key": (["api-key", "list"], KEYS, "api_keys", API_KEY, "id"),
    "partner": (["partner", "list"], PARTNERS, "partners", PARTNER, "id"),
}


@pytest.mark.parametrize(("arguments", "path", "name", "entry", "member"), LISTS.values(), ids=LISTS)
@pytest.mark.parametrize(
    ("limit", "sizes"), [(None, [100, 100, 100]), (130, [100, 30]), (7, [7]), (201, [100, 100, 1])]
)
def test_list_is_one_table_of_all_pages(  # noqa: PLR0913, PLR0917 - which list, and how much of it
    fake: FakeApi,
    arguments: list[str],
    path: str,
    name: str,
    entry: dict[str, Any],
    member: str,
    limit: int | None,
    sizes: list[int],
) -> None:
    """Every entry comes once, up to the limit, under one row of headings."""
    pages = Pages(fake, path, name, [entry | {member: f"entry-{number:03d}"} for number in range(205)])
    result = local(*arguments, *([] if limit is None else ["--limit", str(limit)]))
    shown = re.findall(r"entry-\d+", result.stdout)
    assert [int(query["limit"][0]) for query in pages.asked] == sizes
    assert shown == [f"entry-{number:03d}" for number in range(205)][:limit]
    assert result.stdout.count("Status") == 1


@pytest.mark.parametrize(("arguments", "path", "name", "entry", "member"), LISTS.values(), ids=LISTS)
def test_list_as_json_is_one_document(  # noqa: PLR0913, PLR0917 - which list
    fake: FakeApi, arguments: list[str], path: str, name: str, entry: dict[str, Any], member: str
) -> None:
    """All pages are in one array, with unknown members, and the cursor is null at the end."""
    entries = [entry | {member: f"entry-{number}", "news": "Ü"} for number in range(120)]
    Pages(fake, path, name, entries)
    assert json.loads(local(*arguments, "--json").stdout) == {name: entries, "cursor": None}


@pytest.mark.parametrize(("arguments", "path", "name", "entry", "member"), LISTS.values(), ids=LISTS)
def test_list_is_continued_by_its_cursor(  # noqa: PLR0913, PLR0917 - which list
    fake: FakeApi, arguments: list[str], path: str, name: str, entry: dict[str, Any], member: str
) -> None:
    """A script reads a part at a time, each entry once, until the cursor is null."""
    entries = [entry | {member: f"entry-{number}"} for number in range(250)]
    Pages(fake, path, name, entries)
    found: list[Any] = []
    cursor, documents = "", 0
    while cursor is not None:
        document = json.loads(local(*arguments, "--json", "--limit", "120", "--cursor", cursor).stdout)
        found += document[name]
        cursor, documents = document["cursor"], documents + 1
    assert (found, documents) == (entries, 3)


def test_list_as_json_in_a_failure_is_nothing(fake: FakeApi) -> None:
    """If a page fails, the command prints no partial document."""
    fake.will("GET", f"{USERS}?limit=100", (200, {"users": [USER], "cursor": "on"}))
    fake.will("GET", f"{USERS}?limit=100&cursor=on", problem(503, "internal", "Later."))
    result = local("user", "list", "--json")
    assert (result.exit_code, result.stdout) == (1, "")


def test_empty_list_is_a_heading(fake: FakeApi) -> None:
    """An empty list is its headings, after one request."""
    pages = Pages(fake, USERS, "users", [])
    result = local("user", "list")
    assert (result.exit_code, len(result.stdout.splitlines()), len(pages.asked)) == (0, 1, 1)


def test_empty_page_is_not_the_end(fake: FakeApi) -> None:
    """A page can be empty if its entries were deleted; only the cursor ends the list."""
    fake.will("GET", f"{USERS}?limit=100", (200, {"users": [], "cursor": "on"}))
    fake.will("GET", f"{USERS}?limit=100&cursor=on", (200, {"users": [USER], "cursor": None}))
    assert SUB in local("user", "list").stdout


def test_list_of_one_login_is_asked_for_by_it(fake: FakeApi) -> None:
    """The server looks up the login, so the command does not read all accounts."""
    fake.will("GET", ANN, (200, {"users": [USER], "cursor": None}))
    assert SUB in local("user", "list", "--login", "ann@example.com").stdout
    assert len(own_calls(fake)) == 1


def test_keys_of_one_client_are_asked_for_by_it(fake: FakeApi) -> None:
    """The client is part of the request for every page."""
    pages = Pages(fake, KEYS, "api_keys", [API_KEY] * 101)
    local("api-key", "list", "--client-id", "cli_x")
    assert [query["client_id"] for query in pages.asked] == [["cli_x"], ["cli_x"]]


# ---- What is shown ----


def test_times_are_local_and_iso(fake: FakeApi) -> None:
    """A pipe gets local times as `date -Is` writes them."""
    fake.will("GET", f"{USERS}/{SUB}", (200, USER))
    [shown] = re.findall(r"Created +(\S+)", local("user", "show", SUB).stdout)
    assert datetime.fromisoformat(shown).timestamp() == MADE_AT


def test_words_of_strangers_are_text(fake: FakeApi) -> None:
    """A user's name cannot move the cursor of the terminal or be read as markup."""
    fake.will("GET", f"{USERS}/{SUB}", (200, USER | {"name": "\x1b]0;x\x07[bold]Ann\x9b31m"}))
    result = local("user", "show", SUB)
    assert re.search(r"Name +\S*\[bold\]Ann", result.stdout)
    assert not re.search(r"[\x1b\x07\x9b]", result.output)


def test_name_that_the_terminal_cannot_show_is_escaped(fake: FakeApi) -> None:
    """A terminal without Cyrillic letters gets escapes, and the command does not fail."""
    fake.will("GET", f"{USERS}/{SUB}", (200, USER | {"name": "Анна"}))
    result = CliRunner(charset="latin-1").invoke(app, ["user", "show", SUB, "--local"], catch_exceptions=False)
    assert (result.exit_code, r"\u0410\u043d\u043d\u0430" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    "document", [{}, {"users": None}, {"users": ["ann"]}, []], ids=["no list", "null", "text", "no"]
)
def test_list_that_is_none_is_refused(fake: FakeApi, document: Any) -> None:
    """An unreadable answer is an error in one line."""
    fake.will("GET", f"{USERS}?limit=100", (200, document))
    result = local("user", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr


@pytest.mark.parametrize("secret", [None, 7, "", "\x1b[31m"])
def test_secret_that_is_none_is_refused(fake: FakeApi, secret: Any) -> None:
    """A missing or unprintable secret is never written to a pipe."""
    fake.will("POST", KEYS, (201, API_KEY | {"api_key": secret}))
    result = local("api-key", "create", "--client-id", "cli_x", "--name", "Job")
    assert (result.exit_code, result.stdout) == (1, "")


# ---- How commands end ----


@pytest.mark.parametrize(
    "arguments",
    [
        ["user"],
        ["user", "show"],
        ["user", "list", "--limit", "0"],
        ["user", "set", SUB],
        ["user", "set", SUB, "--role", "a", "--add-role", "b"],
        ["user", "list", "--login", "ann", "--cursor", "x"],
        ["user", "create", "ann@example.com", "--password", "x"],
        ["role", "set"],
        ["role", "set", "shop"],
        ["role", "set", "shop", "users:read", "--none"],
        ["role", "customer", "set"],
        ["role", "customer", "set", "shop", "--none"],
        ["permission", "create"],
        ["client", "create", "--name", "x"],
        ["client", "create", "--kind", "robot", "--name", "x"],
        ["client", "set", "cli_x"],
        ["client", "secret", "delete", "cli_x"],
        ["api-key", "set", "kid"],
        ["partner", "create", "--name", "x"],
        ["partner", "set", "prt_x"],
        ["partner", "set", "prt_x", "--map-role", "x"],
        ["partner", "list", "--limit", "0"],
        ["api-key", "create", "--name", "x"],
        ["api-key", "create", "--client-id", "c", "--name", "x", "--expires-in", "soon"],
        ["api-key", "rotate", "kid", "--overlap", "-1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_asks_nothing(fake: FakeApi, arguments: list[str]) -> None:
    """Wrong usage ends with 2 before the command signs in."""
    assert local(*arguments).exit_code == 2
    assert fake.calls == []


@pytest.mark.parametrize(
    ("name", "status", "exit_code"),
    [
        ("user show", 404, 1),
        ("role delete", 409, 1),
        ("client set", 422, 1),
        ("user reset-password", 429, 1),
        ("role set", 403, 3),
        ("api-key delete", 401, 3),
        ("user end-sessions", 503, 1),
    ],
)
def test_refusal_ends_as_its_status_says(fake: FakeApi, name: str, status: int, exit_code: int) -> None:
    """The server's sentence is the only line, and the session ends too."""
    arguments, call, _ = COMMANDS[name]
    fake.will(call.method, call.path, problem(status, "a_code", "So it is."))
    result = local(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("latchkey: So it is.")
    assert fake.calls[-1].path == LOGOUT


@pytest.mark.parametrize("name", ["user", "role", "permission", "client", "api-key", "partner"])
def test_help_says_each_command_in_one_line(name: str) -> None:
    """Help needs no target and no sign-in."""
    result = latchkey(name, "--help")
    assert result.exit_code == 0
    commands = {arguments[1] for arguments, _, _ in COMMANDS.values() if arguments[0] == name}
    assert all(re.search(rf"│ {command} +\w[^│]*\.", result.stdout) for command in commands)


def test_twin_without_an_admin_asks_who_it_is(fake: FakeApi) -> None:
    """Without an admin in its file, the command asks for login and password, or says how to create an admin."""
    without_admin(fake)
    fake.will("GET", f"{USERS}/{SUB}", (200, USER))
    shown = local("user", "show", SUB, typed=f"boss@example.com\n{PASSWORD}\n")
    refused = local("user", "show", SUB)
    assert (shown.exit_code, fake.bodies(LOGIN)[0]["login"]) == (0, "boss@example.com")
    assert (refused.exit_code, "latchkey init-admin --local" in refused.stderr) == (3, True)


def without_admin(fake: FakeApi) -> None:
    """Write the file of a twin that was started without an admin."""
    Path(".latchkey/dev.json").write_text(json.dumps({"issuer": fake.address}))


@pytest.mark.parametrize(
    "arguments", [["user", "show", "\udcff"], ["role", "set", "x", "\udcff"], ["audit", "--user", "\udcff"]]
)
def test_argument_that_is_no_utf8_is_wrong_usage(fake: FakeApi, arguments: list[str]) -> None:
    """A name that a wrong locale has mangled is never sent."""
    assert (local(*arguments).exit_code, fake.calls) == (2, [])
