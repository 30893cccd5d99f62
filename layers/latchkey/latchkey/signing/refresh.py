"""Refresh tokens: `lk2.<sub>.<sid>.<generation>.<family><link>.<mac>`.

A session's tokens are a hash chain. `family` is random and the same for the whole session. The first `link` is random;
each next one is derived from the one before and a salt that the session keeps:

    link(n+1) = HMAC-SHA-256(key = link(n), sid | n+1 | salt(n+1)), cut to 128 bits

The store keeps the SHA-256 of `family` and of the present link, and the salt. So neither the table, nor the keys, nor
both together are enough to make a refresh token. That also needs a token of the same session. The MAC under a refresh
key is the gate in front. It makes a string that we never handed out cost no read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import require_strong_secret

MAX_REFRESH_TOKEN = 256
"""The longest refresh token that is looked at, in characters."""

LINK_BYTES = 16
"""The length of `family`, of a link and of a salt: 128 bits."""

_LINK_CHARACTERS = 22
_BODY = re.compile(
    r"lk2\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,9})"
    rf"\.([A-Za-z0-9_-]{{{_LINK_CHARACTERS}}})([A-Za-z0-9_-]{{{_LINK_CHARACTERS}}})"
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The content of a refresh token: its subject, its session, its generation, and its place in the chain."""

    sub: str
    sid: str
    generation: int
    family: bytes = field(repr=False)
    link: bytes = field(repr=False)

    def successor(self, salt: bytes) -> RefreshToken:
        """Return the next token of the chain, which this salt leads to."""
        link = next_link(self.link, self.sid, self.generation + 1, salt)
        return RefreshToken(self.sub, self.sid, self.generation + 1, self.family, link)


@dataclass(frozen=True, slots=True)
class RefreshKey:
    """A MAC key. It verifies until `retire_at`, in seconds since the epoch, or without end. Raises `WeakKey`.

    `max_ttl` is the longest life, in seconds, of the sessions it signed for before `refresh_ttl` was last changed.
    `unknown` holds the members that a newer release has added to the key.
    """

    key_id: str
    secret: bytes = field(repr=False)
    created_at: int = 0
    retire_at: int | None = None
    max_ttl: int = 0
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        require_strong_secret(self.secret)

    def verifies(self, now: int) -> bool:
        """Say whether the key still verifies."""
        return self.retire_at is None or now < self.retire_at


def next_link(link: bytes, sid: str, generation: int, salt: bytes) -> bytes:
    """Return the link of `generation`, which follows `link`."""
    message = f"{sid}\n{generation}\n".encode("ascii") + salt
    return hmac.digest(link, message, "sha256")[:LINK_BYTES]


def fingerprint(secret: bytes) -> str:
    """Return the hash of a family or a link that the store keeps: its SHA-256, in hex."""
    return hashlib.sha256(secret).hexdigest()


def mint_refresh(token: RefreshToken, keys: Sequence[RefreshKey]) -> str:
    """Return the token's text under the first of `keys`; raise `ValueError` for a token that cannot be spelt."""
    body = f"lk2.{token.sub}.{token.sid}.{token.generation}.{b64url_encode(token.family)}{b64url_encode(token.link)}"
    if not _BODY.fullmatch(body):
        raise ValueError("a refresh token with a malformed member")
    return f"{body}.{_mac(body, keys[0])}"


def verify_refresh(text: str, keys: Sequence[RefreshKey], now: int) -> RefreshToken:
    """Return the content of a refresh token that one of the live `keys` has signed; raise `InvalidToken` otherwise."""
    if len(text) > MAX_REFRESH_TOKEN or not text.isascii():
        raise InvalidToken("too long or not ASCII")
    body, _, mac = text.rpartition(".")
    shape = _BODY.fullmatch(body)
    if not shape:
        raise InvalidToken("malformed")
    # The texts are compared, not the octets: a MAC has one spelling. All are, so that the time tells nothing of which.
    if not sum(hmac.compare_digest(mac, _mac(body, key)) for key in keys if key.verifies(now)):
        raise WrongMac("mac is wrong")
    sub, sid, generation, family, link = shape.groups()
    return RefreshToken(sub, sid, int(generation), _read_link(family), _read_link(link))


class WrongMac(InvalidToken):
    """The text has the shape of a refresh token, but no known key has signed it."""


def _read_link(text: str) -> bytes:
    try:
        return b64url_decode(text)
    except ValueError:  # bits that no spelling of 16 bytes has
        raise InvalidToken("malformed") from None


def _mac(body: str, key: RefreshKey) -> str:
    return b64url_encode(hmac.digest(key.secret, body.encode("ascii"), "sha256"))
