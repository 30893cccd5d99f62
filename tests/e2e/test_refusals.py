"""Bad input and bad tokens: a clear error, never a 5xx, nothing stored."""

from __future__ import annotations

import json

import pytest

from tests.e2e.accounts import PASSWORD, bearer, new_login, person
from tests.e2e.client import RunningTwin
from tests.e2e.tokens import encoded, forged

JSON = {"Content-Type": "application/json"}
BODY_ROUTES = [
    "/v1/user",
    "/auth/register",
    "/v1/auth/login",
    "/auth/login",
    "/login",
    "/v1/auth/refresh",
    "/auth/refresh",
    "/v1/auth/validate",
]
PROTECTED = [
    ("GET", "/v1/auth/me"),
    ("PATCH", "/v1/auth/me"),
    ("GET", "/auth/me"),
    ("GET", "/v1/user/profile"),
    ("POST", "/v1/auth/logout"),
    ("GET", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions/ses_x"),
    ("GET", "/v1/hello"),
    ("GET", "/v1/admin/signing"),
    ("PATCH", "/v1/admin/signing"),
    ("POST", "/v1/admin/signing/rotate"),
    ("POST", "/v1/admin/signing/reset"),
    ("GET", "/v1/admin/signing/validation-key"),
]

BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"login=ann",
    "a list": b"[]",
    "a text": b'"ann"',
    "null": b"null",
    "cut": b'{"login": "ann',
    "two logins": b'{"login": "ann", "login": "bob", "password": "a quiet river at dawn"}',
    "a NUL byte": b'{"login": "a\\u0000nn@example.com", "password": "a quiet river at dawn"}',
    "a lone surrogate": b'{"login": "ann@example.com", "password": "\\ud800 quiet river at dawn"}',
    "a number for a password": b'{"login": "ann@example.com", "password": 12345678901}',
    "a list for a login": b'{"login": ["ann@example.com"], "password": "a quiet river at dawn"}',
    "an unknown member": b'{"login": "ann@example.com", "password": "a quiet river at dawn", "roles": ["admin"]}',
    "a huge number": b'{"login": ' + b"9" * 5000 + b"}",
    "NaN": b'{"login": NaN}',
    "deep nesting": b"[" * 8000,
    "UTF-16": '{"login": "ann"}'.encode("utf-16"),
    "Latin-1": '{"login": "änn"}'.encode("latin-1"),
    "a byte order mark": b'\xef\xbb\xbf{"login": "ann"}',
}


@pytest.mark.parametrize("path", BODY_ROUTES)
@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_a_400_with_a_code(twin: RunningTwin, path: str, name: str) -> None:
    """A problem document that names the fault, on every route that takes a body."""
    answer = twin.call("POST", path, body=BAD_BODIES[name], headers=JSON)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["errors"][0]["code"]


@pytest.mark.parametrize("path", BODY_ROUTES)
def test_another_content_type_is_a_415(twin: RunningTwin, path: str) -> None:
    """A form, plain text and a missing content type get a 415."""
    body = json.dumps({"login": new_login(), "password": PASSWORD}).encode()
    statuses = [
        twin.call("POST", path, body=body, headers=headers).status
        for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {})
    ]
    assert statuses == [415, 415, 415]


@pytest.mark.parametrize("size", [16_385, 1_048_576])
@pytest.mark.parametrize("path", BODY_ROUTES)
def test_a_large_body_is_a_413(twin: RunningTwin, path: str, size: int) -> None:
    """Over 16 KB, refused before anything is parsed."""
    body = json.dumps({"login": "x" * size}).encode()
    answer = twin.call("POST", path, body=body, headers=JSON)
    assert (answer.status, answer.json["code"]) == (413, "payload_too_large")


def test_a_refused_registration_stores_nothing(twin: RunningTwin) -> None:
    """After every kind of refusal, the login is still free."""
    login = new_login()
    good = {"login": login, "password": PASSWORD}
    for bad in (
        {"password": "short"},
        {"password": 1},
        {"role": "admin"},
        {"device": "x"},
        {"email": "other@example.com"},
    ):
        assert twin.call("POST", "/v1/user", json=good | bad).status == 400
    assert twin.call("POST", "/v1/user", json=good).status == 201


def test_a_weak_password_says_why(twin: RunningTwin) -> None:
    """The code of the table, the field, and the reason."""
    for password, code in [("qwertyuiop", "common"), ("1234567", "too_short"), ("latchkeylatchkey", "context")]:
        problem = twin.call("POST", "/v1/user", json={"login": new_login(), "password": password}).json
        assert (problem["code"], problem["errors"][0]["field"], problem["errors"][0]["code"]) == (
            "weak_password",
            "password",
            code,
        )


