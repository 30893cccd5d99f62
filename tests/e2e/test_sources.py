"""The paths of the systems that Latchkey replaces work, and respond as their clients expect."""

from __future__ import annotations

import base64
import json

import pytest

from tests.e2e.accounts import PASSWORD, admin, bearer, new_login, person
from tests.e2e.client import RunningTwin

TOKEN_MEMBERS = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "scope"}


@pytest.mark.parametrize("path", ["/v1/user", "/auth/register"])
def test_registration_goes_by_two_paths(twin: RunningTwin, path: str) -> None:
    """201 with the account, never with a token."""
    login = new_login()
    answer = twin.call(
        "POST", path, json={"username": login, "password": PASSWORD, "locale": "ru", "source": "license"}
    )
    assert (answer.status, answer.json["login"], answer.json["status"]) == (201, login, "active")
    assert not TOKEN_MEMBERS & answer.json.keys()


@pytest.mark.parametrize(("path", "extra"), [("/v1/auth/login", set()), ("/auth/login", set()), ("/login", {"token"})])
def test_login_goes_by_three_paths(twin: RunningTwin, path: str, extra: set[str]) -> None:
    """One token answer and a device token; at `/login` the access token stands under `token` too."""
    someone = person(twin)
    answer = twin.call("POST", path, json={"username": someone.login, "password": PASSWORD})
    assert (answer.status, answer.json.keys()) == (200, TOKEN_MEMBERS | {"device_token"} | extra)
    assert answer.json.get("token", answer.json["access_token"]) == answer.json["access_token"]


@pytest.mark.parametrize("path", ["/v1/auth/refresh", "/auth/refresh"])
@pytest.mark.parametrize("member", ["refresh_token", "token"])
def test_refresh_goes_by_two_paths_and_two_names(twin: RunningTwin, path: str, member: str) -> None:
    """Both paths accept the forms that the clients of the sources send."""
    someone = person(twin)
    answer = twin.call("POST", path, json={member: someone.tokens["refresh_token"]})
    assert (answer.status, answer.json.keys()) == (200, TOKEN_MEMBERS)


@pytest.mark.parametrize("path", ["/v1/auth/me", "/auth/me", "/v1/user/profile"])
def test_one_s_own_account_goes_by_three_paths(twin: RunningTwin, path: str) -> None:
    """Login, roles and what they permit."""
    someone = person(twin)
    body = twin.call("GET", path, headers=someone.bearer).json
    assert (body["login"], body["roles"], body["addresses"]) == (someone.login, ["user"], [])
    assert "profile:read" in body["permissions"]


def test_an_admin_sees_an_admin_s_permissions(twin: RunningTwin) -> None:
    """The seeded admin's role is in the token and in the answer."""
    body = admin(twin).me().json
    assert "admin" in body["roles"]
    assert "users:write" in body["permissions"]


def test_a_sample_api_welcomes_the_bearer(twin: RunningTwin) -> None:
    """`GET /v1/hello` says `Welcome, …`."""
    someone = person(twin)
    answer = twin.call("GET", "/v1/hello", headers=someone.bearer)
    assert answer.json["message"].startswith("Welcome, usr_")


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_service_trades_its_key_for_tokens_and_renews_them(twin: RunningTwin, header: str) -> None:
    """An empty body, the key in either header, a pair in the answer."""
    key = twin.dev["api_key"]
    headers = {header: key if header == "X-API-Key" else f"Bearer {key}"}
    answer = twin.call("POST", "/v1/auth/token", headers=headers)
    renewed = twin.call("POST", "/v1/auth/refresh", json={"token": answer.json["refresh_token"]})
    assert (answer.status, renewed.status) == (200, 200)
    assert twin.call("GET", "/v1/hello", headers=bearer(renewed.json["access_token"])).status == 200


def test_a_service_has_no_account(twin: RunningTwin) -> None:
    """A machine's token does not open a person's route."""
    tokens = twin.call("POST", "/v1/auth/token", headers={"X-API-Key": twin.dev["api_key"]}).json
    answer = twin.call("GET", "/v1/auth/me", headers=bearer(tokens["access_token"]))
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


def test_client_credentials_work_by_header_and_by_form(twin: RunningTwin) -> None:
    """RFC 6749 section 2.3.1: both ways of proving a client."""
    client = next(client for client in twin.dev["clients"] if client["client_secret"])
    identity = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    basic = base64.b64encode(":".join(identity.values()).encode()).decode()
    form = {"grant_type": "client_credentials"}
    by_form = twin.call("POST", "/oauth2/token", form=form | identity)
    by_header = twin.call("POST", "/oauth2/token", form=form, headers={"Authorization": f"Basic {basic}"})
    assert (by_form.status, by_header.status) == (200, 200)
    assert "refresh_token" not in by_form.json
    assert claims(by_form.json["access_token"])["sub"] == client["client_id"]


