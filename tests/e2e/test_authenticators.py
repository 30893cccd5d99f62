"""What opens an account, over HTTP and with its mails: proven, told, taken back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.accounts import PASSWORD, Person, admin, bearer, new_login, person, refresh, sign_in
from tests.e2e.client import Response, RunningTwin
from tests.e2e.mailbox import code_in, digits_in, letters, wait_for
from tests.e2e.partners import TestPartner, register

NEW_PASSWORD = "seven grey herons wading"


@pytest.fixture(scope="module")
def boss(twin: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(twin)


@pytest.fixture(scope="module")
def editors(twin: RunningTwin, boss: Person) -> None:
    """A role of the stack's own that every function knows."""
    role = twin.call("PUT", "/v1/admin/roles/editor", json={"permissions": []}, headers=boss.bearer)
    assert role.status in {200, 201}, role.body
    time.sleep(1.1)  # a function of the twin keeps the roles that it has read for a second


@pytest.fixture
def shop(twin: RunningTwin, boss: Person, editors: None) -> TestPartner:
    """A partner that gives its editors a role."""
    return register(twin, boss, role_map={"editor": "editor"})


def link(who: Person, partner: TestPartner, identity: str, **members: Any) -> Response:
    """Ask to link an identity."""
    body = {"token": partner.token(identity)} | members
    return who.twin.call("POST", "/v1/auth/me/links", json=body, headers=who.bearer)


def suspended(who: Person) -> list[bool]:
    """Return which links are suspended."""
    answer = who.twin.call("GET", "/v1/auth/me/links", headers=who.bearer)
    return [each["suspended"] for each in answer.json["links"]]


def reset_password(who: Person) -> None:
    """Set another password with the code of a mail. So far, the person has had one about a link."""
    twin = who.twin
    twin.call("POST", "/v1/user/password/restore", json={"email": who.login})
    wait_for(twin, who.login, 2)
    [letter] = [each for each in letters(twin, who.login) if each["subject"] == "Set a new password"]
    body = {"token": code_in(twin, letter), "password": NEW_PASSWORD}
    assert twin.call("POST", "/v1/user/password/reset", json=body).status == 200


def subjects(who: Person, count: int) -> list[str]:
    """Return the subjects of all mails to a person, sorted, once there are so many."""
    wait_for(who.twin, who.login, count)
    return sorted(letter["subject"] for letter in letters(who.twin, who.login))


def test_thief_with_an_access_token_adds_no_way_in(twin: RunningTwin, shop: TestPartner) -> None:
    """The present password is needed, however recent the sign-in is, for each act. The owner's session goes on."""
    ann = person(twin)
    assert link(ann, shop, "ann", password=PASSWORD).status == 201
    path = f"/v1/auth/me/links/{shop.record['id']}"
    thiefs = [
        link(ann, shop, "thief"),
        link(ann, shop, "thief", password="a guess"),
        twin.call("DELETE", path, headers=ann.bearer),
        twin.call("DELETE", path, json={"password": "a guess"}, headers=ann.bearer),
        twin.call("POST", f"{path}/confirm", headers=ann.bearer),
        twin.call("DELETE", "/v1/auth/me", json={}, headers=ann.bearer),
    ]
    assert [each.status for each in thiefs] == [400, 401, 400, 401, 400, 400]
    assert {each.json["errors"][0]["field"] for each in thiefs if each.status == 400} == {"password"}
    assert suspended(ann) == [False]
    assert subjects(ann, 1) == ["A new way to sign in"]


def test_reset_by_mail_gives_the_account_back(twin: RunningTwin, shop: TestPartner) -> None:
    """The link is suspended with its roles and sessions, until the owner confirms it with the new password."""
    ann = person(twin)
    assert link(ann, shop, "ann", password=PASSWORD).status == 201
    by_partner = shop.come("ann", roles=["editor"])
    assert sorted(by_partner.me().json["roles"]) == ["editor", "user"]

    reset_password(ann)
    exchanged, granted = shop.exchange(shop.token("ann")), shop.grant(shop.token("ann"))
    assert (exchanged.status, exchanged.json["code"]) == (403, "link_suspended")
    assert (granted.status, granted.json["error"]) == (400, "invalid_grant")
    assert (refresh(twin, by_partner.tokens["refresh_token"]).status, by_partner.me().status) == (401, 401)
    ann = sign_in(twin, ann.login, NEW_PASSWORD)
    assert (ann.me().json["roles"], suspended(ann)) == (["user"], [True])

    path = f"/v1/auth/me/links/{shop.record['id']}"
    old = twin.call("POST", f"{path}/confirm", json={"password": PASSWORD}, headers=ann.bearer)
    confirmed = twin.call("POST", f"{path}/confirm", json={"password": NEW_PASSWORD}, headers=ann.bearer)
    assert (old.status, confirmed.status, confirmed.json["suspended"]) == (401, 200, False)
    back = shop.come("ann", roles=["editor"])
    assert (back.me().json["id"], sorted(back.me().json["roles"])) == (ann.me().json["id"], ["editor", "user"])

    assert twin.call("DELETE", path, json={"password": NEW_PASSWORD}, headers=ann.bearer).status == 204
    assert ann.me().json["roles"] == ["user"]
    assert refresh(twin, back.tokens["refresh_token"]).status == 401
    assert subjects(ann, 5) == [
        "A new way to sign in",
        "A new way to sign in",
        "A way to sign in was removed",
        "Set a new password",
        "Your password was changed",
    ]


