"""The signing policy in operation: keys change under traffic without a rejected token, and a reset revokes keys."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.accounts import bearer, person, refresh, sign_in
from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.signing_admin import ROUTE, SigningAdmin, confirmed, done
from tests.e2e.tokens import claims, kid
from tests.e2e.traffic import Traffic

JWKS_AGE, POLICY_AGE, AUTHORIZER_CACHE = 1, 1, 2
"""Seconds: the twin's own caches, and the one of the authorizer's answers that is asked for below."""

PUBLISH_LEAD = 3 * POLICY_AGE + JWKS_AGE
"""Seconds between the making of a key and its first signature: it is staged, published, and then every cache ends."""

SLACK = 0.5
"""Seconds by which a busy machine may be late."""

_SPREAD = 0.05

ROUTES: dict[str, tuple[str, str, object]] = {
    "show": ("GET", "", None),
    "change": ("PATCH", "", {"access_ttl": 600}),
    "rotate": ("POST", "/rotate", {}),
    "reset": ("POST", "/reset", {}),
    "validation key": ("GET", "/validation-key", None),
}

PRIVATE = re.compile(rb'"(?:private|secret|refresh_keys|d|p|q|dp|dq|qi|oth|k)"|PRIVATE KEY')
"""Members that no public key has (RFC 7518 section 6), and how the policy itself names its secrets."""


@pytest.fixture(scope="module")
def signing_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin whose keys these tests change."""
    parameters = f"AuthorizerCacheSeconds={AUTHORIZER_CACHE}"
    with start_twin(tmp_path_factory.mktemp("signing-twin"), LIMITS="off", PARAMETERS=parameters) as running:
        yield running
        assert running.leaks() == []  # no token, and no confirmation, in any log line


@pytest.fixture
def slow_twin(tmp_path: Path) -> Iterator[RunningTwin]:
    """A twin where a new key waits for a minute, so that after one rotation the next is decided but not carried out."""
    with start_twin(tmp_path, PARAMETERS="JwksMaxAgeSeconds=60 Algorithm=ES256") as running:
        yield running


def hello(twin: RunningTwin, token: str) -> int:
    """Return the status of a protected route."""
    return twin.call("GET", "/v1/hello", headers=bearer(token)).status


# ---- keys change under traffic ---------------------------------------------------------------------------------------


def test_no_token_is_refused_while_keys_change(signing_twin: RunningTwin) -> None:
    """Two rotations, to ES256 and back, under traffic: not one 401, though all five keys sign and are used.

    A token minted before each of the changes outlives them all, and no key signs before every cache must have it.
    """
    operator = SigningAdmin.of(signing_twin)
    to_es256, to_rs256 = (partial(operator.switch, name) for name in ("ES256", "RS256"))
    keepsakes = []
    with Traffic(signing_twin) as traffic:
        for change in (operator.signer, operator.rotate, operator.rotate, to_es256, to_rs256):
            traffic.await_use_of(change())
            keepsakes.append(operator.me.tokens["access_token"])
    refused = traffic.refused()
    print(f"{traffic.uses.total()} requests, {len(traffic.kids)} keys, {sum(refused.values())} refused")  # noqa: T201 - for -s
    assert refused == {}
    assert len(traffic.kids) == 5
    assert {kid(token) for token in keepsakes} == traffic.kids
    keys = {key["kid"]: key for key in operator.policy()["keys"]}
    assert [each for each, began in traffic.began.items() if began < keys[each]["activates_at"]] == []
    heirs = [keys[each] for each in traffic.kids - {kid(keepsakes[0])}]
    assert min(heir["activates_at"] - heir["published_at"] for heir in heirs) >= PUBLISH_LEAD
    assert [hello(signing_twin, token) for token in keepsakes] == [200] * 5


