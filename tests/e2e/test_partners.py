"""Partners over HTTP: their users sign in, and no one else does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from latchkey.signing.base64url import b64url_encode
from tests.e2e.accounts import PASSWORD, Person, admin, bearer, person, refresh
from tests.e2e.client import Response, RunningTwin
from tests.e2e.partners import PARTNERS, TestPartner, published, register
from tests.e2e.tokens import claims, forged
from tests.partner_world import Signer


@pytest.fixture(scope="module")
def boss(twin: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(twin)


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    """A key as both vendors use them."""
    return generate_private_key(65537, 2048)


@pytest.fixture
def shop(twin: RunningTwin, boss: Person) -> TestPartner:
    """A partner of the standard profile."""
    return register(twin, boss, org="acme")


def test_partners_user_signs_in(twin: RunningTwin, shop: TestPartner) -> None:
    """The first sign-in returns 201 and a new account, later ones return 200 and the same one. The tokens work."""
    first, second = shop.exchange(shop.token(name="Ann")), shop.exchange(shop.token())
    assert (first.status, second.status) == (201, 200)
    assert first.json["user"] == {"id": first.json["user"]["id"], "external_id": "u-1", "created": True}
    assert second.json["user"] == first.json["user"] | {"created": False}
    me = twin.call("GET", "/v1/auth/me", headers=bearer(first.json["access_token"])).json
    assert (me["id"], me["login"], me["name"], me["roles"]) == (first.json["user"]["id"], "", "Ann", ["user"])
    renewed = refresh(twin, first.json["refresh_token"])
    said = [claims(answer.json["access_token"])["org"] for answer in (first, renewed)]
    assert said == ["acme", "acme"]


def test_grant_of_rfc_7523(shop: TestPartner) -> None:
    """At the token endpoint the answer is that of RFC 6749, and always 200. A scope may be narrower."""
    answer = shop.grant(shop.token(), scope="profile")
    assert (answer.status, answer.json["scope"], answer.json["user"]["created"]) == (200, "profile", True)
    refused = shop.grant("x")
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")


def test_client_proves_itself(twin: RunningTwin, shop: TestPartner) -> None:
    """A wrong secret, and a client that the partner's users may not have, get no session."""
    worker = next(each for each in twin.dev["clients"] if each["kind"] == "confidential")
    who = {"client_id": worker["client_id"], "client_secret": worker["client_secret"]}
    assert shop.grant(shop.token(), **who | {"client_secret": "wrong"}).status == 401
    assert shop.grant(shop.token(), **who).json["error"] == "unauthorized_client"


# ---- The vendors' payloads ----


def test_nodul_payload_signs_in(twin: RunningTwin, boss: Person, rsa: RSAPrivateKey) -> None:
    """As Nodul and Latenode document it: RS512, no kid, no iss, aud, iat or jti, and a numeric tenant."""
    partner = register(
        twin,
        boss,
        Signer("k1", "RS512", rsa),
        profile="nodul",
        tenant="123",
        role_map={"4": "user"},
    )
    payload = {
        "tenant_id": 123,
        "user_id": "user@example.com",
        "exp": int(time.time()) + 600,
        "plan_id": 7,
        "no_personal_space": True,
        "grant_access": [{"space_id": 1, "role_id": 4}],
    }
    token = partner.signer.sign(payload, kid=None)
    answer = partner.exchange(token, issuer_id=partner.record["id"])
    assert (answer.status, answer.json["user"]["external_id"]) == (201, "user@example.com")
    links = twin.call("GET", "/v1/auth/me/links", headers=bearer(answer.json["access_token"])).json["links"]
    assert [each["attributes"] for each in links] == [{"no_personal_space": True, "plan_id": 7}]
    replayed = partner.exchange(token, issuer_id=partner.record["id"])
    other = partner.signer.sign(payload | {"tenant_id": 124}, kid=None)
    assert [replayed.status, partner.exchange(other, issuer_id=partner.record["id"]).status] == [401, 401]