def test_employers_link_survives_a_reset(twin: RunningTwin, boss: Person) -> None:
    """An employer decides who its employees are, so a partner can be marked as managed."""
    employer = register(twin, boss, managed=True)
    assert employer.record["managed"] is True
    ann = person(twin)
    assert link(ann, employer, "ann", password=PASSWORD).status == 201
    reset_password(ann)
    by_partner = employer.come("ann")
    assert by_partner.me().json["login"] == ann.login
    changed = employer.change(managed=False)
    assert (changed.json["managed"], employer.exchange(employer.token("ann")).json["code"]) == (False, "link_suspended")
    assert refresh(twin, by_partner.tokens["refresh_token"]).status == 401


def test_partners_session_ends_only_itself(twin: RunningTwin, shop: TestPartner) -> None:
    """On an account with a password it changes nothing, and leaves the owner's sessions alone."""
    ann = person(twin)
    assert link(ann, shop, "ann", password=PASSWORD).status == 201
    guest, other = shop.come("ann"), shop.come("ann")
    sessions = {
        each["id"]: each for each in twin.call("GET", "/v1/auth/sessions", headers=guest.bearer).json["sessions"]
    }
    own = next(sid for sid, each in sessions.items() if each["current"])
    owners = next(sid for sid, each in sessions.items() if each["device"] == "")
    passwords = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    refused = [
        link(guest, shop, "ann", password=PASSWORD),
        twin.call("POST", "/v1/auth/logout", json={"sessions": "all"}, headers=guest.bearer),
        twin.call("DELETE", "/v1/auth/sessions", headers=guest.bearer),
        twin.call("DELETE", f"/v1/auth/sessions/{owners}", headers=guest.bearer),
        twin.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}, headers=guest.bearer),
        twin.call("POST", "/v1/user/password/change", json=passwords, headers=guest.bearer),
        twin.call(
            "POST",
            "/v1/user/email/change",
            json={"email": "x@example.com", "current_password": PASSWORD},
            headers=guest.bearer,
        ),
    ]
    assert [(each.status, each.json["code"]) for each in refused] == [(403, "own_sign_in_required")] * len(refused)
    assert twin.call("DELETE", f"/v1/auth/sessions/{own}", headers=guest.bearer).status == 204
    assert twin.call("POST", "/v1/auth/logout", headers=other.bearer).status == 204
    assert [guest.me().status, other.me().status, ann.me().status] == [401, 401, 200]


def test_user_of_a_partner_alone_ends_every_session(twin: RunningTwin, shop: TestPartner) -> None:
    """Where partners are the only way in, their sessions are the owner's own."""
    guest, other = shop.come("bob"), shop.come("bob")
    assert twin.call("DELETE", "/v1/auth/sessions", headers=guest.bearer).status == 204
    assert [guest.me().status, other.me().status] == [200, 401]
    assert twin.call("POST", "/v1/auth/logout", json={"sessions": "all"}, headers=guest.bearer).status == 204
    assert twin.call("GET", "/v1/auth/me", headers=bearer(guest.tokens["access_token"])).status == 401


def test_owner_of_the_old_mailbox_undoes_what_a_thief_did(twin: RunningTwin, shop: TestPartner) -> None:
    """A thief with the password changes address and password and links an identity. One link in a mail ends it all."""
    ann = person(twin)
    assert link(ann, shop, "ann", password=PASSWORD).status == 201
    mailbox, thiefs, sub = ann.login, new_login(), ann.me().json["id"]
    time.sleep(1)  # a link of the same second as the change would count as the thief's
    thief = sign_in(twin, mailbox)
    body = {"email": thiefs, "current_password": PASSWORD}
    assert twin.call("POST", "/v1/user/email/change", json=body, headers=thief.bearer).status == 202
    digits = {"code": digits_in(wait_for(twin, thiefs))}
    assert twin.call("POST", "/v1/user/email/confirm", json=digits, headers=thief.bearer).status == 200
    notice = wait_for(twin, mailbox, 2)
    passwords = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    assert twin.call("POST", "/v1/user/password/change", json=passwords, headers=thief.bearer).status == 200
    other = register(twin, shop.boss, role_map={"editor": "editor"})
    assert link(thief, other, "thief", password=NEW_PASSWORD).status == 201
    guest = other.come("thief", roles=["editor"])
    assert "editor" in thief.me().json["roles"]

    undo = {"code": code_in(twin, notice)}
    assert [twin.call("POST", "/v1/user/email/undo", json=undo).status for _ in range(2)] == [204, 410]

    assert [each.me().status for each in (ann, thief, guest)] == [401, 401, 401]
    assert refresh(twin, guest.tokens["refresh_token"]).status == 401
    for login in (mailbox, thiefs):
        for password in (PASSWORD, NEW_PASSWORD):
            assert twin.call("POST", "/v1/auth/login", json={"login": login, "password": password}).status == 401
    assert letters(twin, thiefs)[-1]["subject"] == "A change of your e-mail address was undone"
    reset = {"token": code_in(twin, wait_for(twin, mailbox, 3)), "password": "a third one, and long"}
    assert twin.call("POST", "/v1/user/password/reset", json=reset).status == 200
    back = sign_in(twin, mailbox, "a third one, and long")
    links = twin.call("GET", "/v1/auth/me/links", headers=back.bearer).json["links"]
    assert (back.me().json["id"], [each["partner_id"] for each in links]) == (sub, [shop.record["id"]])
    assert "editor" not in back.me().json["roles"]
    assert other.come("thief").me().json["id"] != sub
