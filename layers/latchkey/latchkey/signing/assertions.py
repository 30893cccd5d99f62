"""Assertions: the JWTs of partners (RFC 7523), first parsed and then proven. One of two modules that import PyJWT."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import jwt

from latchkey.signing.assertion_keys import AssertionKey
from latchkey.signing.base64url import b64url_decode
from latchkey.signing.jws import MAX_TOKEN, InvalidToken
from latchkey.signing.strict_json import StrictJsonError, integer_member, loads, string_member

MAX_AGE = 600
"""Seconds after which an assertion is too old, whatever its `exp` says."""

MAX_LIFE = 3600
"""The most seconds between `iat` and `exp`."""

LEEWAY = 30
"""Seconds that two clocks may differ."""

_NEVER = frozenset({"crit", "jwk", "jku", "x5u", "x5c"})
"""Members of a header that would change how a token is read (RFC 7515 section 4.1.11), or choose its key."""

_SEGMENTS = 3


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion in its parts. Nothing of it is proven before `prove`. `kid` is empty where it has none."""

    text: str
    alg: str
    kid: str
    claims: Mapping[str, object]

    @property
    def digest(self) -> str:
        """The SHA-256, in hex, of the signed part: a signature can be spelled in more than one way, but this cannot."""
        return hashlib.sha256(self.text.rpartition(".")[0].encode()).hexdigest()


def parse(text: str) -> Assertion:
    """Take an assertion apart; raise `InvalidToken` unless its form is the strict one.

    The header has `alg` and may have `typ`, which then is `JWT`, and `kid`. A member that brings a key, and `crit`, are
    refused (RFC 8725 sections 3.1 and 3.10), and so is a token of another type (section 3.11). Any other member, such
    as Entra's `x5t`, is ignored (RFC 7515 section 4).
    """
    if len(text) > MAX_TOKEN:
        raise InvalidToken("too_long")
    segments = text.split(".", _SEGMENTS)
    if len(segments) != _SEGMENTS or not all(segments):
        raise InvalidToken("malformed: not three segments")
    try:
        header, payload, _ = map(b64url_decode, segments)
        alg, kid = _header(loads(header))
        claims = loads(payload)
    except InvalidToken:
        raise
    except ValueError as error:
        raise InvalidToken(f"malformed: {error}") from None
    if not isinstance(claims, dict):
        raise InvalidToken("malformed: the payload is not an object")
    return Assertion(text, alg, kid, claims)


def prove(assertion: Assertion, key: AssertionKey) -> None:
    """Prove that the holder of `key` signed this; raise `InvalidToken` otherwise."""
    # The key decides the algorithm. The header must agree and cannot choose (RFC 8725 section 3.1).
    if assertion.alg != key.alg.value:
        raise InvalidToken("wrong_algorithm")
    try:
        jwt.PyJWS().decode_complete(assertion.text, key.material, [key.alg.value])
    except jwt.PyJWTError:
        raise InvalidToken("wrong_signature") from None


def require_time(claims: Mapping[str, object], *, may_lack_iat: bool, now: int) -> int:
    """Return the last second, with leeway, at which the assertion holds; raise `InvalidToken` if that is past.

    RFC 7523 section 3, points 4 to 6. Without `iat` its age is unknown, so `exp` itself must be near.
    """
    exp = _time(claims, "exp")
    if exp <= now - LEEWAY:
        raise InvalidToken("expired")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY:
        raise InvalidToken("not_valid_yet")
    if may_lack_iat and "iat" not in claims:
        if exp > now + MAX_AGE + LEEWAY:
            raise InvalidToken("life_too_long")
        return exp + LEEWAY
    return _require_age(_time(claims, "iat"), exp, now)


def _require_age(iat: int, exp: int, now: int) -> int:
    if iat > now + LEEWAY:
        raise InvalidToken("iat_in_future")
    if iat < now - MAX_AGE - LEEWAY:
        raise InvalidToken("too_old")
    if not 0 < exp - iat <= MAX_LIFE:
        raise InvalidToken("life_too_long")
    return min(exp, iat + MAX_AGE) + LEEWAY


def require_audience(claims: Mapping[str, object], audiences: AbstractSet[str]) -> None:
    """Raise `InvalidToken` unless the assertion is for one of these and no other (RFC 7523 section 3, point 3)."""
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    if len(named) != 1 or not isinstance(named[0], str) or named[0] not in audiences:
        raise InvalidToken("wrong_audience")


def _time(claims: Mapping[str, object], name: str) -> int:
    try:
        return integer_member(claims, name)
    except StrictJsonError:
        raise InvalidToken(f"bad_{name}") from None


def _header(header: object) -> tuple[str, str]:
    """Return `alg` and `kid`."""
    if not isinstance(header, dict) or not header.keys().isdisjoint(_NEVER):
        raise InvalidToken("malformed: members of the header")
    if str(header.get("typ", "JWT")).upper() != "JWT":  # a media type: case makes no difference (RFC 7515 4.1.9)
        raise InvalidToken("wrong_type")
    return string_member(header, "alg"), string_member(header, "kid") if "kid" in header else ""
