"""Refresh tokens: `lk1.<sub>.<sid>.<generation>.<mac>`.

The MAC makes a forged string cost no read, and nothing of a token is stored, so a dump of the table mints nothing.
Whether the generation is still good is the session's to say.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from latchkey.signing.base64url import b64url_encode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import require_strong_secret

MAX_REFRESH_TOKEN = 256
"""The longest refresh token that is looked at, in characters."""

_BODY = re.compile(r"lk1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token says: whose, of which session, made at which generation."""

    sub: str
    sid: str
    generation: int


@dataclass(frozen=True, slots=True)
class RefreshKey:
    """A MAC key. It verifies until `retire_at`, in seconds since the epoch, or without end. Raises `WeakKey`.

    `max_ttl` is the longest life, in seconds, of the sessions it signed for before `refresh_ttl` was last changed.
    `unknown` holds what a newer release says of the key.
    """

    key_id: str
    secret: bytes = field(repr=False)
    created_at: int = 0
    retire_at: int | None = None
    max_ttl: int = 0
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        require_strong_secret(self.secret)


def mint_refresh(token: RefreshToken, keys: Sequence[RefreshKey]) -> str:
    """Return the token's text under the first of `keys`; raise `ValueError` for a token that cannot be spelt."""
    body = f"lk1.{token.sub}.{token.sid}.{token.generation}"
    if not _BODY.fullmatch(body):
        raise ValueError("a refresh token with a malformed member")
    return f"{body}.{_mac(body, keys[0])}"


def verify_refresh(text: str, keys: Sequence[RefreshKey]) -> RefreshToken:
    """Return what a refresh token proves under any of `keys`; raise `InvalidToken` otherwise."""
    if len(text) > MAX_REFRESH_TOKEN or not text.isascii():
        raise InvalidToken("too long or not ASCII")
    body, _, mac = text.rpartition(".")
    shape = _BODY.fullmatch(body)
    if not shape:
        raise InvalidToken("malformed")
    # The texts are compared, not the octets: a MAC has one spelling. All are, so that the time tells nothing of which.
    if not sum(hmac.compare_digest(mac, _mac(body, key)) for key in keys):
        raise InvalidToken("mac is wrong")
    sub, sid, generation = shape.groups()
    return RefreshToken(sub, sid, int(generation))


def _mac(body: str, key: RefreshKey) -> str:
    return b64url_encode(hmac.digest(key.secret, body.encode("ascii"), "sha256"))
