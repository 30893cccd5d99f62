"""Operators over HTTP: accounts, roles, and the last admin."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.accounts import PASSWORD, Person, admin, new_login, person, sign_in
from tests.e2e.client import Response, RunningTwin

USERS, ROLES = "/v1/admin/users", "/v1/admin/roles"


@pytest.fixture
def boss(twin: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(twin)


def change(boss: Person, someone: Person, members: dict[str, Any]) -> Response:
    """Change what an account may do."""
    return boss.twin.call("PATCH", f"{USERS}/{id_of(someone)}", json=members, headers=boss.bearer)


def id_of(someone: Person) -> str:
    """Return the id of a person."""
    return str(someone.me().json["id"])


def test_admin_opens_an_account(twin: RunningTwin, boss: Person) -> None:
    """The new account is shown, found under its own address, and signs in."""
    login = new_login()
    made = twin.call("POST", USERS, json={"login": login, "password": PASSWORD, "name": "Ann"}, headers=boss.bearer)
    shown = twin.call("GET", made.headers["location"], headers=boss.bearer)
    assert (made.status, made.json["login"], made.json["roles"]) == (201, login, ["user"])
    assert (shown.status, shown.json) == (200, made.json | {"links": []})
    assert sign_in(twin, login).me().status == 200


def test_login_is_found(twin: RunningTwin, boss: Person) -> None:
    """A login is found in upper and in lower case."""
    someone = person(twin)
    found = twin.call("GET", f"{USERS}?login={someone.login.upper()}", headers=boss.bearer)
    assert [user["id"] for user in found.json["users"]] == [id_of(someone)]


def test_list_goes_on_where_it_stopped(twin: RunningTwin, boss: Person) -> None:
    """The pages hold every account once, and the last page has no cursor."""
    expected = {id_of(person(twin)) for _ in range(3)}
    seen: list[str] = []
    path = f"{USERS}?limit=100"
    while True:
        page = twin.call("GET", path, headers=boss.bearer)
        assert page.status == 200, page.body
        seen += [user["id"] for user in page.json["users"]]
        if page.json["cursor"] is None:
            break
        path = f"{USERS}?limit=100&cursor={page.json['cursor']}"
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x.y", "page=2", "login=", "limit=1&limit=2"]
)
def test_bad_query_is_refused(twin: RunningTwin, boss: Person, query: str) -> None:
    """An invalid parameter is rejected."""
    assert twin.call("GET", f"{USERS}?{query}", headers=boss.bearer).status == 400


def test_cursor_of_another_admin_is_refused(twin: RunningTwin, boss: Person) -> None:
    """A cursor is valid only for the admin who got it."""
    other = person(twin)
    assert change(boss, other, {"roles": ["admin"]}).status == 200
    person(twin)
    cursor = twin.call("GET", f"{USERS}?limit=1", headers=boss.bearer).json["cursor"]
    answers = [twin.call("GET", f"{USERS}?limit=1&cursor={cursor}", headers=who.bearer).status for who in (boss, other)]
    change(boss, other, {"roles": ["user"]})
    assert answers == [200, 400]


def test_disabled_account_is_out_at_once(twin: RunningTwin, boss: Person) -> None:
    """Its own routes, refresh and sign-in are rejected at once. When it is enabled again, it can sign in."""
    someone = person(twin)
    sub = id_of(someone)
    assert change(boss, someone, {"status": "disabled"}).json["status"] == "disabled"
    refreshed = twin.call("POST", "/v1/auth/refresh", json={"refresh_token": someone.tokens["refresh_token"]})
    signed_in = twin.call("POST", "/v1/auth/login", json={"login": someone.login, "password": PASSWORD})
    assert [someone.me().status, refreshed.status, signed_in.status] == [401, 401, 401]
    twin.call("PATCH", f"{USERS}/{sub}", json={"status": "active"}, headers=boss.bearer)
    assert sign_in(twin, someone.login).me().status == 200


def test_role_acts_on_our_routes_at_once_and_in_tokens_at_the_next_refresh(twin: RunningTwin, boss: Person) -> None:
    """The old token can call the route as soon as the role is granted, and cannot as soon as it is removed."""
    someone = person(twin)

    def ask() -> int:
        return twin.call("GET", ROLES, headers=someone.bearer).status

    before = ask()
    assert change(boss, someone, {"roles": ["admin"]}).status == 200
    given = ask()
    assert change(boss, someone, {"roles": ["user"]}).status == 200
    assert (before, given, ask()) == (403, 200, 403)


def test_sessions_of_a_user_end(twin: RunningTwin, boss: Person) -> None:
    """All sessions of the user end, and the account can sign in again."""
    someone = person(twin)
    ended = twin.call("DELETE", f"{USERS}/{id_of(someone)}/sessions", headers=boss.bearer)
    assert (ended.status, someone.me().status) == (204, 401)
    assert sign_in(twin, someone.login).me().status == 200


def test_last_admin_stays(twin: RunningTwin, boss: Person) -> None:
    """The one admin cannot be disabled."""
    refused = change(boss, boss, {"status": "disabled"})
    assert (refused.status, refused.json["code"], boss.me().status) == (409, "last_admin", 200)


def test_last_admin_does_not_delete_itself(twin: RunningTwin, boss: Person) -> None:
    """The last admin gets the reason; one of two admins may delete their account."""
    password = {"password": twin.dev["admin"]["password"]}
    refused = twin.call("DELETE", "/v1/auth/me", json=password, headers=boss.bearer)
    assert (refused.status, refused.json["code"], boss.me().status) == (409, "last_admin", 200)
    other = person(twin)
    sub = id_of(other)
    assert change(boss, other, {"roles": ["admin"]}).status == 200
    gone = twin.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}, headers=other.bearer)
    shown = twin.call("GET", f"{USERS}/{sub}", headers=boss.bearer)
    assert (gone.status, shown.status, change(boss, boss, {"status": "disabled"}).status) == (204, 404, 409)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "status"),
        ({"status": "pending"}, "status"),
        ({"roles": "admin"}, "roles"),
        ({"roles": [1]}, "roles"),
        ({"roles": ["x"] * 17}, "roles"),
        ({"epoch": 9}, "epoch"),
        ({"roles": ["root"]}, "roles"),
    ],
)
def test_bad_change_names_its_member(twin: RunningTwin, boss: Person, members: dict[str, Any], field: str) -> None:
    """A change that cannot be made names the member at fault."""
    answer = change(boss, person(twin), members)
    assert (answer.status in {400, 422}, answer.json["errors"][0]["field"]) == (True, field)


def test_role_of_ones_own_from_beginning_to_end(twin: RunningTwin, boss: Person) -> None:
    """A custom role is created, listed, granted and deleted, and its permissions come and go with it."""
    made = twin.call("PUT", f"{ROLES}/help_desk", json={"permissions": ["users:read"]}, headers=boss.bearer)
    assert (made.status, made.json["built_in"]) == (201, False)
    listed = twin.call("GET", ROLES, headers=boss.bearer).json["roles"]
    assert {role["name"] for role in listed} >= {"help_desk", "user", "admin", "privacy", "service"}
    clerk = person(twin)
    assert change(boss, clerk, {"roles": ["help_desk"]}).status == 200
    statuses = [twin.call(method, USERS, json=body, headers=clerk.bearer).status for method, body in CLERKS_TRIES]
    assert statuses == [200, 403]
    assert twin.call("DELETE", f"{ROLES}/help_desk", headers=boss.bearer).status == 204
    assert twin.call("GET", USERS, headers=clerk.bearer).status == 403


CLERKS_TRIES = [("GET", None), ("POST", {"login": "eve@example.com"})]


def test_built_in_role_stays(twin: RunningTwin, boss: Person) -> None:
    """A built-in role cannot be changed or deleted."""
    put = twin.call("PUT", f"{ROLES}/user", json={"permissions": []}, headers=boss.bearer)
    deleted = twin.call("DELETE", f"{ROLES}/user", headers=boss.bearer)
    assert [put.json["code"], deleted.json["code"]] == ["built_in_role", "built_in_role"]


@pytest.mark.parametrize("name", ["invoices:read", "https://api.example/invoices"])
def test_permission_of_ones_own_from_beginning_to_end(twin: RunningTwin, boss: Person, name: str) -> None:
    """It is declared, listed, given by a role, and deleted once no role has it."""
    path = f"/v1/admin/permissions/{quote(name, safe='')}"
    put = [twin.call("PUT", path, headers=boss.bearer) for _ in range(2)]
    assert [(each.status, each.json) for each in put] == [
        (each, {"name": name, "built_in": False}) for each in (201, 200)
    ]
    listed = twin.call("GET", "/v1/admin/permissions", headers=boss.bearer).json["permissions"]
    assert {"name": name, "built_in": False} in listed
    assert twin.call("PUT", f"{ROLES}/clerk", json={"permissions": [name]}, headers=boss.bearer).status in {200, 201}
    clerk = person(twin)
    assert change(boss, clerk, {"roles": ["clerk"]}).status == 200
    assert name in clerk.me().json["permissions"]
    kept = twin.call("DELETE", path, headers=boss.bearer)
    twin.call("DELETE", f"{ROLES}/clerk", headers=boss.bearer)
    gone = twin.call("DELETE", path, headers=boss.bearer)
    assert (kept.status, kept.json["code"], gone.status) == (409, "in_use", 204)


def test_help_desk_gives_customer_roles(twin: RunningTwin, boss: Person) -> None:
    """The admin chooses the roles; the help desk gives them and no others, and the error names what is missing."""
    for role, permissions in {"desk": ["users:write"], "buyer": ["orders:read"], "seller": ["orders:write"]}.items():
        twin.call("PUT", f"{ROLES}/{role}", json={"permissions": permissions}, headers=boss.bearer)
    chosen = twin.call("PUT", "/v1/admin/customer-roles", json={"roles": ["user", "buyer"]}, headers=boss.bearer)
    shown = twin.call("GET", "/v1/admin/customer-roles", headers=boss.bearer)
    assert [(each.status, each.json) for each in (chosen, shown)] == [(200, {"roles": ["user", "buyer"]})] * 2
    desk, ann = person(twin), person(twin)
    change(boss, desk, {"roles": ["desk"]})
    assert change(desk, ann, {"roles": ["buyer"]}).status == 200
    refused = change(desk, ann, {"roles": ["buyer", "seller"]})
    [fault] = refused.json["errors"]
    assert (refused.status, fault["field"], fault["code"]) == (403, "permissions", "not_held")
    assert fault["message"] == "This needs orders:write, which you do not have."