def test_the_app_may_refresh_at_the_oauth_endpoint(twin: RunningTwin) -> None:
    """A standard OAuth client library renews the session of a first-party sign-in."""
    someone = person(twin)
    form = {"grant_type": "refresh_token", "refresh_token": someone.tokens["refresh_token"], "client_id": "cli_app"}
    assert twin.call("POST", "/oauth2/token", form=form).status == 200


def test_a_refresh_token_is_for_the_client_that_got_it(twin: RunningTwin) -> None:
    """Other clients get an error, with a secret or without one, and the owner's session goes on."""
    someone = person(twin)
    form = {"grant_type": "refresh_token", "refresh_token": someone.tokens["refresh_token"]}
    worker = twin.dev["clients"][2]
    proofs = [
        {"client_id": worker["client_id"], "client_secret": worker["client_secret"]},
        {"client_id": "cli_app", "client_secret": "no secret at all"},
    ]
    errors = [twin.call("POST", "/oauth2/token", form=form | proof).json["error"] for proof in proofs]
    assert errors == ["unauthorized_client", "invalid_client"]
    someone.refresh()


def test_the_access_token_is_what_rfc_9068_says(twin: RunningTwin) -> None:
    """Header and claims, without a name or an e-mail address."""
    token = person(twin).tokens["access_token"]
    header = json.loads(decoded(token.split(".")[0]))
    assert header.keys() == {"alg", "typ", "kid"}
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    assert claims(token).keys() == {
        *("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "sid", "roles", "auth_time", "amr")
    }


def test_discovery_and_keys_are_public_and_say_where_they_are(twin: RunningTwin) -> None:
    """RFC 8414 and RFC 7517: the issuer of the tokens, and public keys only."""
    for name in ("openid-configuration", "oauth-authorization-server"):
        document = twin.call("GET", f"/.well-known/{name}")
        assert document.json["issuer"] == twin.dev["issuer"]
        assert document.headers["cache-control"] == "public, max-age=1"
    keys = twin.call("GET", document.json["jwks_uri"].removeprefix(twin.address)).json["keys"]
    assert all(key.keys() == {"kty", "n", "e", "use", "alg", "kid"} for key in keys)
    assert len(keys) == 2


def test_status_says_that_it_runs(twin: RunningTwin) -> None:
    """For probes."""
    answer = twin.call("GET", "/status")
    assert (answer.status, answer.json["status"]) == (200, "ok")


def test_a_profile_can_be_changed_by_its_owner(twin: RunningTwin) -> None:
    """`PATCH` sets what it names and answers with the account."""
    someone = person(twin)
    changed = twin.call("PATCH", "/v1/auth/me", json={"name": "Анна", "locale": "ru"}, headers=someone.bearer)
    assert (changed.status, changed.json["name"], changed.json) == (200, "Анна", someone.me().json)


def test_sessions_are_listed_and_ended_by_their_owner(twin: RunningTwin) -> None:
    """Two devices: one ends the other, then itself."""
    phone = person(twin)
    answer = twin.call("POST", "/v1/auth/login", json={"login": phone.login, "password": PASSWORD, "device": "Tablet"})
    tablet = answer.json
    listed = twin.call("GET", "/v1/auth/sessions", headers=phone.bearer).json["sessions"]
    other = next(session for session in listed if session["device"] == "Tablet")
    ended = twin.call("DELETE", f"/v1/auth/sessions/{other['id']}", headers=phone.bearer)
    assert (len(listed), ended.status) == (2, 204)
    assert twin.call("POST", "/v1/auth/refresh", json={"token": tablet["refresh_token"]}).status == 401
    assert twin.call("POST", "/v1/auth/logout", headers=phone.bearer).status == 204
    assert (phone.me().status, phone.me().json["code"]) == (401, "invalid_token")


def test_logging_out_twice_is_no_error(twin: RunningTwin) -> None:
    """The second response equals the first."""
    someone = person(twin)
    answers = [twin.call("POST", "/v1/auth/logout", headers=someone.bearer).status for _ in range(2)]
    assert answers == [204, 204]


def test_phone_that_wakes_up_logs_out_with_its_refresh_token(twin: RunningTwin) -> None:
    """Its access token has expired. A text that is no token of ours gets 401, and ends nothing."""
    someone = person(twin)
    spent = someone.tokens["refresh_token"]
    someone.refresh()
    expired = {"Authorization": "Bearer a.b.c"}
    forged = twin.call("POST", "/v1/auth/logout", json={"refresh_token": spent[:-4] + "AAAA"}, headers=expired)
    assert (forged.status, forged.json["code"], someone.me().status) == (401, "invalid_grant", 200)
    answers = [
        twin.call("POST", "/v1/auth/logout", json={"refresh_token": spent}, headers=expired).status for _ in range(2)
    ]
    assert (answers, someone.me().status) == ([204, 204], 401)


def test_refresh_token_alone_ends_every_session(twin: RunningTwin) -> None:
    """The account is the token's. A session that has ended cannot do it."""
    here = person(twin)
    there = twin.call("POST", "/v1/auth/login", json={"login": here.login, "password": PASSWORD}).json
    asked = {"token": here.tokens["refresh_token"], "sessions": "all"}
    assert twin.call("POST", "/v1/auth/logout", json=asked).status == 204
    assert twin.call("POST", "/v1/auth/refresh", json={"token": there["refresh_token"]}).status == 401
    assert twin.call("POST", "/v1/auth/logout", json=asked).status == 401


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_client_revokes_its_tokens(twin: RunningTwin, kind: str) -> None:
    """RFC 7009: 200 for a token of the client, for an unknown one, and for another client's, which stays."""
    someone = person(twin)
    worker = twin.dev["clients"][2]
    basic = base64.b64encode("{client_id}:{client_secret}".format(**worker).encode()).decode()
    form = {"token": someone.tokens[kind], "token_type_hint": kind}
    foreign = twin.call("POST", "/oauth2/revoke", form=form, headers={"Authorization": f"Basic {basic}"})
    assert (foreign.status, someone.me().status) == (200, 200)
    own = twin.call("POST", "/oauth2/revoke", form=form | {"client_id": "cli_app"})
    assert (own.status, own.body, someone.me().status) == (200, b"", 401)
    assert twin.call("POST", "/oauth2/revoke", form={"token": "junk"}).status == 200


def test_revocation_asks_for_the_proof_of_its_client(twin: RunningTwin) -> None:
    """A wrong secret is 401, a form without a token 400, and a token of a machine cannot be revoked."""
    worker = twin.dev["clients"][2]
    proof = {"client_id": worker["client_id"], "client_secret": worker["client_secret"]}
    token = twin.call("POST", "/oauth2/token", form=proof | {"grant_type": "client_credentials"}).json["access_token"]
    answers = [
        twin.call("POST", "/oauth2/revoke", form=form)
        for form in (proof | {"client_secret": "wrong", "token": token}, proof, proof | {"token": token})
    ]
    assert [(each.status, each.json["error"]) for each in answers] == [
        (401, "invalid_client"),
        (400, "invalid_request"),
        (400, "unsupported_token_type"),
    ]


def test_logging_out_everywhere_ends_every_session(twin: RunningTwin) -> None:
    """The other device cannot refresh any more."""
    here = person(twin)
    there = twin.call("POST", "/v1/auth/login", json={"login": here.login, "password": PASSWORD}).json
    assert twin.call("POST", "/v1/auth/logout", json={"sessions": "all"}, headers=here.bearer).status == 204
    assert twin.call("POST", "/v1/auth/refresh", json={"token": there["refresh_token"]}).status == 401


def test_an_ended_session_cannot_end_the_others(twin: RunningTwin) -> None:
    """The access token of an ended session still verifies, and ends nothing but itself."""
    thief = person(twin)
    owner = twin.call("POST", "/v1/auth/login", json={"login": thief.login, "password": PASSWORD}).json
    twin.call("DELETE", "/v1/auth/sessions", headers=bearer(owner["access_token"]))
    answer = twin.call("POST", "/v1/auth/logout", json={"sessions": "all"}, headers=thief.bearer)
    assert (answer.status, answer.json["code"]) == (401, "invalid_token")
    assert twin.call("POST", "/v1/auth/refresh", json={"token": owner["refresh_token"]}).status == 200


def test_the_session_of_another_is_not_found(twin: RunningTwin) -> None:
    """The response is that for a missing session, and the session goes on."""
    ann, bob = person(twin), person(twin)
    theirs = claims(bob.tokens["access_token"])["sid"]
    statuses = [
        twin.call("DELETE", f"/v1/auth/sessions/{sid}", headers=ann.bearer).status for sid in (theirs, "ses_none")
    ]
    assert statuses == [404, 404]
    bob.refresh()


def decoded(segment: str) -> bytes:
    """Return the bytes of one part of a token."""
    return base64.urlsafe_b64decode(segment + "==")


def claims(token: str) -> dict[str, object]:
    """Return the claims of a token without checking it."""
    document: dict[str, object] = json.loads(decoded(token.split(".")[1]))
    return document
