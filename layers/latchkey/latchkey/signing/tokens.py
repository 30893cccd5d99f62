"""Access tokens: the claims (RFC 9068) and the proof. Imports no more than an authorizer needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass

from latchkey.signing import jws
from latchkey.signing.jws import InvalidToken, Jws
from latchkey.signing.keys import VerificationKey
from latchkey.signing.strict_json import StrictJsonError, integer_member, loads, string_member

TYP = "at+jwt"
"""The type of an access token, so that no other kind of token is accepted as one (RFC 9068 section 2.1)."""

MAX_LEEWAY = 30
"""Seconds that two clocks may differ."""

MAX_TTL = 86_400
"""The longest life, in seconds, of an access token that verifies. Policies of older releases allowed it; a policy now
allows an hour."""

_SUBJECT_PREFIXES = ("usr_", "cli_")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The claims of an access token. Times are in seconds since the epoch; `scope` may be empty.

    `sid`, `roles`, `auth_time` and `amr` are there for sessions, `org` for a partner's users.
    `permissions` are those that the names of the roles do not imply: those of the stack's own roles.
    """

    iss: str
    sub: str
    aud: str
    client_id: str
    iat: int
    exp: int
    jti: str
    scope: str
    sid: str | None = None
    roles: tuple[str, ...] = ()
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    org: str | None = None
    permissions: tuple[str, ...] = ()

    @classmethod
    def from_payload(cls, payload: Mapping[str, object]) -> AccessClaims:
        """Return the claims of a payload; raise `InvalidToken` unless each is there and of its type.

        Claims that are not ours are ignored (RFC 7519 section 4); an audience is one string, never a list.
        """
        try:
            claims = _read(payload)
        except StrictJsonError as error:
            raise InvalidToken(f"claim: {error.member}") from None
        if not claims.sub.startswith(_SUBJECT_PREFIXES):
            raise InvalidToken("sub is neither a user's nor a client's")
        if not 0 < claims.exp - claims.iat <= MAX_TTL:
            raise InvalidToken("exp is not within a day of iat")
        return claims

    def to_payload(self) -> dict[str, object]:
        """Return the claims as a JSON object, without the absent ones."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ()}


def verify(  # noqa: PLR0913 - every expectation has a name
    token: str,
    *,
    find_key: Callable[[str], VerificationKey | None],
    issuers: AbstractSet[str],
    audiences: AbstractSet[str],
    now: int,
    leeway: int = MAX_LEEWAY,
) -> AccessClaims:
    """Return the proven claims of an access token (RFC 9068 section 4); raise `InvalidToken` otherwise.

    `find_key` looks a `kid` up, exactly. `issuers` and `audiences` are those accepted at `now`. `leeway` is in seconds,
    30 at most.
    """
    signed = parse(token)
    key = find_key(signed.kid)
    if key is None:
        raise InvalidToken("kid is unknown")
    return prove(signed, key, issuers=issuers, audiences=audiences, now=now, leeway=leeway)


def parse(token: str) -> Jws:
    """Take an access token apart; nothing of it is proven. Raises `InvalidToken`."""
    return jws.parse(token, typ=TYP)


def prove(  # noqa: PLR0913 - every expectation has a name
    signed: Jws,
    key: VerificationKey,
    *,
    issuers: AbstractSet[str],
    audiences: AbstractSet[str],
    now: int,
    leeway: int = MAX_LEEWAY,
) -> AccessClaims:
    """Return the proven claims of a parsed access token, as `verify` does. The caller has found the key."""
    if not 0 <= leeway <= MAX_LEEWAY:
        raise ValueError("leeway must be 0 to 30 seconds")
    jws.verify(signed, key)
    payload = _payload(signed.payload)
    claims = AccessClaims.from_payload(payload)
    if claims.iss not in issuers or claims.aud not in audiences:
        raise InvalidToken("iss or aud is another")
    _require_time(payload, claims, now, leeway)
    _require_bearer(payload)
    return claims


def _payload(data: bytes) -> dict[str, object]:
    try:
        payload = loads(data)
    except StrictJsonError as error:
        raise InvalidToken(f"payload: {error.code}") from None
    if not isinstance(payload, dict):
        raise InvalidToken("payload is not an object")
    return payload


def _read(payload: Mapping[str, object]) -> AccessClaims:
    return AccessClaims(
        iss=string_member(payload, "iss"),
        sub=string_member(payload, "sub"),
        aud=string_member(payload, "aud"),
        client_id=string_member(payload, "client_id"),
        iat=integer_member(payload, "iat"),
        exp=integer_member(payload, "exp"),
        jti=string_member(payload, "jti"),
        scope=_scope(payload),
        sid=string_member(payload, "sid") if "sid" in payload else None,
        roles=_strings(payload, "roles"),
        auth_time=integer_member(payload, "auth_time") if "auth_time" in payload else None,
        amr=_strings(payload, "amr"),
        org=string_member(payload, "org") if "org" in payload else None,
        permissions=_strings(payload, "permissions"),
    )


def _scope(payload: Mapping[str, object]) -> str:
    """Return the scope. It is the only string that may be empty: a service may act by its roles alone."""
    return "" if payload.get("scope") == "" else string_member(payload, "scope")


def _strings(payload: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = payload.get(name, ())
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) and value for value in values):
        raise StrictJsonError("bad_member", name)
    return tuple(values)


def _require_time(payload: Mapping[str, object], claims: AccessClaims, now: int, leeway: int) -> None:
    if claims.exp <= now - leeway:
        raise InvalidToken("expired")
    if claims.iat > now + leeway:
        raise InvalidToken("issued in the future")
    if "nbf" in payload and _not_before(payload) > now + leeway:
        raise InvalidToken("not valid yet")


def _not_before(payload: Mapping[str, object]) -> int:
    """Return `nbf`. Latchkey never sets it, but obeys it (RFC 7519 section 4.1.5)."""
    try:
        return integer_member(payload, "nbf")
    except StrictJsonError:
        raise InvalidToken("claim: nbf") from None


def _require_bearer(payload: Mapping[str, object]) -> None:
    """Reject a token that is bound to a key: its sender would have to prove that they hold that key (RFC 7800)."""
    if "cnf" in payload:
        raise InvalidToken("sender-constrained")
