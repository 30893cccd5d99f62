"""The signing policy: algorithm, lifetimes, keys. One JSON document, the one secret of a stack.

Keys of refresh tokens stand in the order of their life: the first signs, the second will after the next rotation, the
rest have signed; all verify. So every copy of the policy, however stale, knows a key before anybody signs with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import TypeVar

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.keys import Algorithm
from latchkey.signing.keyset import POLICY_CACHE, KeySet, KeyState, SigningKey, generate
from latchkey.signing.refresh import RefreshKey
from latchkey.signing.strictjson import StrictJsonError, integer_member, loads, string_member
from latchkey.signing.tokens import MAX_TTL

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_POLICY = 60 * 1024
"""The longest document in bytes; Secrets Manager takes 65,536."""

_ISSUER = re.compile(r"https?://[^\s?#]+")  # RFC 8414 section 2; plain http is for the laptop
_BOUNDS: Mapping[str, range] = {
    "version": range(1, 2**53),
    "access_ttl": range(60, MAX_TTL + 1),
    "refresh_ttl": range(3600, 31_536_000 + 1),
    "refresh_idle_ttl": range(60, 31_536_000 + 1),
    "refresh_retry_limit": range(11),
}
_REFRESH_SECRET_BYTES = 32
_ID_BYTES = 16
_LIVE_REFRESH_KEYS = 2  # the one that signs and the one that will


class BadPolicy(ValueError):
    """A policy that is refused. The message names members and never quotes a value."""


@dataclass(frozen=True)
class SigningPolicy:
    """How tokens are signed. Lifetimes are in seconds; `algorithm` is that of the keys made from now on.

    `refresh_ttl` is the whole life of a session, `refresh_idle_ttl` its life without a refresh. `refresh_retry_limit`
    is how many refresh tokens in a row may come back late; 0 is OAuth 2.1's letter. Raises `BadPolicy`.
    """

    version: int
    issuer: str
    algorithm: Algorithm
    access_ttl: int
    refresh_ttl: int
    refresh_idle_ttl: int
    refresh_retry_limit: int
    keys: KeySet
    refresh_keys: tuple[RefreshKey, ...]

    def __post_init__(self) -> None:
        outside = [name for name, bounds in _BOUNDS.items() if getattr(self, name) not in bounds]
        if outside:
            raise BadPolicy(f"out of bounds: {', '.join(outside)}")
        if not _ISSUER.fullmatch(self.issuer):
            raise BadPolicy("issuer is not a URL")
        if self.refresh_idle_ttl > self.refresh_ttl:
            raise BadPolicy("refresh_idle_ttl is over refresh_ttl")
        if self.keys.current.max_ttl < self.access_ttl:
            raise BadPolicy("access_ttl is over the current key's max_ttl")
        if not _in_order(self.refresh_keys):
            raise BadPolicy("refresh_keys are not one that signs, one that will, and retiring ones")

    def to_json(self) -> str:
        """Return the document, with all its secrets, in its one spelling; raise `BadPolicy` if it is too long."""
        document = asdict(self) | {
            "keys": [asdict(key) for key in self.keys.keys],
            "refresh_keys": [asdict(key) | {"secret": b64url_encode(key.secret)} for key in self.refresh_keys],
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        if len(text) > MAX_POLICY:
            raise BadPolicy("the document is too long")
        return text


def parse(text: str) -> SigningPolicy:
    """Return the policy that a document holds; raise `BadPolicy` unless every member is there, known and sound."""
    if len(text) > MAX_POLICY:
        raise BadPolicy("the document is too long")
    try:
        return _policy(_members(loads(text), SigningPolicy))
    except ValueError as error:  # whatever refuses a member here says why and never quotes it
        raise BadPolicy(str(error)) from None


def first_policy(  # noqa: PLR0913 - every setting has a name
    *,
    issuer: str,
    now: int,
    entropy: Callable[[int], bytes],
    algorithm: Algorithm = Algorithm.RS256,
    access_ttl: int = 900,
    refresh_ttl: int = 7_776_000,
    refresh_idle_ttl: int = 2_592_000,
    refresh_retry_limit: int = 2,
) -> SigningPolicy:
    """Return version 1. Its current key may sign at once: nobody has cached anything yet."""
    states = (KeyState.NEXT, KeyState.CURRENT)
    keys = KeySet(tuple(generate(algorithm, now=now, entropy=entropy, state=state) for state in states))
    return SigningPolicy(
        version=1,
        issuer=issuer,
        algorithm=algorithm,
        access_ttl=access_ttl,
        refresh_ttl=refresh_ttl,
        refresh_idle_ttl=refresh_idle_ttl,
        refresh_retry_limit=refresh_retry_limit,
        keys=keys.signing_for(access_ttl),
        refresh_keys=tuple(_refresh_key(now, entropy) for _ in range(_LIVE_REFRESH_KEYS)),
    )


def rotate(policy: SigningPolicy, *, now: int, entropy: Callable[[int], bytes]) -> SigningPolicy:
    """Return the next version, in which the next keys sign and new ones wait their turn.

    Raises `TooEarly` while the next key may be unknown somewhere, `BadPolicy` when the document would be too long.
    """
    fresh = generate(policy.algorithm, now=now, entropy=entropy)
    rotated = replace(
        policy,
        version=policy.version + 1,
        keys=policy.keys.rotate(now, policy.access_ttl, fresh),
        refresh_keys=_rotate_refresh_keys(policy, now, _refresh_key(now, entropy)),
    )
    rotated.to_json()  # better no rotation than one that cannot be stored
    return rotated


def _in_order(keys: tuple[RefreshKey, ...]) -> bool:
    """Say whether two keys without an end come first, and then only keys with one."""
    endless = [key.retire_at is None for key in keys]
    return endless.count(True) == _LIVE_REFRESH_KEYS and all(endless[:_LIVE_REFRESH_KEYS])


def _rotate_refresh_keys(policy: SigningPolicy, now: int, fresh: RefreshKey) -> tuple[RefreshKey, ...]:
    signed, signs, *retiring = policy.refresh_keys
    # No token of the old key outlives its session; a function may sign with a policy it has read before.
    retired = replace(signed, retire_at=now + policy.refresh_ttl + POLICY_CACHE)
    return (signs, fresh, retired, *(key for key in retiring if key.retire_at is not None and now < key.retire_at))


def _refresh_key(now: int, entropy: Callable[[int], bytes]) -> RefreshKey:
    return RefreshKey(b64url_encode(entropy(_ID_BYTES)), entropy(_REFRESH_SECRET_BYTES), now)


def _members(value: object, shape: type[SigningPolicy | SigningKey | RefreshKey]) -> dict[str, object]:
    """Return a JSON object whose members are exactly the fields of a dataclass."""
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(shape)}:
        raise BadPolicy(f"not the members of a {shape.__name__}")
    return value


def _policy(members: Mapping[str, object]) -> SigningPolicy:
    return SigningPolicy(
        version=integer_member(members, "version"),
        issuer=string_member(members, "issuer"),
        algorithm=_choice(Algorithm, members, "algorithm"),
        access_ttl=integer_member(members, "access_ttl"),
        refresh_ttl=integer_member(members, "refresh_ttl"),
        refresh_idle_ttl=integer_member(members, "refresh_idle_ttl"),
        refresh_retry_limit=integer_member(members, "refresh_retry_limit"),
        keys=KeySet(tuple(_signing_key(_members(item, SigningKey)) for item in _array(members, "keys"))),
        refresh_keys=tuple(_read_refresh_key(_members(item, RefreshKey)) for item in _array(members, "refresh_keys")),
    )


def _signing_key(members: Mapping[str, object]) -> SigningKey:
    return SigningKey(
        kid=string_member(members, "kid"),
        alg=_choice(Algorithm, members, "alg"),
        state=_choice(KeyState, members, "state"),
        private=string_member(members, "private"),
        published_at=integer_member(members, "published_at"),
        activated_at=_optional_integer(members, "activated_at"),
        retire_at=_optional_integer(members, "retire_at"),
        max_ttl=integer_member(members, "max_ttl"),
    )


def _read_refresh_key(members: Mapping[str, object]) -> RefreshKey:
    return RefreshKey(
        key_id=string_member(members, "key_id"),
        secret=b64url_decode(string_member(members, "secret")),
        created_at=integer_member(members, "created_at"),
        retire_at=_optional_integer(members, "retire_at"),
    )


def _choice(kind: type[_Choice], members: Mapping[str, object], name: str) -> _Choice:
    try:
        return kind(string_member(members, name))
    except ValueError:
        raise StrictJsonError("bad_member", name) from None  # the enumeration's own error quotes the value


def _optional_integer(members: Mapping[str, object], name: str) -> int | None:
    return None if members[name] is None else integer_member(members, name)


def _array(members: Mapping[str, object], name: str) -> list[object]:
    value = members[name]
    if not isinstance(value, list):
        raise StrictJsonError("bad_member", name)
    return value
