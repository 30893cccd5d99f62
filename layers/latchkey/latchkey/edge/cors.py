"""Cross-origin requests: an exact list of origins, and never credentials, since tokens travel in a header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from latchkey.edge.settings import Environment

_READ = ("Authorization", "Content-Type", "X-API-Key", "Idempotency-Key", "DPoP")
"""Headers that routes read."""

_TRACING = (
    *("traceparent", "tracestate", "baggage", "sentry-trace"),  # W3C Trace Context and Baggage, Sentry
    *("b3", "X-B3-TraceId", "X-B3-SpanId", "X-B3-ParentSpanId", "X-B3-Sampled", "X-B3-Flags"),  # Zipkin
    *("X-Amzn-Trace-Id", "X-Cloud-Trace-Context", "Request-Id", "X-Request-Id", "X-Correlation-Id", "newrelic"),
    *("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-origin", "x-datadog-sampling-priority"),
)
"""Headers that tracing libraries add to each request. A browser drops a request for one that is not allowed."""

_EXPOSED = "WWW-Authenticate, Retry-After, X-Request-Id"
"""Headers of a response that a page may read."""

PREFLIGHT_AGE = 600
"""Seconds for which a browser may remember that a request is allowed."""


@cache
def allowed_origins() -> frozenset[str]:
    """Return the origins that the stack names; none by default."""
    return frozenset(Environment(os.environ).words("LATCHKEY_ALLOWED_ORIGINS"))


@cache
def allowed_headers() -> tuple[str, ...]:
    """Return the further headers of requests that the stack names; none by default."""
    return Environment(os.environ).words("LATCHKEY_ALLOWED_HEADERS")


def answer_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that let a listed origin read the response. `Vary` is always there (Fetch, section 3.3)."""
    if not allowed_origins():
        return {}
    origin = _origin(headers)
    if origin not in allowed_origins():
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}


def preflight_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer a preflight request of a listed origin, and none for any other."""
    if _origin(headers) not in allowed_origins():
        return {}
    return {
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": ", ".join((*_READ, *_TRACING, *allowed_headers())),
        "Access-Control-Max-Age": str(PREFLIGHT_AGE),
    }


def _origin(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "origin"), "")
