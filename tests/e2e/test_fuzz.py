"""Fuzzed requests to every route: whatever comes, the answer is no 5xx.

`FUZZ=10000` sends that many instead of a few, and `FUZZ_SEED` repeats a run.
"""

from __future__ import annotations

import http.client
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.accounts import PASSWORD, admin, new_login, person
from tests.e2e.client import RunningTwin, start_twin
from tests.routes import declared

COUNT = int(os.environ.get("FUZZ", "600"))
SEED = int(os.environ.get("FUZZ_SEED", "7"))
ROUND = 50
"""Requests between two sign-ins."""

SERVER_ERROR = 500
DEEPEST = 3
"""Levels of lists and objects in a body: enough for the keys of a partner and the users of an import."""

ROUTES = sorted(declared())
MEMBERS = [
    *("login", "username", "email", "password", "current_password", "passwordRepeat", "name", "locale", "source"),
    *("device", "token", "refresh_token", "code", "flow", "sessions", "roles", "scopes", "status", "client_id"),
    *("client_secret", "kind", "grants", "redirect_uris", "expires_at", "overlap_seconds", "issuer", "profile", "keys"),
    *("pem", "jwk", "alg", "kid", "algorithm", "access_ttl", "refresh_ttl", "confirmation_token", "understood"),
    *("end_sessions", "users", "dry_run", "grant_type", "assertion", "scope", "issuer_id", "externalAccessToken"),
    *("token_type_hint", "permissions", "first_party", "managed", "role_map", "audience", "jwks_uri", "algorithms"),
]
TEXTS = [
    *(
        "",
        " ",
        "\x00",
        "\x85",
        "\ud800",
        "\u202e",
        "\ufeff",
        "İ",
        "ß",
        "\uff21@\uff42.example",
        "a@b",
        "a" * 1025,
        "9" * 400,
    ),
    *("usr_x", "cli_app", "lk_" + "a" * 86, "lk2.a.b.0.c.d", "lkc_x", "a.b.c", "e30.e30.AAAA", "../../x", "%00", "{}"),
    *("null", "-1", "NaN", "all", "current", "active", "service", "admin", "https://a.example", "http://[::1]:99999"),
    *("client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer", "$2b$12$x", "RS256"),
    *("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "com.example:/x", "*", "a b", "\r\nX: y"),
]
TYPES = [
    *("application/json", "application/json; charset=x", "application/x-www-form-urlencoded", "text/plain", ""),
    *("application/JSON;", ";", "multipart/form-data; boundary=x"),
]
HEADERS = [
    *("Idempotency-Key", "Origin", "Accept", "X-Forwarded-For", "DPoP", "traceparent", "If-None-Match", "X-API-Key"),
]
GOOD: dict[str, dict[str, Any]] = {
    "POST /v1/user": {"login": "", "password": PASSWORD, "name": "Ann", "locale": "en-US", "source": "web"},
    "POST /v1/auth/login": {"login": "admin@example.com", "password": PASSWORD, "device": "Phone"},
    "POST /v1/user/confirm": {"flow": "drf_a.b", "code": "123456"},
    "POST /v1/user/password/reset": {"token": "lkc_x", "password": PASSWORD, "passwordRepeat": PASSWORD},
    "POST /v1/user/password/change": {"current_password": PASSWORD, "password": PASSWORD},
    "POST /v1/user/email/change": {"email": "new@example.com", "current_password": PASSWORD},
    "PATCH /v1/auth/me": {"name": "Ann", "locale": "ru"},
    "POST /v1/auth/me/links": {"token": "a.b.c", "current_password": PASSWORD},
    "POST /oauth2/token": {"grant_type": "refresh_token", "refresh_token": "lk2.a.b.0.c.d", "client_id": "cli_app"},
    "POST /oauth2/revoke": {"token": "lk2.a.b.0.c.d", "token_type_hint": "refresh_token", "client_id": "cli_app"},
    "POST /v1/auth/logout": {"refresh_token": "lk2.a.b.0.c.d", "sessions": "all"},
    "POST /v1/admin/users": {"login": "", "password": PASSWORD, "roles": ["user"]},
    "PATCH /v1/admin/users/{sub}": {"roles": ["user"], "status": "disabled"},
    "POST /v1/admin/users/import": {"users": [{"login": "a@example.com", "password_hash": "$2b$12$x", "roles": []}]},
    "PUT /v1/admin/roles/{name}": {"permissions": ["users:read"]},
    "PUT /v1/admin/customer-roles": {"roles": ["user"]},
    "POST /v1/admin/clients": {"kind": "confidential", "name": "A", "grants": ["client_credentials"], "scopes": []},
    "POST /v1/admin/api-keys": {"client_id": "cli_app", "name": "n", "roles": [], "scopes": [], "expires_at": None},
    "POST /v1/admin/partners": {"name": "P", "issuer": "https://p.example", "keys": [], "audience": "latchkey"},
    "PATCH /v1/admin/signing": {"access_ttl": 900, "refresh_ttl": 7776000},
}
"""Bodies that their routes take, or nearly. Each request changes a few of their members."""


class Fuzzer:
    """Makes requests out of known routes, members and texts. `tokens` and `credentials` are good ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self.tokens: list[str] = []
        self.credentials: list[dict[str, str]] = [{}]

    def request(self, route: str) -> tuple[str, str, bytes, dict[str, str]]:
        """Return method, target, body and headers of one request for a route."""
        method, _, path = route.partition(" ")
        if self._one_in(20):
            method = self._random.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
        kind = self._random.choice([TYPES[0], TYPES[0], TYPES[0], TYPES[2], self._random.choice(TYPES)])
        body = b"" if method in {"GET", "HEAD"} and not self._one_in(10) else self._body(kind, GOOD.get(route, {}))
        headers = {"Content-Type": kind} | self._random.choice(self.credentials)
        if self._one_in(4):
            headers[self._random.choice([*HEADERS, "Authorization"])] = self._header()
        return method, self._path(path) + self._query(), body, headers

    def _path(self, path: str) -> str:
        parts = [
            quote(self._text().encode("utf-8", "surrogatepass")) if "{" in each else each for each in path.split("/")
        ]
        if self._one_in(30):
            parts[self._random.randrange(1, len(parts))] = self._quoted()
        return "/".join(parts) or "/"

    def _query(self) -> str:
        if not self._one_in(5):
            return ""
        names = ["limit", "cursor", "day", "user", "client_id", "echo", "alg", self._random.choice(MEMBERS)]
        pairs = [f"{self._random.choice(names)}={self._quoted()}" for _ in range(2)]
        return "?" + self._random.choice(["&".join(pairs), pairs[0], "%", "&&=", "a=%ff"])

    def _body(self, kind: str, good: dict[str, Any]) -> bytes:
        if self._one_in(12):
            return self._random.randbytes(self._random.choice([1, 7, 300, 17_000]))
        members = self._members(good)
        if "form" in kind:
            pairs = [f"{name}={quote(str(value).encode('utf-8', 'surrogatepass'))}" for name, value in members.items()]
            return "&".join(pairs).encode()
        text = json.dumps(self._value() if self._one_in(15) else members).encode()
        return text[: self._random.randrange(len(text))] if self._one_in(15) else text

    def _members(self, good: dict[str, Any]) -> dict[str, Any]:
        if not good or self._one_in(3):
            return {self._random.choice(MEMBERS): self._value() for _ in range(self._random.randrange(6))}
        changed = {self._random.choice([*good]): self._value() for _ in range(self._random.randrange(3))}
        return {name: value or new_login() for name, value in good.items()} | changed

    def _value(self, depth: int = 0) -> Any:
        makers: list[Callable[[], Any]] = [
            self._text,
            self._text,
            lambda: self._random.choice([None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, float("nan"), 1e308]),
        ]
        if depth < DEEPEST:
            makers += [
                lambda: [self._value(depth + 1) for _ in range(self._random.randrange(4))],
                lambda: {self._random.choice(MEMBERS): self._value(depth + 1) for _ in range(3)},
            ]
        return self._random.choice(makers)()

    def _quoted(self) -> str:
        return quote(self._text().encode("utf-8", "surrogatepass"))

    def _text(self) -> str:
        texts = [self._random.choice(TEXTS), self._random.choice(self.tokens), new_login(), PASSWORD]
        return self._random.choice(texts)

    def _header(self) -> str:
        text = self._random.choice(["", "Bearer ", "Basic ", "bearer  "]) + self._text()
        return text.encode("latin-1", "replace").decode("latin-1").translate(dict.fromkeys([0, 10, 13], "?"))

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0


@pytest.fixture(scope="module")
def fuzzed_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin of its own, since the requests change it."""
    with start_twin(tmp_path_factory.mktemp("fuzzed-twin"), LIMITS="off") as running:
        yield running


def sign_in(twin: RunningTwin, fuzzer: Fuzzer) -> None:
    """Give the fuzzer tokens that are good, since its requests may have ended the sessions of the last ones."""
    someone, boss, key = person(twin), admin(twin), twin.dev["api_key"]
    fuzzer.tokens = [*map(str, (*someone.tokens.values(), *boss.tokens.values())), key]
    fuzzer.credentials = [{}, someone.bearer, boss.bearer, boss.bearer, {"X-API-Key": key}]


def statuses(twin: RunningTwin, fuzzer: Fuzzer) -> tuple[Counter[int], list[Mapping[str, object]]]:
    """Send the requests, each route in turn; return how often each status came, and the requests that got a 5xx."""
    address = urlsplit(twin.address)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    seen: Counter[int] = Counter()
    failed: list[Mapping[str, object]] = []
    for number in range(COUNT):
        if number % ROUND == 0:
            sign_in(twin, fuzzer)
        method, target, body, headers = fuzzer.request(ROUTES[number % len(ROUTES)])
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        seen[answer.status] += 1
        if answer.status >= SERVER_ERROR:
            failed.append({"method": method, "target": target, "body": body, "headers": headers, "answer": text})
    connection.close()
    return seen, failed


def test_no_request_makes_the_service_fail(fuzzed_twin: RunningTwin) -> None:
    """Every answer is the caller's fault, or none: a 5xx would hide a fault of ours."""
    seen, failed = statuses(fuzzed_twin, Fuzzer(SEED))
    print(f"{seen.total()} requests: {sorted(seen.items())}")  # noqa: T201 - the figure of a long run
    assert failed == []
    assert {200, 400, 401, 404} <= seen.keys()  # the requests reach the functions, and some are good
