"""Paths that few people take. Each needs a right in the template that no other test of the whole service uses."""

from __future__ import annotations

import secrets

import pytest

from latchkey.core.clients.directory import new_api_key
from tests.e2e.accounts import PASSWORD, Person, admin, bearer, new_login, person
from tests.e2e.client import RunningTwin
from tests.e2e.mailbox import code_in, wait_for
from tests.e2e.partners import register, register_app

BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
WRONG = "not the password at all"


@pytest.fixture(scope="module")
def boss(limited_twin: RunningTwin) -> Person:
    """The seeded admin of a twin where attempts are limited, signed in."""
    return admin(limited_twin)


@pytest.fixture(scope="module")
def machine(boss: Person) -> dict[str, str]:
    """A service with the role of an admin, as the header of its requests."""
    members = {"kind": "service", "name": "Deployer", "roles": ["admin"]}
    made = boss.twin.call("POST", "/v1/admin/clients", json=members, headers=boss.bearer).json
    form = {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["client_secret"]}
    return bearer(boss.twin.call("POST", "/oauth2/token", form=form).json["access_token"])


@pytest.mark.parametrize(
    "path", ["users", "roles", "clients", "api-keys", "partners", "audit?day=2026-01-01", "signing"]
)
def test_service_operates_each_part(boss: Person, machine: dict[str, str], path: str) -> None:
    """Every function of operators reads the client that calls, and not only people."""
    assert boss.twin.call("GET", f"/v1/admin/{path}", headers=machine).status == 200


def test_service_takes_no_hashes_away(boss: Person, machine: dict[str, str]) -> None:
    """An export needs a person who has just signed in, and says so to a service."""
    answer = boss.twin.call("GET", "/v1/admin/users/export", headers=machine)
    assert (answer.status, answer.json["code"]) == (403, "recent_sign_in_required")


def test_service_hashes(boss: Person, machine: dict[str, str]) -> None:
    """The function that hashes as a Waves node reads the client, too."""
    assert boss.twin.call("POST", "/utils/hash/fast", json={"message": "x"}, headers=machine).status == 200


def test_unknown_key_that_asks_for_a_hash_is_counted(boss: Person) -> None:
    """The function that hashes checks keys itself, and counts junk for its address."""
    junk = new_api_key(secrets.token_bytes)[1]
    answer = boss.twin.call("POST", "/utils/hash/fast", json={"message": "x"}, headers={"X-API-Key": junk})
    assert (answer.status, answer.json["code"]) == (401, "invalid_api_key")


def test_list_of_keys_goes_on(boss: Person) -> None:
    """The cursor of the next page is sealed."""
    members = {"kind": "service", "name": "Billing", "roles": ["service"]}
    service = boss.twin.call("POST", "/v1/admin/clients", json=members, headers=boss.bearer).json["id"]
    for name in ("nightly", "hourly"):
        body = {"client_id": service, "name": name}
        assert boss.twin.call("POST", "/v1/admin/api-keys", json=body, headers=boss.bearer).status == 201
    pages, cursor = [], ""
    for _ in range(2):
        path = f"/v1/admin/api-keys?client_id={service}&limit=1{cursor}"
        page = boss.twin.call("GET", path, headers=boss.bearer).json
        pages.append(page["api_keys"][0]["name"])
        cursor = f"&cursor={page['cursor']}"
    assert sorted(pages) == ["hourly", "nightly"]


def test_wrong_password_of_an_owner_is_counted_everywhere(limited_twin: RunningTwin, boss: Person) -> None:
    """Someone who holds a phone of another person cannot guess the password by changing the account."""
    ann, shop = person(limited_twin), register(limited_twin, boss, tokens_per_minute=10)
    tries = {
        ("POST", "/v1/user/password/change"): {
            "current_password": WRONG,
            "password": "x" * 20,
            "passwordRepeat": "x" * 20,
        },
        ("POST", "/v1/user/email/change"): {"current_password": WRONG, "email": new_login()},
        ("POST", "/v1/auth/me/links"): {"token": shop.token("ann"), "password": WRONG},
        ("DELETE", "/v1/auth/me"): {"password": WRONG},
    }
    answers = [limited_twin.call(*route, json=body, headers=ann.bearer) for route, body in tries.items()]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [(401, "invalid_credentials")] * len(tries)
    assert ann.me().status == 200


def test_partner_with_a_limit_opens_and_links_accounts(limited_twin: RunningTwin, boss: Person) -> None:
    """The limit asks first whether a token was used: a stolen one, sent again and again, locks out no one."""
    shop, ann = register(limited_twin, boss, tokens_per_minute=10), person(limited_twin)
    used = shop.token("ben")
    assert [shop.exchange(used).status for _ in range(2)] == [201, 401]
    body = {"token": shop.token("ann"), "password": PASSWORD}
    links = [limited_twin.call("POST", "/v1/auth/me/links", json=body, headers=ann.bearer) for _ in range(2)]
    assert [link.status for link in links] == [201, 401]


def test_wrong_secrets_and_tokens_are_counted(limited_twin: RunningTwin) -> None:
    """A client's secret, a token that is asked about, and a partner's token."""
    form = {"grant_type": "client_credentials", "client_id": limited_twin.dev["clients"][2]["client_id"]}
    answers = [
        limited_twin.call("POST", "/oauth2/token", form=form | {"client_secret": WRONG}),
        limited_twin.call("POST", "/v1/auth/validate", json={"token": WRONG}),
        limited_twin.call("POST", "/v1/auth/external-token", json={"token": WRONG}),
    ]
    assert [answer.status for answer in answers] == [401, 401, 401]


def test_partners_session_is_refreshed_as_oauth_says(limited_twin: RunningTwin, boss: Person) -> None:
    """The endpoint of OAuth reads the partner and the link again, like the route for apps."""
    client_id, shop = register_app(limited_twin, boss, "profile:read")
    ann = shop.come_to(client_id, "profile:read")
    form = {"grant_type": "refresh_token", "refresh_token": ann.tokens["refresh_token"], "client_id": client_id}
    assert limited_twin.call("POST", "/oauth2/token", form=form).status == 200


def test_imported_admin_without_a_password_gets_one_by_mail(limited_twin: RunningTwin, boss: Person) -> None:
    """From then on the account counts as an active admin. One with a hash counts at once."""
    login = new_login()
    users: list[dict[str, object]] = [{"email": login, "roles": ["admin"], "verified_at": 1_700_000_000}]
    users.append({"email": new_login(), "roles": ["admin"], "password_hash": BCRYPT})
    done = limited_twin.call("POST", "/v1/admin/users/import", json={"users": users}, headers=boss.bearer)
    assert (done.status, done.json["imported"]) == (200, 2), done.body
    assert limited_twin.call("POST", "/v1/user/password/restore", json={"login": login}).status == 202
    code = code_in(limited_twin, wait_for(limited_twin, login))
    assert (
        limited_twin.call("POST", "/v1/user/password/reset", json={"token": code, "password": PASSWORD}).status == 200
    )