def test_activepieces_payload_signs_in(twin: RunningTwin, boss: Person, rsa: RSAPrivateKey) -> None:
    """As Activepieces documents it: RS256 with a kid, an hour to live, under the vendor's own member."""
    partner = register(
        twin,
        boss,
        Signer("key_1", "RS256", rsa),
        profile="activepieces",
        tenant="project-1",
        role_map={"EDITOR": "user"},
    )
    now = int(time.time())
    payload = {
        "version": "v3",
        "externalUserId": "user_id",
        "externalProjectId": "project-1",
        "firstName": "John",
        "lastName": "Doe",
        "role": "EDITOR",
        "projectDisplayName": "Shop",
        "tasks": 100,
        "iat": now,
        "exp": now + 3600,
    }
    body = {"externalAccessToken": partner.signer.sign(payload), "issuer_id": partner.record["id"]}
    answer = twin.call("POST", "/v1/auth/external-token", json=body)
    assert (answer.status, answer.json["user"]["external_id"]) == (201, "user_id")
    export = twin.call("GET", "/v1/auth/me/export", headers=bearer(answer.json["access_token"])).json
    assert export["account"]["name"] == "John Doe"
    assert export["links"][0]["attributes"] == {"version": "v3", "projectDisplayName": "Shop", "tasks": 100}


def test_keys_of_an_address(twin: RunningTwin, boss: Person) -> None:
    """Published keys are fetched from the partner. A partner that cannot be reached signs no one in."""
    signer = Signer()
    with published(signer) as address:
        partner = register(twin, boss, signer, jwks_uri=address)
        assert partner.exchange(partner.token()).status == 201
    away = {"name": "Away", "issuer": "https://away.example", "jwks_uri": "http://127.0.0.1:9/jwks.json"}
    refused = twin.call("POST", PARTNERS, json=away, headers=boss.bearer)
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "no_usable_key")


# ---- What is refused ----


def as_hs256(shop: TestPartner) -> str:
    """Return an HS256 token whose secret is the partner's public key."""
    return forged(shop.token(), shop.signer.pem().encode())


def unsigned(shop: TestPartner) -> str:
    header = b64url_encode(b'{"alg":"none","kid":"k1"}')
    return f"{header}.{b64url_encode(json.dumps(shop.claims()).encode())}.eA"


def now() -> int:
    return int(time.time())


REFUSED: dict[str, tuple[Callable[[TestPartner], str], str]] = {
    "wrong audience": (lambda shop: shop.token(aud="https://other.example"), "wrong_audience"),
    "wrong algorithm": (
        lambda shop: Signer("k1", "EdDSA", Ed25519PrivateKey.generate()).sign(shop.claims()),
        "wrong_algorithm",
    ),
    "unknown kid": (lambda shop: shop.signer.sign(shop.claims(), kid="k9"), "unknown_kid"),
    "expired": (lambda shop: shop.token(iat=now() - 300, exp=now() - 60), "expired"),
    "too old": (lambda shop: shop.token(iat=now() - 700), "too_old"),
    "issued in the future": (lambda shop: shop.token(iat=now() + 120), "iat_in_future"),
    "public key as secret": (as_hs256, "wrong_algorithm"),
    "none": (unsigned, "wrong_algorithm"),
    "embedded key": (
        lambda shop: shop.signer.sign(shop.claims(), jwk=shop.signer.key().to_jwk()),
        "malformed: members of the header",
    ),
    "another partner's key": (lambda shop: Signer().sign(shop.claims()), "wrong_signature"),
    "our own access token": (lambda shop: shop.boss.tokens["access_token"], "wrong_type"),
    "12 KB": (lambda _: "a" * 12_000, "too_long"),
}


def answer_to(shop: TestPartner, token: str) -> dict[str, Any]:
    """Return the answer without what differs from request to request."""
    answer = shop.exchange(token)
    assert answer.status == 401
    return {name: value for name, value in answer.json.items() if name != "request_id"}


@pytest.mark.parametrize("flaw", REFUSED)
def test_refusal_tells_nothing_but_to_the_log(twin: RunningTwin, shop: TestPartner, flaw: str) -> None:
    """Every flaw has the same answer, and its own reason in one line of the log."""
    forge, reason = REFUSED[flaw]
    told = len(refusals(twin))
    token = forge(shop)
    assert answer_to(shop, token) == answer_to(shop, "x") | {"code": "invalid_grant"}
    assert refusals(twin)[told:][0]["reason"] == reason
    assert token not in twin.output()


def refusals(twin: RunningTwin) -> list[dict[str, Any]]:
    """Return the events of refused assertions in the log, oldest first."""
    lines = [line for line in twin.output().splitlines() if '"event":"assertion_refused"' in line]
    return [json.loads(line) for line in lines]


def test_replay_is_refused(twin: RunningTwin, shop: TestPartner) -> None:
    """At either route, and also after the token was used at the other."""
    token = shop.token()
    answers = [shop.grant(token), shop.grant(token), shop.exchange(token)]
    assert [answer.status for answer in answers] == [200, 400, 401]
    assert [each["reason"] for each in refusals(twin)[-2:]] == ["replayed", "replayed"]


