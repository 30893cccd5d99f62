"""Cursors of paged lists: where to go on, sealed, so that no one reads it or makes one of their own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from latchkey.core.errors import ServiceError, invalid_field
from latchkey.core.policy import SealSource
from latchkey.signing.sealing import BadSeal, UnknownSealKey

_PURPOSE = "cursor"


def seal(position: Mapping[str, str], context: str, seals: SealSource) -> str:
    """Return the cursor of a position, good for `context` alone: the route and the caller."""
    content = json.dumps(dict(position), separators=(",", ":")).encode()
    return seals.seal_keys().seal(_PURPOSE, context, content, secrets.token_bytes)


def open_(text: str, context: str, seals: SealSource) -> dict[str, str]:
    """Return the position that a cursor of this context holds; raise `INVALID_REQUEST` for any other text."""
    try:
        content = _opened(text, context, seals)
    except BadSeal:
        raise _bad_cursor() from None
    return {name: str(value) for name, value in json.loads(content).items()}


def _opened(text: str, context: str, seals: SealSource) -> bytes:
    try:
        return seals.seal_keys().open(_PURPOSE, context, text)
    except UnknownSealKey:  # another instance may have read newer keys
        return seals.reread_seal_keys().open(_PURPOSE, context, text)


def _bad_cursor() -> ServiceError:
    return invalid_field("cursor", "bad_cursor", "This cursor does not belong to this list.")
