"""The signing policy: algorithm, lifetimes, keys. One JSON document, the one secret of a stack.

Keys of refresh tokens are in the order of their life: the first signs, the second signs after the next rotation, and
the rest have signed before. All of them verify. So every copy of the policy, however old, knows a key before that key
signs.

Releases share the document: during a canary deployment and after a roll-back, an older release reads what a newer one
wrote. So these rules hold for every release:

- A reader ignores members that it does not know, at the top and in each key. A member that was added later has a
  default. Wrong types, missing members of the first release and duplicate members are still refused.
- A writer keeps the members that it does not know. A reset is the exception: it drops unknown members at the top whose
  name ends in `keys`, because they may hold secrets that have leaked. A member that holds secrets gets such a name.
- A new member stays right while a release that does not know it changes everything else.
- `format` rises only if an older release must stop reading: a known member gets a new meaning, or a value of a new
  kind, such as another algorithm. The release before that one must already be able to read the new format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from latchkey.signing.accepted import Accepted
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.key_set import RSA_BITS, Caches, KeySet, KeyState, SigningKey, generate
from latchkey.signing.keys import Algorithm
from latchkey.signing.names import Name, Planned, Previous
from latchkey.signing.refresh import RefreshKey
from latchkey.signing.strict_json import StrictJsonError, integer_member, loads, string_member
from latchkey.signing.tokens import MAX_TTL

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_POLICY = 60 * 1024
"""The longest document in bytes; Secrets Manager takes 65,536."""

FORMAT = 1
"""The `format` that this release writes, and the highest one that it reads. A document without one has format 1."""

ISSUER = re.compile(r"https?://[^\s?#]+")
"""The form of an issuer (RFC 8414 section 2); plain http is for a laptop."""

AUDIENCE = re.compile(r"[\x21-\x7E]{1,256}")
"""The form of an audience."""

BOUNDS: Mapping[str, range] = {
    "version": range(1, 2**53),
    "access_ttl": range(60, MAX_TTL + 1),
    "refresh_ttl": range(3600, 31_536_000 + 1),
    "refresh_idle_ttl": range(60, 31_536_000 + 1),
    "refresh_retry_limit": range(101),
    "rsa_bits": range(2048, 4096 + 1, 1024),
}
"""The bounds of each number of a policy. Lifetimes are in seconds."""

_ISSUER_MEMBERS = ("issuer", "next_issuer", "previous_issuers", "iss")
_AUDIENCE_MEMBERS = ("audience", "next_audience", "previous_audiences", "aud")
_OTHER_MEMBERS = ("format", *_ISSUER_MEMBERS[:3], *_AUDIENCE_MEMBERS[:3])
_REFRESH_SECRET_BYTES = 32
_ID_BYTES = 16
_BITS_WITHOUT_MEMBER = 3072  # the size of all RSA keys before documents named it
_SECRETS = "keys"  # members whose names end like this hold secrets
_LIVE_REFRESH_KEYS = 2  # the key that signs, and the key that signs next


class BadPolicy(ValueError):
    """A policy that is refused. The message names members and never quotes a value."""


class PolicyTooLong(BadPolicy):
    """A policy with more keys than one secret can hold."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The lifetimes of a policy, in seconds, and its refresh retry limit."""

    access_ttl: int = 900
    refresh_ttl: int = 7_776_000
    refresh_idle_ttl: int = 2_592_000
    refresh_retry_limit: int = 12


