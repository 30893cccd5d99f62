"""The audit log over HTTP: an event is found soon, by day and by subject, and names the caller and the address."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from latchkey.core.clients.directory import new_api_key
from tests.e2e.accounts import PASSWORD, Person, admin, new_login, person, refresh
from tests.e2e.client import Response, RunningTwin, start_twin

AUDIT = "/v1/admin/audit"
PATIENCE = 60.0
"""Seconds; on an idle machine an event is there after a tenth of one."""

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin that only the tests of this file use. No refresh token works twice there."""
    with start_twin(tmp_path_factory.mktemp("quiet"), LIMITS="off", PARAMETERS="RefreshRetryLimit=0") as running:
        yield running
        assert running.leaks() == []


@pytest.fixture(scope="module")
def boss(quiet: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(quiet)


def today() -> str:
    """Return the day in UTC."""
    return datetime.now(UTC).date().isoformat()


def ask(boss: Person, query: str) -> Response:
    """Ask for a page."""
    return boss.twin.call("GET", f"{AUDIT}?{query}", headers=boss.bearer)


def everything(boss: Person, query: str) -> Events:
    """Return all events of all pages, newest first."""
    found: Events = []
    page = ask(boss, f"{query}&limit=100")
    while True:
        assert page.status == 200, page.body
        found += page.json["events"]
        if page.json["cursor"] is None:
            return found
        page = ask(boss, f"{query}&limit=100&cursor={page.json['cursor']}")


def caused_by(boss: Person, answer: Response, *queries: str) -> Events:
    """Return the one event of a request, found in each of these lists as soon as it is there."""
    request_id = answer.headers.get("x-request-id") or answer.json["request_id"]
    found = list[Events]()
    deadline = time.monotonic() + PATIENCE
    for query in queries:
        while not (mine := [each for each in everything(boss, query) if each["request_id"] == request_id]):
            assert time.monotonic() < deadline, f"no event of that request by {query}"
            time.sleep(0.02)
        found.append(mine)
    assert all(each == found[0] for each in found)
    return found[0]


def id_of(someone: Person) -> str:
    """Return the id of a person."""
    return str(someone.me().json["id"])


def test_what_a_user_does_is_found_by_user_and_by_day(quiet: RunningTwin, boss: Person) -> None:
    """Registration, wrong password, sign-in, another role, a stolen token: each once, with its request and address."""
    login = new_login()
    registered = quiet.call("POST", "/v1/user", json={"login": login, "password": PASSWORD})
    sub = registered.json["id"]
    wrong = quiet.call("POST", "/v1/auth/login", json={"login": login, "password": "a guess of someone"})
    signed_in = quiet.call("POST", "/v1/auth/login", json={"login": login, "password": PASSWORD})
    promoted = quiet.call("PATCH", f"/v1/admin/users/{sub}", json={"roles": ["admin"]}, headers=boss.bearer)
    someone = Person(quiet, login, signed_in.json)
    stolen = someone.tokens["refresh_token"]
    someone.refresh()
    someone.refresh()
    reused = refresh(quiet, stolen)
    answers = {
        "user_registered": registered,
        "login_failed": wrong,
        "login": signed_in,
        "roles_changed": promoted,
        "refresh_reuse": reused,
    }
    for name, answer in answers.items():
        [event] = caused_by(boss, answer, f"user={sub}", f"day={today()}")
        assert (event["event"], event["sub"], event["address"]) == (name, sub, "127.0.0.1")
        assert abs(event["time"] / 1000 - time.time()) < 60
        assert event["actor"] == (id_of(boss) if name == "roles_changed" else "")
    by_request = [each["event"] for each in everything(boss, f"user={sub}") if each["request_id"]]
    assert by_request == list(answers)[::-1]  # the mail about the reuse is sent by no request


def test_a_guess_at_an_unknown_login_is_found_by_day(quiet: RunningTwin, boss: Person) -> None:
    """The event has no subject, and does not hold the login that was typed."""
    guess = quiet.call("POST", "/v1/auth/login", json={"login": "canary@example.com", "password": PASSWORD})
    [event] = caused_by(boss, guess, f"day={today()}")
    assert (event["event"], event["reason"], event["sub"]) == ("login_failed", "unknown_login", "")
    assert "canary" not in json.dumps(event)


def test_a_machine_is_found_by_its_client_id(quiet: RunningTwin, boss: Person) -> None:
    """The client id finds a machine's events, as a user's id finds the user's."""
    answer = quiet.call("POST", "/v1/auth/token", headers={"X-API-Key": quiet.dev["api_key"]})
    [event] = caused_by(boss, answer, f"day={today()}")
    assert (event["event"], event["sub"][:4]) == ("service_token", "cli_")
    assert caused_by(boss, answer, f"user={event['client_id']}") == [event]


def test_a_guess_at_an_api_key_is_found_though_the_gateway_answers(quiet: RunningTwin, boss: Person) -> None:
    """The authorizer of keys writes its own log lines, which record the attempt and not the key."""
    _, made_up, _ = new_api_key(secrets.token_bytes)
    answer = quiet.call("GET", "/v1/service/hello", headers={"X-API-Key": made_up})
    [event] = caused_by(boss, answer, f"day={today()}")
    assert (answer.status, event["event"], event["address"]) == (401, "client_refused", "127.0.0.1")
    assert made_up[:20] not in json.dumps(event)


def test_an_operator_is_found_by_what_has_no_other_subject(quiet: RunningTwin, boss: Person) -> None:
    """The change of a role is found under the operator, since it has no other subject."""
    answer = quiet.call("PUT", "/v1/admin/roles/desk", json={"permissions": ["audit:read"]}, headers=boss.bearer)
    [event] = caused_by(boss, answer, f"user={id_of(boss)}")
    assert (event["event"], event["reason"], event["actor"]) == ("role_changed", "desk", id_of(boss))


def test_attackers_are_found(quiet: RunningTwin, boss: Person) -> None:
    """A plain user on routes of operators, a forged refresh token, and a flood of strangers, which is a few events."""
    someone = person(quiet)
    sub = id_of(someone)
    before = len(everything(boss, f"day={today()}"))
    routes = ("/v1/admin/users", "/v1/admin/signing", AUDIT + f"?day={today()}")
    answers = [quiet.call("GET", route, headers=someone.bearer) for route in routes]
    forged = refresh(quiet, someone.tokens["refresh_token"][:-4] + "AAAA")
    guesses = [{"login": f"stranger{number}@example.com", "password": PASSWORD} for number in range(20)]
    assert {quiet.call("POST", "/v1/auth/login", json=guess).status for guess in guesses} == {401}
    found = [caused_by(boss, answer, f"user={sub}", f"day={today()}")[0] for answer in answers]
    assert [(each["event"], each["reason"]) for each in found] == [
        ("forbidden", "GET /v1/admin/users: users:read is needed"),
        ("forbidden", "GET /v1/admin/signing: signing:read is needed"),
        ("forbidden", "GET /v1/admin/audit: audit:read is needed"),
    ]
    [event] = caused_by(boss, forged, f"day={today()}")
    assert (event["event"], event["reason"], event["sub"]) == ("refresh_refused", "mac is wrong", "")
    assert (event["address"], event["count"]) == ("127.0.0.1", 1)
    junk = {"grant_type": "client_credentials", "client_id": "cli_junk", "client_secret": "guess"}
    with ThreadPoolExecutor(20) as pool:
        refused = list(pool.map(lambda _: quiet.call("POST", "/oauth2/token", form=junk).status, range(40)))
    assert set(refused) == {401}
    logins, clients = (
        refusals(boss, before, name, at_least) for name, at_least in (("login_failed", 20), ("client_refused", 40))
    )
    assert (sum(each["count"] for each in logins), sum(each["count"] for each in clients)) == (20, 40)
    assert len(clients) < 40
    assert {(each["sub"], each["client_id"], each["address"]) for each in logins + clients} == {("", "", "127.0.0.1")}
    assert someone.me().status == 200  # whose refresh token was forged


def refusals(boss: Person, before: int, name: str, number: int) -> Events:
    """Return the refusals of a kind among the events after the first ones, as soon as they count so many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        fresh = everything(boss, f"day={today()}")[:-before]
        found = [each for each in fresh if each["event"] == name]
        if sum(each["count"] for each in found) >= number:
            return found
        assert time.monotonic() < deadline, "not all refusals are there"
        time.sleep(0.02)


def test_names_that_operators_choose_are_shown_as_they_are(quiet: RunningTwin, boss: Person) -> None:
    """A role may be named as secrets begin."""
    name = "lk_superadmin_of_payments"
    answer = quiet.call("PUT", f"/v1/admin/roles/{name}", json={"permissions": ["audit:read"]}, headers=boss.bearer)
    [event] = caused_by(boss, answer, f"user={id_of(boss)}")
    assert (event["event"], event["reason"]) == ("role_changed", name)


def test_no_secret_gets_into_the_audit_log(quiet: RunningTwin, boss: Person) -> None:
    """The audit log holds no secret that was sent or seeded, no login and no token."""
    someone = person(quiet)
    answer = quiet.call("POST", "/v1/auth/logout", headers=someone.bearer)
    caused_by(boss, answer, f"user={id_of_ended(someone, boss)}")
    kept = json.dumps(everything(boss, f"day={today()}"))
    seeded = [quiet.dev["admin"]["password"], quiet.dev["api_key"], quiet.dev["admin"]["login"], someone.login]
    assert [secret for secret in (*quiet.secrets, *seeded) if secret in kept] == []


def id_of_ended(someone: Person, boss: Person) -> str:
    """Return the id of a person who is no longer signed in."""
    [found] = boss.twin.call("GET", f"/v1/admin/users?login={someone.login}", headers=boss.bearer).json["users"]
    return str(found["id"])


def test_pages_go_on_where_they_stopped(quiet: RunningTwin, boss: Person) -> None:
    """The pages hold each event once, newest first, and the last page has no cursor."""
    someone = person(quiet)
    last = quiet.call("PATCH", f"/v1/admin/users/{id_of(someone)}", json={"status": "disabled"}, headers=boss.bearer)
    sub = id_of_ended(someone, boss)
    caused_by(boss, last, f"user={sub}")
    names, query = list[str](), f"user={sub}&limit=1"
    page = ask(boss, query)
    while page.json["cursor"]:
        names += [event["event"] for event in page.json["events"]]
        page = ask(boss, f"{query}&cursor={page.json['cursor']}")
    names += [event["event"] for event in page.json["events"]]
    assert (names[-2:], "user_disabled" in names) == (["login", "user_registered"], True)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "day"),
        ("limit=5", "day"),
        ("day=2026-01-01&user=usr_a", "user"),
        ("day=2026-13-01", "day"),
        ("day=2026-02-30", "day"),
        ("day=0000-01-01", "day"),
        ("day=20260101", "day"),
        ("day=2026-01-1", "day"),
        ("day=", "day"),
        ("day=%D9%A2026-01-01", "day"),
        ("user=", "user"),
        ("user=ann@example.com", "user"),
        ("user=usr_%23", "user"),
        ("day=2026-01-01&limit=0", "limit"),
        ("day=2026-01-01&limit=101", "limit"),
        ("day=2026-01-01&cursor=x.y", "cursor"),
        ("day=2026-01-01&page=2", "page"),
        ("day=2026-01-01&day=2026-01-02", "day"),
    ],
)
def test_a_bad_question_names_what_is_wrong(quiet: RunningTwin, boss: Person, query: str, field: str) -> None:
    """The response names the parameter that is invalid."""
    refused = ask(boss, query)
    assert (refused.status, [fault["field"] for fault in refused.json["errors"]]) == (400, [field])


def test_a_day_without_events_is_empty(boss: Person) -> None:
    """A day without events returns an empty list, not an error."""
    assert ask(boss, "day=2020-02-29").json == {"events": [], "cursor": None}


def test_a_cursor_is_good_for_one_list(quiet: RunningTwin, boss: Person) -> None:
    """A cursor of one day is rejected for another day and for a user."""
    person(quiet)
    time.sleep(0.2)
    cursor = ask(boss, f"day={today()}&limit=1").json["cursor"]
    lists = (f"day={today()}", "day=2020-02-29", f"user={id_of(boss)}")
    assert [ask(boss, f"{each}&cursor={cursor}").status for each in lists] == [200, 400, 400]


def test_ones_own_events_are_part_of_the_export(quiet: RunningTwin, boss: Person) -> None:
    """The export lists the owner's events, newest first, without the ids of operators."""
    someone = person(quiet)
    sub = id_of(someone)
    answer = quiet.call("PATCH", f"/v1/admin/users/{sub}", json={"roles": ["admin"]}, headers=boss.bearer)
    caused_by(boss, answer, f"user={sub}")
    export = quiet.call("GET", "/v1/auth/me/export", headers=someone.bearer).json
    assert [event["event"] for event in export["events"]] == ["roles_changed", "login", "user_registered"]
    assert {event["sub"] for event in export["events"]} == {sub}
    assert id_of(boss) not in json.dumps(export)
    [promoted, signed_in, _] = export["events"]
    assert {"actor", "request_id", "address"} & promoted.keys() == set()
    assert (signed_in["address"], "request_id" in signed_in) == ("127.0.0.1", True)


def test_an_event_is_there_soon(quiet: RunningTwin, boss: Person) -> None:
    """An event appears within seconds of the response to its request."""
    answer = quiet.call("POST", "/v1/auth/login", json={"login": new_login(), "password": PASSWORD})
    answered = time.monotonic()
    caused_by(boss, answer, f"day={today()}")
    assert time.monotonic() - answered < 20  # a fraction of a second on a machine that does nothing else


def test_events_outlive_the_account(quiet: RunningTwin, boss: Person) -> None:
    """The events of a deleted account are still found by its id, which belongs to no account now."""
    someone = person(quiet)
    sub = id_of(someone)
    gone = quiet.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}, headers=someone.bearer)
    [event] = [each for each in caused_by(boss, gone, f"user={sub}") if each["event"] == "user_deleted"]
    assert event["sub"] == sub
    assert someone.login not in json.dumps(everything(boss, f"user={sub}"))


def test_the_command_shows_what_the_route_gives(quiet: RunningTwin, boss: Person) -> None:
    """The command prints a table, and a user's events as JSON."""
    someone = person(quiet)
    sub = id_of(someone)
    caused_by(boss, quiet.call("POST", "/v1/auth/logout", headers=someone.bearer), f"user={sub}")
    command = [sys.executable, "-c", "from infra.cli.app import app; app()", "audit", "--local", "--user", sub]
    table = subprocess.run(command, capture_output=True, text=True, check=True, cwd=quiet.folder).stdout
    document = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, cwd=quiet.folder).stdout
    assert [line.split()[1] for line in table.splitlines()] == ["Event", "session_ended", "login", "user_registered"]
    assert json.loads(document)["events"] == everything(boss, f"user={sub}")
