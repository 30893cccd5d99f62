"""Cross-origin requests: an exact list of origins, and no credentials."""

from __future__ import annotations

import pytest

from latchkey.edge import cors

APP = "https://app.example"


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack lists one origin of the web and one of a phone's web view."""
    monkeypatch.setenv("LATCHKEY_ALLOWED_ORIGINS", f"{APP}, capacitor://localhost")


@pytest.mark.parametrize("origin", [APP, "capacitor://localhost"])
def test_a_listed_origin_may_call(origin: str) -> None:
    """The response repeats the origin and names what it may send."""
    headers = {"origin": origin}
    assert cors.answer_headers(headers)["Access-Control-Allow-Origin"] == origin
    assert "Authorization" in cors.preflight_headers(headers)["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://app.example",
        f"{APP}.evil.example",
        "https://evil-app.example",
        f"{APP}:8443",
        "",
    ],
)
def test_any_other_origin_is_not_named(origin: str) -> None:
    """A similar name, http in place of https, null: none gets a header that would let it read."""
    headers = {"Origin": origin}
    assert cors.answer_headers(headers) == {"Vary": "Origin"}
    assert cors.preflight_headers(headers) == {}


def test_what_clients_and_tracing_libraries_send_may_be_sent() -> None:
    """A browser drops the whole request for one header that the preflight does not allow."""
    allowed = cors.preflight_headers({"Origin": APP})["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-api-key", "idempotency-key", "dpop"} <= set(allowed)
    assert {"traceparent", "tracestate", "baggage", "sentry-trace", "b3", "x-datadog-trace-id"} <= set(allowed)


def test_a_stack_may_allow_more_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own pages may send headers that the service ignores."""
    monkeypatch.setenv("LATCHKEY_ALLOWED_HEADERS", "X-Shop-Version,X-Shop-Build")
    cors.allowed_headers.cache_clear()
    allowed = cors.preflight_headers({"Origin": APP})["Access-Control-Allow-Headers"].split(", ")
    cors.allowed_headers.cache_clear()
    assert allowed[-2:] == ["X-Shop-Version", "X-Shop-Build"]


def test_a_page_may_read_when_to_come_back_and_why_it_was_refused() -> None:
    """A page reads only the headers that are exposed (Fetch, section 3.3.2)."""
    exposed = cors.answer_headers({"Origin": APP})["Access-Control-Expose-Headers"].split(", ")
    assert {"Retry-After", "WWW-Authenticate", "X-Request-Id"} <= set(exposed)


def test_credentials_are_never_allowed() -> None:
    """Tokens travel in a header, so no cookie is ever needed."""
    every = cors.answer_headers({"Origin": APP}) | cors.preflight_headers({"Origin": APP})
    assert "Access-Control-Allow-Credentials" not in every


def test_a_stack_without_origins_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default no page of another origin can read a response."""
    monkeypatch.delenv("LATCHKEY_ALLOWED_ORIGINS")
    cors.allowed_origins.cache_clear()
    assert cors.answer_headers({"Origin": APP}) == {}