def test_token_of_a_megabyte_is_refused_like_any_other(twin: RunningTwin, shop: TestPartner) -> None:
    """The token is not parsed. The response is that for a bad token, and the log has the reason."""
    answers = [shop.exchange("a" * 1_000_000), shop.grant("a" * 1_000_000)]
    assert [(answer.status, answer.json.get("code") or answer.json["error"]) for answer in answers] == [
        (401, "invalid_grant"),
        (400, "invalid_grant"),
    ]
    assert [each["reason"] for each in refusals(twin)[-2:]] == ["too_long", "too_long"]


def test_revoked_partner_opens_nothing_and_its_sessions_end(twin: RunningTwin, shop: TestPartner) -> None:
    """It opens no new session at once, and its old ones end at their next refresh. Enabled, it opens new ones again."""
    someone = shop.come()
    shop.change(status="disabled")
    assert answer_to(shop, shop.token())["code"] == "invalid_grant"
    assert refresh(twin, someone.tokens["refresh_token"]).status == 401
    shop.change(status="active")
    assert shop.exchange(shop.token()).status == 200


def test_disabled_user_stays_disabled(twin: RunningTwin, boss: Person, shop: TestPartner) -> None:
    """Our own route answers 403 and the standard one invalid_grant, until an operator enables the account."""
    sub = shop.come().tokens["user"]["id"]
    path = f"/v1/admin/users/{sub}"
    assert twin.call("PATCH", path, json={"status": "disabled"}, headers=boss.bearer).status == 200
    refused, granted = shop.exchange(shop.token()), shop.grant(shop.token())
    assert (refused.status, refused.json["code"]) == (403, "account_disabled")
    assert (granted.status, granted.json["error"]) == (400, "invalid_grant")
    assert twin.call("PATCH", path, json={"status": "active"}, headers=boss.bearer).status == 200
    assert shop.exchange(shop.token()).status == 200


def test_user_without_password_deletes_the_account_for_good(twin: RunningTwin, shop: TestPartner) -> None:
    """A recent sign-in is the proof, and the same external id never gets another account."""
    someone = shop.come()
    assert twin.call("DELETE", "/v1/auth/me", json={}, headers=someone.bearer).status == 204
    refused = shop.exchange(shop.token())
    assert (refused.status, refused.json["code"]) == (403, "account_disabled")


def test_partners_session_operates_nothing(twin: RunningTwin, boss: Person, shop: TestPartner) -> None:
    """A partner's session cannot call operators' routes, even if its user is an admin."""
    someone = shop.come()
    path = f"/v1/admin/users/{someone.tokens['user']['id']}"
    assert twin.call("PATCH", path, json={"roles": ["admin", "user"]}, headers=boss.bearer).status == 200
    again = shop.come()
    for who in (someone, again):
        assert twin.call("GET", PARTNERS, headers=who.bearer).status == 403
    assert claims(again.tokens["access_token"])["roles"] == ["user"]
    twin.call("PATCH", path, json={"roles": ["user"]}, headers=boss.bearer)


def test_users_without_a_password_are_exported_without_a_hash(
    twin: RunningTwin, boss: Person, shop: TestPartner
) -> None:
    """They have a link instead, and two of them do not stop the export."""
    guests = {shop.come(f"guest{number}").tokens["user"]["id"] for number in range(2)}
    path, seen = "/v1/admin/users/export", dict[str, Any]()
    while path:
        page = twin.call("GET", path, headers=boss.bearer)
        assert page.status == 200, page.body
        seen |= {each["id"]: each for each in page.json["users"]}
        path = page.json["cursor"] and f"/v1/admin/users/export?cursor={page.json['cursor']}"
    found = [seen[guest] for guest in guests]
    assert [each.keys() & {"login", "password_hash"} for each in found] == [set(), set()]
    assert {each["links"][0]["external_id"] for each in found} == {"guest0", "guest1"}


# ---- Links ----


def test_account_of_ones_own_is_linked(twin: RunningTwin, shop: TestPartner) -> None:
    """Its owner links it and removes the link again. In between, the partner's token opens it."""
    ann = person(twin)
    sub = ann.me().json["id"]
    body = {"token": shop.token("ann"), "password": PASSWORD}
    linked = twin.call("POST", "/v1/auth/me/links", json=body, headers=ann.bearer)
    assert (linked.status, linked.json["external_id"]) == (201, "ann")
    assert linked.json["partner_id"] == shop.record["id"]
    assert shop.come("ann").tokens["user"]["id"] == sub
    path = f"/v1/auth/me/links/{shop.record['id']}"
    assert twin.call("DELETE", path, json={"password": PASSWORD}, headers=ann.bearer).status == 204
    assert twin.call("GET", "/v1/auth/me/links", headers=ann.bearer).json == {"links": []}
    assert shop.come("ann").tokens["user"]["id"] != sub


