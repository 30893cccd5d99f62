"""Cursors of paged lists: the position to continue from, with a MAC, so that clients cannot make up their own."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence

from latchkey.core.errors import ServiceError, invalid_field
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.refresh import RefreshKey
from latchkey.signing.strict_json import StrictJsonError, loads

MAX_CURSOR = 1024
"""Characters of the longest cursor that is read."""

_PURPOSE = "latchkey cursor"  # no refresh token begins so: the two share their keys, and never a text


def seal(key: Mapping[str, str], context: str, keys: Sequence[RefreshKey]) -> str:
    """Return the cursor of a position. It is valid for this `context` alone: the route and the caller."""
    body = b64url_encode(json.dumps(dict(key), separators=(",", ":")).encode())
    return f"{body}.{_mac(body, context, keys[0])}"


def open_(text: str, context: str, keys: Sequence[RefreshKey]) -> dict[str, str]:
    """Return the position in a cursor of this context. Raises `INVALID_REQUEST` for any other text."""
    body, _, mac = text.partition(".")
    if len(text) > MAX_CURSOR or not text.isascii():
        raise _bad_cursor()
    if not sum(hmac.compare_digest(mac, _mac(body, context, key)) for key in keys):
        raise _bad_cursor()
    try:
        position = loads(b64url_decode(body))
    except (ValueError, StrictJsonError):
        raise _bad_cursor() from None
    if not isinstance(position, dict):
        raise _bad_cursor()
    return {name: str(value) for name, value in position.items()}


def _mac(body: str, context: str, key: RefreshKey) -> str:
    text = f"{_PURPOSE}\n{context}\n{body}"
    return b64url_encode(hmac.digest(key.secret, text.encode(), "sha256"))


def _bad_cursor() -> ServiceError:
    return invalid_field("cursor", "bad_cursor", "This cursor does not belong to this list.")