def test_a_failed_login_tells_nothing(twin: RunningTwin) -> None:
    """A wrong password and an unknown login get the same status, headers and body, but for the request's id."""
    known = person(twin).login
    answers = [
        twin.call("POST", "/v1/auth/login", json={"login": login, "password": "something else entirely"})
        for login in (known, new_login())
    ]
    bodies = [{name: value for name, value in answer.json.items() if name != "request_id"} for answer in answers]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "invalid_credentials"
    assert answers[0].headers.keys() == answers[1].headers.keys()


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic Y2xpX2E6cw==", "Bearer a b.c.d"])
def test_a_protected_route_without_a_good_token_is_a_401(
    twin: RunningTwin, method: str, path: str, header: str
) -> None:
    """A Bearer challenge and a problem document, from the gateway as from us."""
    answer = twin.call(method, path, headers={"Authorization": header} if header else {})
    assert (answer.status, answer.json["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["request_id"]


def test_no_other_token_passes_for_an_access_token(twin: RunningTwin) -> None:
    """A refresh token, an API key, an unsigned token, one signed with the public key as a secret."""
    someone = person(twin)
    good = someone.tokens["access_token"]
    jwks = twin.call("GET", "/.well-known/jwks.json")
    header, payload, signature = good.split(".")
    unsigned = encoded(b'{"alg":"none","typ":"at+jwt","kid":"x"}').decode()
    tokens = [
        someone.tokens["refresh_token"],
        twin.dev["api_key"],
        f"{unsigned}.{payload}.{signature}",
        forged(good, jwks.body),
        forged(good, json.dumps(jwks.json["keys"][0]).encode()),
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{signature[:-4]}AAAA",
    ]
    statuses = [twin.call("GET", "/v1/auth/me", headers=bearer(token)).status for token in tokens]
    assert statuses == [401] * len(tokens)


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "cli_app"}, 400, "unauthorized_client"),
        ({"grant_type": "refresh_token", "refresh_token": "lk1.a.b.0.c"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
    ],
)
def test_the_token_endpoint_refuses_in_oauth_s_words(
    twin: RunningTwin, form: dict[str, str], status: int, error: str
) -> None:
    """RFC 6749 section 5.2."""
    answer = twin.call("POST", "/oauth2/token", form=form)
    assert (answer.status, answer.json.keys(), answer.json["error"]) == (status, {"error", "error_description"}, error)


def test_a_secret_in_the_address_is_refused(twin: RunningTwin) -> None:
    """RFC 6749 section 2.3.1. Even beside the right secret it is rejected: otherwise it is logged unnoticed."""
    worker = twin.dev["clients"][2]
    proof = {"client_id": worker["client_id"], "client_secret": worker["client_secret"]}
    form = {"grant_type": "client_credentials"} | proof
    answer = twin.call("POST", f"/oauth2/token?client_secret={worker['client_secret']}", form=form)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "lk_no"}, {"Authorization": "Bearer lk_no"}])
def test_a_bad_service_token_is_a_401(twin: RunningTwin, headers: dict[str, str]) -> None:
    """A missing key and an invalid key get a 401."""
    answer = twin.call("POST", "/v1/auth/token", headers=headers)
    assert (answer.status, answer.json["code"]) == (401, "invalid_api_key")


def test_guessing_is_slowed_down(limited_twin: RunningTwin) -> None:
    """Ten guesses, then 429 with the seconds to wait, for a login that exists and one that does not."""
    for login in (person(limited_twin).login, new_login()):
        guess = {"login": login, "password": "something else entirely"}
        answers = [limited_twin.call("POST", "/v1/auth/login", json=guess) for _ in range(12)]
        assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
        assert 0 < int(answers[-1].headers["retry-after"]) <= 30


# ---- What phones and libraries send, and what is taken ---------------------------------------------------------------


def test_a_phone_signs_up_with_what_its_system_gives_it(twin: RunningTwin) -> None:
    """A name in Cyrillic, white space of a keyboard, a tag with an extension, `null`, a charset and a long device."""
    name = "".join(chr(0x430 + int(digit)) for digit in str(1_000_000 + int(new_login()[6:].partition("@")[0])))
    body = {"username": f" {name.upper()}\u00a0", "password": PASSWORD, "locale": "en-US-u-mu-celsius", "name": None}
    charset = {"Content-Type": "application/json; charset=ISO-8859-1"}
    registered = twin.call("POST", "/v1/user", body=json.dumps(body).encode(), headers=charset)
    assert (registered.status, registered.json["login"]) == (201, name)
    signed_in = twin.call("POST", "/login", json={"login": name, "password": PASSWORD, "device": "Mozilla/5.0 " * 20})
    assert signed_in.status == 200
    headers = bearer(signed_in.json["access_token"])
    me = twin.call("GET", "/v1/auth/me", headers=headers).json
    assert (me["login"], me["locale"], me["name"]) == (name, "en-US", "")
    assert len(twin.call("GET", "/v1/auth/sessions", headers=headers).json["sessions"][0]["device"]) == 128
    cleared = twin.call("PATCH", "/v1/auth/me", json={"locale": None}, headers=headers)
    assert (cleared.status, cleared.json["locale"]) == (200, "")
    reserved = twin.call("POST", "/v1/user", json={"login": "postmaster", "password": PASSWORD})
    assert (reserved.status, reserved.json["errors"][0]["code"]) == (400, "reserved_login")


def test_a_form_with_the_charset_of_its_library_is_taken(twin: RunningTwin) -> None:
    """Apache HttpClient names ISO-8859-1 for each form."""
    worker = twin.dev["clients"][2]
    grant = {"grant_type": "client_credentials"} | {name: worker[name] for name in ("client_id", "client_secret")}
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=ISO-8859-1"}
    assert twin.call("POST", "/oauth2/token", form=grant, headers=headers).status == 200


@pytest.mark.parametrize("path", ["/status", "/.well-known/jwks.json", "/.well-known/openid-configuration"])
def test_head_of_a_public_document(twin: RunningTwin, path: str) -> None:
    """Monitors and caches ask for the headers alone: those of GET, and no body."""
    got, headed = twin.call("GET", path), twin.call("HEAD", path)
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert headed.headers["cache-control"] == got.headers["cache-control"]