def test_identity_of_another_account_is_not_linked(twin: RunningTwin, shop: TestPartner) -> None:
    """An identity of another account is rejected, with a session alone and with the password."""
    shop.come("bob")
    ann = person(twin)
    body = {"token": shop.token("bob"), "password": PASSWORD}
    answer = twin.call("POST", "/v1/auth/me/links", json=body, headers=ann.bearer)
    assert (answer.status, answer.json["code"]) == (409, "already_linked")


# ---- Operators ----


def create(boss: Person, **members: Any) -> Response:
    """Ask for a new partner."""
    wanted = {"name": "New", "issuer": f"https://new{time.monotonic_ns()}.example"} | members
    return boss.twin.call("POST", PARTNERS, json=wanted, headers=boss.bearer)


def test_partner_is_shown_changed_and_deleted(twin: RunningTwin, boss: Person) -> None:
    """The record has the given members and the defaults. Keys are added and removed."""
    made = create(boss)
    path = made.headers["location"]
    assert made.json == twin.call("GET", path, headers=boss.bearer).json
    assert (made.json["default_roles"], made.json["clients"], made.json["status"]) == (["user"], ["cli_app"], "active")
    changed = twin.call("PATCH", path, json={"status": "disabled", "max_users": 5}, headers=boss.bearer)
    assert (changed.status, changed.json) == (200, made.json | {"status": "disabled", "max_users": 5})
    signer = Signer("a.key")
    added = twin.call(
        "POST", f"{path}/keys", json={"kid": "a.key", "alg": "ES256", "pem": signer.pem()}, headers=boss.bearer
    )
    assert (added.status, added.json["keys"]) == (201, [signer.key().to_jwk()])
    assert twin.call("DELETE", f"{path}/keys/a.key", headers=boss.bearer).status == 204
    assert twin.call("DELETE", f"{path}/keys/a.key", headers=boss.bearer).status == 404
    assert twin.call("DELETE", path, headers=boss.bearer).status == 204
    assert twin.call("GET", path, headers=boss.bearer).status == 404


def test_partners_are_paged(twin: RunningTwin, boss: Person) -> None:
    """Each partner is on exactly one page."""
    wanted = {create(boss).json["id"] for _ in range(3)}
    seen: list[str] = []
    path = f"{PARTNERS}?limit=2"
    while path:
        page = twin.call("GET", path, headers=boss.bearer).json
        seen += [each["id"] for each in page["partners"]]
        path = page["cursor"] and f"{PARTNERS}?limit=2&cursor={page['cursor']}"
    assert len(seen) == len(set(seen))
    assert wanted <= set(seen)


def test_issuer_is_taken_once(boss: Person, shop: TestPartner) -> None:
    """An issuer belongs to one partner, and never to the service itself."""
    taken = create(boss, issuer=shop.record["issuer"])
    own = create(boss, issuer=boss.twin.dev["issuer"])
    assert (taken.status, taken.json["code"]) == (409, "issuer_taken")
    assert (own.status, own.json["errors"][0]["code"]) == (422, "own_issuer")


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"role_map": {"boss": "admin"}}, 403),
        ({"default_roles": ["service"]}, 403),
        ({"role_map": {"x": "nothing"}}, 422),
        ({"keys": [{"jwk": {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "h"}}]}, 400),
        ({"keys": [{"alg": "HS256", "pem": "secret"}]}, 400),
        ({"keys": [{"jwk": Signer().key().to_jwk() | {"d": "AAAA"}}]}, 400),
        ({"keys": [{"jwk": Signer().key().to_jwk() | {"alg": "ES384"}}]}, 400),
        ({"jwks_uri": "http://keys.example/jwks.json"}, 422),
        ({"jwks_uri": "https://user@keys.example/jwks.json"}, 422),
        ({"jwks_uri": "https://keys.example/", "keys": [{"jwk": Signer().key().to_jwk()}]}, 422),
        ({"profile": "nodul"}, 422),
        ({"profile": "else"}, 400),
        ({"allow_missing": ["exp"]}, 400),
        ({"clients": ["cli_missing"]}, 422),
        ({"tokens_per_minute": -1}, 400),
        ({"secret": "x"}, 400),
        ({"name": ""}, 400),
        ({"issuer": ""}, 400),
    ],
)
def test_bad_partner_is_refused(boss: Person, members: dict[str, Any], status: int) -> None:
    """A role above the operator's, an operator's role, a bad key, and unknown members."""
    assert create(boss, **members).status == status