def test_ten_rotations_at_once_make_one_key(slow_twin: RunningTwin) -> None:
    """One 200; the others are 409, or 200 with the very same policy; one new kid, one new version."""
    operator = SigningAdmin.of(slow_twin)
    before, published = done(operator.ask("POST", "/rotate")), operator.published()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: operator.ask("POST", "/rotate"), range(10)))
    after = operator.policy()
    losers = [answer.json.get("code") for answer in answers if answer.status != 200]
    print(f"{len(answers) - len(losers)} times 200, {len(losers)} times 409")  # noqa: T201 - for -s
    assert set(losers) <= {"conflict"}
    assert [answer.json for answer in answers if answer.status == 200] == [after] * (10 - len(losers))
    assert len(losers) < 10
    assert after["version"] == before["version"] + 1
    assert len(operator.published() - published) == 1
    assert [key["state"] for key in after["keys"]].count("current") == 1


# ---- settings --------------------------------------------------------------------------------------------------------


def test_a_shorter_life_is_for_new_tokens_only(signing_twin: RunningTwin) -> None:
    """New tokens have the shorter life once the functions' caches end. Tokens already issued keep theirs."""
    operator, someone = SigningAdmin.of(signing_twin), person(signing_twin)
    earlier = someone.tokens
    shorter = earlier["expires_in"] - 100
    done(operator.ask("PATCH", json={"access_ttl": shorter}))
    time.sleep(POLICY_AGE)
    later = someone.refresh()
    told = [(each["expires_in"], lifetime(each["access_token"])) for each in (earlier, later)]
    assert told == [(shorter + 100, shorter + 100), (shorter, shorter)]
    assert hello(signing_twin, earlier["access_token"]) == 200


def lifetime(token: str) -> int:
    """Return the seconds from a token's birth to its death."""
    return int(claims(token)["exp"] - claims(token)["iat"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"algorithm": "HS256"}, "algorithm"),
        ({"access_ttl": 59}, "access_ttl"),
        ({"access_ttl": 3601}, "access_ttl"),
        ({"refresh_ttl": 3600, "refresh_idle_ttl": 3601}, "refresh_idle_ttl"),
    ],
)
def test_an_unacceptable_setting_changes_nothing(twin: RunningTwin, change: dict[str, object], field: str) -> None:
    """422 naming the member; a shared secret is one, unless the stack allows it."""
    operator = SigningAdmin.of(twin)
    before = operator.policy()
    answer = operator.ask("PATCH", json=change)
    assert (answer.status, answer.json["code"], answer.json["errors"][0]["field"]) == (422, "validation_failed", field)
    assert operator.policy() == before


@pytest.mark.parametrize("body", [{}, {"algorithm": "none"}, {"access_ttl": "900"}, {"keys": []}])
def test_a_malformed_change_is_a_400(twin: RunningTwin, body: dict[str, object]) -> None:
    """Nothing, an unknown algorithm, a text for a number, an unknown member."""
    assert SigningAdmin.of(twin).ask("PATCH", json=body).status == 400


# ---- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTES)
def test_only_an_admin_operates_the_signing_policy(twin: RunningTwin, name: str) -> None:
    """A person, a service and a client get 403, a request without a token gets 401, and nothing has changed."""
    method, path, body = ROUTES[name]
    before = SigningAdmin.of(twin).policy()
    headers = [person(twin).bearer, bearer(service_token(twin)), bearer(client_token(twin)), {}]
    answers = [twin.call(method, ROUTE + path, json=body, headers=each) for each in headers]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [(403, "forbidden")] * 3 + [
        (401, "invalid_token")
    ]
    assert SigningAdmin.of(twin).policy() == before


def service_token(twin: RunningTwin) -> str:
    """Return the access token of the seeded service."""
    return str(done(twin.call("POST", "/v1/auth/token", headers={"X-API-Key": twin.dev["api_key"]}))["access_token"])


def client_token(twin: RunningTwin) -> str:
    """Return the access token of the seeded worker."""
    worker = twin.dev["clients"][2]
    credentials = {name: worker[name] for name in ("client_id", "client_secret")}
    return str(
        done(twin.call("POST", "/oauth2/token", form=credentials | {"grant_type": "client_credentials"}))[
            "access_token"
        ]
    )


# ---- reset -----------------------------------------------------------------------------------------------------------