@dataclass(frozen=True)
class SigningPolicy:
    """How tokens are signed, as decided at `made_at`. `algorithm` is that of the keys made from now on.

    `issuers` and `audiences` are the `iss` and `aud` of tokens, and how they move. The policy of an older release has
    no audience: then every part uses the stack's parameter.
    `refresh_ttl` is the whole life of a session, `refresh_idle_ttl` its life without a refresh. `refresh_retry_limit`
    is how many refresh tokens in a row may come back late; 0 is OAuth 2.1's letter. `rsa_bits` is the size of the RSA
    keys made from now on. `unknown` holds the members of the document that this release does not know. Raises
    `BadPolicy`.
    """

    version: int
    made_at: int
    issuers: Name
    algorithm: Algorithm
    access_ttl: int
    refresh_ttl: int
    refresh_idle_ttl: int
    refresh_retry_limit: int
    keys: KeySet
    refresh_keys: tuple[RefreshKey, ...]
    audiences: Name | None = None
    rsa_bits: int = RSA_BITS
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        outside = [name for name, bounds in BOUNDS.items() if getattr(self, name) not in bounds]
        if outside:
            raise BadPolicy(f"out of bounds: {', '.join(outside)}")
        if not all(map(ISSUER.fullmatch, self.issuers.all)):
            raise BadPolicy("an issuer is not a URL")
        if self.audiences and not all(map(AUDIENCE.fullmatch, self.audiences.all)):
            raise BadPolicy("an audience is empty, too long or not visible ASCII")
        if self.refresh_idle_ttl > self.refresh_ttl:
            raise BadPolicy("refresh_idle_ttl is over refresh_ttl")
        if any(key.max_ttl < self.access_ttl for key in (self.keys.current, self.keys.heir) if key):
            raise BadPolicy("access_ttl is over the max_ttl of a key that signs")
        if not _in_order(self.refresh_keys):
            raise BadPolicy("refresh_keys are not one that signs, one that will, and retiring ones")

    @property
    def lifetimes(self) -> Lifetimes:
        """The lifetimes and the retry limit."""
        return Lifetimes(self.access_ttl, self.refresh_ttl, self.refresh_idle_ttl, self.refresh_retry_limit)

    def accepted(self, now: int) -> Accepted:
        """Return the issuers and audiences that are accepted at that time."""
        return Accepted(self.issuers.accepted(now), self.audiences.accepted(now) if self.audiences else {})

    def to_json(self) -> str:
        """Return the document, with all its secrets, in its one spelling; raise `PolicyTooLong`."""
        document = {
            **_members_of(self),
            **_name_members(_ISSUER_MEMBERS, self.issuers),
            **(_name_members(_AUDIENCE_MEMBERS, self.audiences) if self.audiences else {}),
            "format": FORMAT,
            "keys": [_members_of(key) for key in self.keys.keys],
            "refresh_keys": [_members_of(key) | {"secret": b64url_encode(key.secret)} for key in self.refresh_keys],
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        if len(text) > MAX_POLICY:
            raise PolicyTooLong("the document is too long")
        return text


def parse(text: str) -> SigningPolicy:
    """Return the policy that a document holds; raise `BadPolicy` unless this release can read it and it is sound."""
    if len(text) > MAX_POLICY:
        raise BadPolicy("the document is too long")
    try:
        return _policy(_object(loads(text), "the document"))
    except ValueError as error:  # whatever refuses a member here says why and never quotes it
        raise BadPolicy(str(error)) from None


@dataclass(frozen=True, slots=True)
class Moment:
    """The time at which a policy is changed, the source of new secrets, and the ages of copies that others may hold."""

    now: int
    entropy: Callable[[int], bytes]
    caches: Caches = field(default_factory=Caches)


def first_policy(  # noqa: PLR0913 - the parameters of a stack, by name
    issuer: str,
    algorithm: Algorithm,
    lifetimes: Lifetimes,
    moment: Moment,
    *,
    audience: str = "",
    rsa_bits: int = RSA_BITS,
) -> SigningPolicy:
    """Return version 1. Its keys count as published long ago, because no cache exists that lacks them."""
    key = _fresh_key(algorithm, rsa_bits, moment)
    spare = replace(_fresh_key(algorithm, rsa_bits, moment), published_at=moment.now - moment.caches.publish_lead)
    return SigningPolicy(
        version=1,
        made_at=moment.now,
        issuers=Name(issuer),
        audiences=Name(audience) if audience else None,
        algorithm=algorithm,
        keys=_fresh_keys(key, spare, lifetimes.access_ttl),
        refresh_keys=_refresh_keys(moment),
        rsa_bits=rsa_bits,
        **asdict(lifetimes),
    )


def rotate(policy: SigningPolicy, moment: Moment) -> SigningPolicy:
    """Return the next version: spare keys sign as soon as every verifier has them, and new spares are published.

    Returns the policy itself if a rotation is already waiting. Raises `PolicyTooLong`.
    """
    settled = _settled(policy, moment)
    if settled.heir:
        return policy
    fresh = _fresh_key(policy.algorithm, policy.rsa_bits, moment)
    return _next_version(
        policy,
        moment,
        keys=settled.rotate(moment.now, policy.access_ttl, fresh, moment.caches),
        refresh_keys=_rotate_refresh_keys(policy, moment),
    )


def change(policy: SigningPolicy, algorithm: Algorithm, lifetimes: Lifetimes, moment: Moment) -> SigningPolicy:
    """Return the next version with these settings, for new tokens only; or the policy itself if it has them already.

    A change of algorithm publishes keys of the new algorithm, which sign as soon as every verifier has them. Raises
    `BadPolicy` for a setting out of bounds.
    """
    if (algorithm, lifetimes) == (policy.algorithm, policy.lifetimes):
        return policy
    keys = _settled(policy, moment).signing_for(lifetimes.access_ttl, moment.caches)
    if algorithm is not policy.algorithm:
        make = partial(_fresh_key, algorithm, policy.rsa_bits, moment)
        keys = _with_algorithm(keys, make, lifetimes.access_ttl, moment)
    signed, *others = policy.refresh_keys
    refresh_keys = (replace(signed, max_ttl=max(signed.max_ttl, policy.refresh_ttl)), *others)
    ttl, audiences = lifetimes.access_ttl, policy.audiences
    return _next_version(
        policy,
        moment,
        algorithm=algorithm,
        issuers=policy.issuers.at(moment.now).kept_for(ttl, moment.caches),
        audiences=audiences.at(moment.now).kept_for(ttl, moment.caches) if audiences else None,
        keys=keys,
        refresh_keys=refresh_keys,
        **asdict(lifetimes),
    )


def reset(policy: SigningPolicy, moment: Moment, *, end_sessions: bool) -> SigningPolicy:
    """Return the next version after a leak. It has no old signing key, so every token that they signed is rejected.

    The new keys sign at once, before any verifier has them. Old refresh keys only verify, until the last of their
    tokens has expired. A thief of these keys lacks the secrets in the tokens of each session (`refresh.py`), so no
    session has to end. With `end_sessions` they go too. Unknown members that may hold secrets go too: a newer release
    then uses their defaults, as it must be able to.
    """
    key, spare = (_fresh_key(policy.algorithm, policy.rsa_bits, moment) for _ in range(2))
    return _next_version(
        policy,
        moment,
        keys=_fresh_keys(key, spare, policy.access_ttl),
        refresh_keys=_refresh_keys(moment) + (() if end_sessions else retired_refresh_keys(policy, moment)),
        unknown={name: value for name, value in policy.unknown.items() if not name.endswith(_SECRETS)},
    )


def retired_refresh_keys(policy: SigningPolicy, moment: Moment) -> tuple[RefreshKey, ...]:
    """Return the refresh keys for the moment when new keys replace them: each verifies as long as its tokens live."""
    memory = moment.caches.staging + moment.caches.policy
    ends = (key.retire_at or moment.now + max(key.max_ttl, policy.refresh_ttl) + memory for key in policy.refresh_keys)
    retired = (replace(key, retire_at=end) for key, end in zip(policy.refresh_keys, ends, strict=True))
    return tuple(key for key in retired if key.verifies(moment.now))


def plan_issuer_move(policy: SigningPolicy, iss: str, moment: Moment) -> SigningPolicy:
    """Return the next version: its tokens carry this `iss` as soon as every verifier accepts it.

    Returns the policy itself if tokens already carry that issuer, or will carry it after the planned move. Only one
    move is planned at a time: a second one replaces a move that has not come about, and a move to the present issuer
    calls that off. A move back is a move like any other. Raises `BadPolicy` for an `iss` of the wrong form, and
    `PolicyTooLong`.
    """
    moved = _moved(policy.issuers, iss, policy, moment)
    return policy if moved is policy.issuers else _next_version(policy, moment, issuers=moved)


def plan_audience_move(policy: SigningPolicy, aud: str, moment: Moment) -> SigningPolicy:
    """Return the next version: its tokens carry this `aud` as soon as every verifier accepts it, as with issuers.

    A policy without an audience adopts this one at once, because every part uses the stack's parameter already.
    """
    if policy.audiences is None:
        return _next_version(policy, moment, audiences=Name(aud))
    moved = _moved(policy.audiences, aud, policy, moment)
    return policy if moved is policy.audiences else _next_version(policy, moment, audiences=moved)


def _moved(names: Name, name: str, policy: SigningPolicy, moment: Moment) -> Name:
    longest = max(key.max_ttl for key in policy.keys.keys if key.lives(moment.now))
    return names.moved(name, now=moment.now, longest=longest, caches=moment.caches)


def _next_version(policy: SigningPolicy, moment: Moment, **changes: Any) -> SigningPolicy:
    names = {
        "issuers": policy.issuers.at(moment.now),
        "audiences": policy.audiences.at(moment.now) if policy.audiences else None,
    }
    successor = replace(policy, version=policy.version + 1, made_at=moment.now, **(names | changes))
    successor.to_json()  # better no change than one that cannot be stored
    return successor


def _settled(policy: SigningPolicy, moment: Moment) -> KeySet:
    return policy.keys.at(moment.now).without_dead(moment.now)


def _with_algorithm(keys: KeySet, make: Callable[[], SigningKey], ttl: int, moment: Moment) -> KeySet:
    spare = make()
    if keys.current.alg is spare.alg:  # back again, before the change came about
        return keys.disinherited(moment.now, moment.caches).stocked(spare)
    return keys.hand_over(moment.now, ttl, make(), spare, moment.caches)


def _fresh_key(algorithm: Algorithm, rsa_bits: int, moment: Moment) -> SigningKey:
    return generate(algorithm, now=moment.now, entropy=moment.entropy, rsa_bits=rsa_bits)


def _fresh_keys(key: SigningKey, spare: SigningKey, ttl: int) -> KeySet:
    """Return a set of two new keys, of which the first signs at once."""
    return KeySet((spare, replace(key, state=KeyState.CURRENT, activates_at=key.published_at, max_ttl=ttl)))


def _in_order(keys: tuple[RefreshKey, ...]) -> bool:
    """Say whether two keys without an end come first, and then only keys with one."""
    endless = [key.retire_at is None for key in keys]
    return endless.count(True) == _LIVE_REFRESH_KEYS and all(endless[:_LIVE_REFRESH_KEYS])


def _rotate_refresh_keys(policy: SigningPolicy, moment: Moment) -> tuple[RefreshKey, ...]:
    signed, signs, *retiring = policy.refresh_keys
    memory = moment.caches.staging + moment.caches.policy  # a policy may still be read, and is then remembered
    if moment.now <= signs.created_at + memory:  # some function may not know it yet
        return policy.refresh_keys
    # No token of the old key outlives its session.
    retired = replace(signed, retire_at=moment.now + max(signed.max_ttl, policy.refresh_ttl) + memory)
    alive = (key for key in retiring if key.retire_at is not None and moment.now < key.retire_at)
    return (signs, _refresh_key(moment), retired, *alive)


def _refresh_keys(moment: Moment) -> tuple[RefreshKey, ...]:
    return tuple(_refresh_key(moment) for _ in range(_LIVE_REFRESH_KEYS))


def _refresh_key(moment: Moment) -> RefreshKey:
    return RefreshKey(b64url_encode(moment.entropy(_ID_BYTES)), moment.entropy(_REFRESH_SECRET_BYTES), moment.now)


def _names(shape: type[SigningPolicy | SigningKey | RefreshKey]) -> set[str]:
    return {field.name for field in fields(shape)} - {"unknown", "issuers", "audiences"}


def _members_of(record: SigningPolicy | SigningKey | RefreshKey) -> dict[str, Any]:
    """Return the members of a record, with those that it keeps for a newer release."""
    return {**record.unknown, **{name: getattr(record, name) for name in _names(type(record))}}


def _name_members(members: tuple[str, str, str, str], name: Name) -> dict[str, object]:
    """Return the document's members about an issuer or an audience, without empty ones."""
    current, planned, previous, claim = members
    document: dict[str, object] = {current: name.current}
    if name.planned:
        times = {"at": name.planned.at, "previous_until": name.planned.previous_until}
        document[planned] = {claim: name.planned.name, **times}
    if name.previous:
        document[previous] = [{claim: each.name, "until": each.until} for each in name.previous]
    return document


def _unknown(members: Mapping[str, object], *known: str) -> dict[str, object]:
    return {name: value for name, value in members.items() if name not in known}


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadPolicy(f"not an object: {name}")
    return value


def _require_format(members: Mapping[str, object]) -> None:
    if "format" in members and not 1 <= integer_member(members, "format") <= FORMAT:
        raise BadPolicy("format is not one that this release reads")


def _policy(members: Mapping[str, object]) -> SigningPolicy:
    _require_format(members)
    return SigningPolicy(
        version=integer_member(members, "version"),
        made_at=integer_member(members, "made_at"),
        issuers=_name(members, _ISSUER_MEMBERS),
        audiences=_name(members, _AUDIENCE_MEMBERS) if members.keys() & set(_AUDIENCE_MEMBERS) else None,
        algorithm=_choice(Algorithm, members, "algorithm"),
        access_ttl=integer_member(members, "access_ttl"),
        refresh_ttl=integer_member(members, "refresh_ttl"),
        refresh_idle_ttl=integer_member(members, "refresh_idle_ttl"),
        refresh_retry_limit=integer_member(members, "refresh_retry_limit"),
        keys=KeySet(tuple(_signing_key(_object(item, "keys")) for item in _array(members, "keys"))),
        refresh_keys=tuple(
            _read_refresh_key(_object(item, "refresh_keys")) for item in _array(members, "refresh_keys")
        ),
        rsa_bits=integer_member(members, "rsa_bits") if "rsa_bits" in members else _BITS_WITHOUT_MEMBER,
        unknown=_unknown(members, *_OTHER_MEMBERS, *_names(SigningPolicy)),
    )


def _name(members: Mapping[str, object], names: tuple[str, str, str, str]) -> Name:
    current, planned, previous, claim = names
    items = _array(members, previous) if previous in members else []
    return Name(
        current=string_member(members, current),
        planned=_planned(_object(members[planned], planned), claim) if planned in members else None,
        previous=tuple(_previous(_object(item, previous), claim) for item in items),
    )


def _planned(members: Mapping[str, object], claim: str) -> Planned:
    at, until = integer_member(members, "at"), integer_member(members, "previous_until")
    return Planned(string_member(members, claim), at, until)


def _previous(members: Mapping[str, object], claim: str) -> Previous:
    return Previous(string_member(members, claim), integer_member(members, "until"))


def _signing_key(members: Mapping[str, object]) -> SigningKey:
    return SigningKey(
        kid=string_member(members, "kid"),
        alg=_choice(Algorithm, members, "alg"),
        state=_choice(KeyState, members, "state"),
        private=string_member(members, "private"),
        published_at=integer_member(members, "published_at"),
        activates_at=_optional_integer(members, "activates_at"),
        retire_at=_optional_integer(members, "retire_at"),
        max_ttl=integer_member(members, "max_ttl"),
        unknown=_unknown(members, *_names(SigningKey)),
    )


def _read_refresh_key(members: Mapping[str, object]) -> RefreshKey:
    return RefreshKey(
        key_id=string_member(members, "key_id"),
        secret=b64url_decode(string_member(members, "secret")),
        created_at=integer_member(members, "created_at"),
        retire_at=_optional_integer(members, "retire_at"),
        max_ttl=integer_member(members, "max_ttl"),
        unknown=_unknown(members, *_names(RefreshKey)),
    )


def _choice(kind: type[_Choice], members: Mapping[str, object], name: str) -> _Choice:
    try:
        return kind(string_member(members, name))
    except ValueError:
        raise StrictJsonError("bad_member", name) from None  # the enumeration's own error quotes the value


def _optional_integer(members: Mapping[str, object], name: str) -> int | None:
    """Return an integer that may be `null`, but must be there."""
    return None if name in members and members[name] is None else integer_member(members, name)


def _array(members: Mapping[str, object], name: str) -> list[object]:
    value = members.get(name)
    if not isinstance(value, list):
        raise StrictJsonError("bad_member", name)
    return value
