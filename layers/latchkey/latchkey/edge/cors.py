"""Cross-origin requests: an exact list of origins, and never credentials, since tokens travel in a header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from latchkey.edge.settings import Environment

_HEADERS = "Authorization, Content-Type, X-API-Key, Idempotency-Key, DPoP, traceparent, baggage, sentry-trace"
"""Headers that a page may send: those that routes read, and those that tracing libraries add to each request."""

_EXPOSED = "WWW-Authenticate, Retry-After, X-Request-Id"
"""Headers of a response that a page may read."""

PREFLIGHT_AGE = 600
"""Seconds for which a browser may remember that a request is allowed."""


@cache
def allowed_origins() -> frozenset[str]:
    """Return the origins that the stack names; none by default."""
    return frozenset(Environment(os.environ).words("LATCHKEY_ALLOWED_ORIGINS"))


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
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_AGE),
    }


def _origin(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "origin"), "")
