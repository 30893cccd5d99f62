"""`POST /v1/auth/validate`: services that hold no key ask whether a token is good."""

from __future__ import annotations

import pytest

from tests.e2e.accounts import Person, person
from tests.e2e.client import Response, RunningTwin
from tests.e2e.signing_admin import done


def validate(twin: RunningTwin, token: object) -> Response:
    """Ask whether a token is good."""
    return twin.call("POST", "/v1/auth/validate", json={"token": token})


def test_good_token_is_a_204(twin: RunningTwin) -> None:
    """A person's token and a service's; there is no body, and nothing to cache."""
    service = done(twin.call("POST", "/v1/auth/token", headers={"X-API-Key": twin.dev["api_key"]}))
    answers = [validate(twin, tokens["access_token"]) for tokens in (person(twin).tokens, service)]
    assert [(answer.status, answer.body, answer.headers["cache-control"]) for answer in answers] == [
        (204, b"", "no-store")
    ] * 2


@pytest.mark.parametrize("part", [0, 1, 2])
def test_token_that_was_touched_is_a_401(twin: RunningTwin, part: int) -> None:
    """One character of header, claims or signature."""
    parts = person(twin).tokens["access_token"].split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    assert validate(twin, ".".join(parts)).status == 401


@pytest.mark.parametrize("name", ["refresh token", "API key", "text", "dots", "long", "too long"])
def test_what_is_no_access_token_is_a_401(twin: RunningTwin, name: str) -> None:
    """A problem document says no more than that."""
    texts = {
        "refresh token": person(twin).tokens["refresh_token"],
        "API key": twin.dev["api_key"],
        "text": "x",
        "dots": "..",
        "long": "x" * 8192,
        "too long": "x" * 8193,
    }
    answer = validate(twin, texts[name])
    assert (answer.status, answer.json["code"]) == (401, "invalid_token")


def log_out(someone: Person) -> Response:
    """Sign out on this device."""
    return someone.twin.call("POST", "/v1/auth/logout", headers=someone.bearer)


def test_token_of_an_ended_session_is_a_401_at_once(twin: RunningTwin) -> None:
    """The store says that the session has ended; the token itself is valid for some minutes more."""
    someone = person(twin)
    before = validate(twin, someone.tokens["access_token"])
    assert log_out(someone).status == 204
    after = validate(twin, someone.tokens["access_token"])
    assert (before.status, after.status) == (204, 401)


@pytest.mark.parametrize(
    "body",
    [{}, {"token": ""}, {"token": 1}, {"token": None}, {"token": "x", "access_token": "x"}],
    ids=["nothing", "empty", "number", "null", "unknown member"],
)
def test_malformed_question_is_a_400(twin: RunningTwin, body: dict[str, object]) -> None:
    """The member at fault is named."""
    answer = twin.call("POST", "/v1/auth/validate", json=body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["errors"][0]["field"] in {"token", "access_token"}


def test_guessing_is_slowed_down(limited_twin: RunningTwin) -> None:
    """A hundred bad tokens from one address, soon after that 429 with the seconds to wait; good ones do not count."""
    good = person(limited_twin).tokens["access_token"]
    assert {validate(limited_twin, good).status for _ in range(10)} == {204}
    answers = [validate(limited_twin, "x") for _ in range(105)]  # the first waits may pass while we are calling
    assert [answer.status for answer in answers[:100]] == [401] * 100
    assert (answers[-1].status, answers[-1].json["code"]) == (429, "rate_limited")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 10