def test_after_a_reset_old_tokens_die_within_the_stated_bound(signing_twin: RunningTwin) -> None:
    """The bound is in the first response: the age of our JWKS plus the age of the gateway's cache."""
    operator, someone = SigningAdmin.of(signing_twin), person(signing_twin)
    old = [someone.refresh()["access_token"] for _ in range(60)]
    asked = operator.ask("POST", "/reset", {})
    stated = asked.json["impact"]["verifiers_notice_within"]
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        accepted_at = pool.submit(show, signing_twin, old, over)
        done(operator.ask("POST", "/reset", confirmed(asked)))
        reset_at = time.monotonic()
        time.sleep(stated + SLACK)
        over.set()
    longest = max(accepted_at.result()) - reset_at
    print(f"old tokens were taken for {longest:.2f} s of the {stated} s stated")  # noqa: T201 - for -s
    assert stated == JWKS_AGE + AUTHORIZER_CACHE
    assert 0 < longest <= stated
    assert [hello(signing_twin, token) for token in old] == [401] * len(old)


def show(twin: RunningTwin, tokens: list[str], over: threading.Event) -> list[float]:
    """Show tokens until it is over; return when one was shown that was let through.

    They come into the gateway's cache one after another, so that one of them comes at the worst moment.
    """
    accepted_at, began = [], time.monotonic()
    while not over.is_set():
        for token in tokens[: 1 + int((time.monotonic() - began) / _SPREAD)]:
            shown_at = time.monotonic()
            if hello(twin, token) == 200:
                accepted_at.append(shown_at)
    return accepted_at


def test_after_a_reset_sessions_go_on(signing_twin: RunningTwin) -> None:
    """Once the caches have the new keys, a refresh returns an access token that works. The old keys are gone."""
    operator, someone = SigningAdmin.of(signing_twin), person(signing_twin)
    revoked = operator.published()
    operator.reset()
    reset_at = time.monotonic()
    while kid(token := someone.refresh()["access_token"]) in revoked or hello(signing_twin, token) != 200:
        assert time.monotonic() - reset_at < POLICY_AGE + JWKS_AGE + SLACK
    print(f"a new token was taken after {time.monotonic() - reset_at:.2f} s")  # noqa: T201 - for -s
    assert not SigningAdmin.of(signing_twin).published() & revoked


def test_a_reset_may_end_every_session(signing_twin: RunningTwin) -> None:
    """With `end_sessions` no refresh token works any more, and a password still does."""
    someone = person(signing_twin)
    SigningAdmin.of(signing_twin).reset(end_sessions=True)
    time.sleep(POLICY_AGE)
    answer = refresh(signing_twin, someone.tokens["refresh_token"])
    assert (answer.status, answer.json["code"]) == (401, "invalid_grant")
    assert hello(signing_twin, sign_in(signing_twin, someone.login).tokens["access_token"]) == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "confirmation_required"),
        ({"understood": True}, "confirmation_required"),
        ({"confirmation_token": "never given"}, "confirmation_required"),
        ({"confirmation_token": "never given", "understood": True}, "confirmation_failed"),
    ],
)
def test_a_reset_that_is_not_confirmed_changes_nothing(twin: RunningTwin, body: dict[str, object], code: str) -> None:
    """A reset needs the code of the first response and an explicit confirmation."""
    operator = SigningAdmin.of(twin)
    before = operator.policy()
    answer = operator.ask("POST", "/reset", body)
    assert (answer.status, answer.json["code"]) == (409, code)
    assert operator.policy() == before


# ---- what goes out ---------------------------------------------------------------------------------------------------


def test_no_answer_holds_a_private_member(signing_twin: RunningTwin) -> None:
    """The admin's responses and the public documents hold no private member."""
    operator = SigningAdmin.of(signing_twin)
    answers = [operator.ask(method, path, body) for method, path, body in ROUTES.values()]
    answers += [signing_twin.call("GET", f"/.well-known/{name}") for name in ("jwks.json", "openid-configuration")]
    answers += [operator.ask("POST", "/reset", confirmed(answer)) for answer in answers if answer.status == 409]
    assert [answer.status for answer in answers] == [200, 200, 200, 409, 200, 200, 200, 200]
    assert [answer.body for answer in answers if PRIVATE.search(answer.body)] == []
