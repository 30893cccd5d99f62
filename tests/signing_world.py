"""The signing policy in operation without AWS: a secret in memory, its writers, and ways to disturb them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from latchkey.adapters.store import Store
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.signing_policy.admin import PolicyAdmin, Settings
from latchkey.core.signing_policy.moves import IssuerMove
from latchkey.core.signing_policy.rotation import NOT_YET, FirstPolicy, PolicyWriter, Rotation, public_half
from latchkey.core.signing_policy.seals import SealWriter
from latchkey.core.signing_policy.store import PublishedKeys, SealSecret, SigningSecret
from latchkey.signing.accepted import MEMBER, Accepted, from_member
from latchkey.signing.key_set import Caches
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import Lifetimes, Moment, SigningPolicy, parse
from tests.memory.store import MemoryStore
from tests.world import AUDIENCE, NOW, Kept

ISSUER = "https://id.example"
CACHES = Caches()
MOVED, THIRD = "https://auth.example", "https://login.example"
FIRST = FirstPolicy(ISSUER, Algorithm.EdDSA, Lifetimes(), AUDIENCE)
WRITES = frozenset({"take_lease", "return_lease", "publish_keys", "put_pending", "promote", "unstage", "put"})
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
LATER = NOW + 86_400
SETTINGS = Settings(Algorithm.ES256, {"access_ttl": 3600})
"""A change of everything that keys depend on."""


class VersionExists(Exception):
    """Secrets Manager never replaces the document of a version."""


class MemorySecret:
    """A secret whose versions never change, and whose labels are each on one version at most."""

    def __init__(self, text: str = NOT_YET) -> None:
        self.versions = {"first": text}
        self.labels = {CURRENT: "first"}

    def current(self) -> str:
        """Return the document in force."""
        return self.versions[self.labels[CURRENT]]

    def pending(self, token: str) -> str | None:
        """Return the document that waits under this version."""
        return self.versions[token] if self.labels.get(PENDING) == token else None

    def put_pending(self, token: str, text: str) -> None:
        """Stage a version. Staging the same version again is ignored and moves no label."""
        if token not in self.versions:
            self.versions[token] = text
            self.labels[PENDING] = token
        elif self.versions[token] != text:
            raise VersionExists(token)

    def promote(self, token: str) -> None:
        """Put a version in force; it keeps its other label."""
        assert token in self.versions
        self.labels[CURRENT] = token

    def unstage(self, token: str) -> None:
        """Take the label off this version, unless another has it."""
        if self.labels.get(PENDING) == token:
            del self.labels[PENDING]


class Killed(BaseException):
    """The writer is dead: not even its `finally` does anything more."""


@dataclass
class Fate:
    """What happens to a writer: it may die after a write, and something else may happen before a call."""

    dies_after: int | None = None
    before_call: Callable[[str], None] = lambda name: None
    calls: list[str] = field(default_factory=list)
    dead: bool = False

    @property
    def writes(self) -> int:
        """How many writes it has made."""
        return sum(name in WRITES for name in self.calls)

    def call(self, method: Callable[..., Any], *args: Any, **members: Any) -> Any:
        """Make one call of a port."""
        if self.dead:
            raise Killed
        self.before_call(method.__name__)
        self.calls.append(method.__name__)
        result = method(*args, **members)
        if method.__name__ in WRITES and self.writes == self.dies_after:
            self.dead = True
            raise Killed
        return result


class Fated:
    """A port whose calls go through a fate."""

    def __init__(self, target: object, fate: Fate) -> None:
        self._target = target
        self._fate = fate

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)
        return lambda *args, **members: self._fate.call(method, *args, **members)


@dataclass
class MemorySealSecret:
    """The secret of the seal keys, in memory."""

    text: str = "{}"

    def current(self) -> str:
        """Return the text."""
        return self.text

    def put(self, text: str) -> None:
        """Keep the text."""
        self.text = text


@dataclass
class OneAddress:
    """A check of addresses that accepts every address, or rejects every address."""

    refusal: ServiceError | None = None
    asked: list[tuple[str, PublishedKeys]] = field(default_factory=list)

    def require_own(self, iss: str, published: PublishedKeys, now: int) -> None:
        """Raise the refusal, if there is one."""
        self.asked.append((iss, published))
        if self.refusal:
            raise self.refusal


class SigningWorld:
    """One stack's secret and table, with any number of writers."""

    def __init__(self, text: str = NOT_YET) -> None:
        counter = itertools.count(len(text))
        self.entropy = lambda size: next(counter).to_bytes(size, "big")
        self.secret = MemorySecret(text)
        self.seal_secret = MemorySealSecret()
        self.store = MemoryStore()
        self.journal = Kept()
        self.address = OneAddress()
        self.audience = AUDIENCE
        """The stack's parameter, which an update may change."""

    def moment(self, now: int = NOW) -> Moment:
        """Return that moment."""
        return Moment(now, self.entropy, CACHES)

    def writer(self, fate: Fate | None = None) -> PolicyWriter:
        """Return a writer, to whom a fate may happen."""
        store: Store = self.store
        secret: SigningSecret = self.secret
        if fate is not None:
            store, secret = Fated(store, fate), Fated(secret, fate)
        return PolicyWriter(secret, store, store, self.journal)

    def seals(self, fate: Fate | None = None) -> SealWriter:
        """Return a writer of the seal keys, to whom a fate may happen."""
        secret: SealSecret = self.seal_secret
        return SealWriter(secret if fate is None else Fated(secret, fate))

    def rotation(self, fate: Fate | None = None) -> Rotation:
        """Return a rotation, to whom a fate may happen."""
        return Rotation(self.writer(fate), self.seals(fate), replace(FIRST, audience=self.audience))

    def issuer_move(self, fate: Fate | None = None) -> IssuerMove:
        """Return the moves of the issuer, to which a fate may happen."""
        return IssuerMove(self.writer(fate), self.address)

    def admin(self, fate: Fate | None = None, *, allow_hs256: bool = False) -> PolicyAdmin:
        """Return the policy in an admin's hands."""
        return PolicyAdmin(self.writer(fate), self.seals(fate), self.store, allow_hs256)

    def rotate(self, token: str, now: int = NOW, fate: Fate | None = None) -> None:
        """Go through the four steps."""
        rotation, moment = self.rotation(fate), self.moment(now)
        for step in (rotation.create, rotation.publish, rotation.test, rotation.finish):
            step(token, moment)

    @property
    def policy(self) -> SigningPolicy:
        """The policy in force."""
        return parse(self.secret.current())

    def served(self, now: int) -> set[str]:
        """Return the ids in the JWKS as it is served at that time."""
        keys = self.store.published_keys()
        assert keys is not None
        return {key["kid"] for key in keys.jwks_at(now)["keys"]}

    def names_served(self, now: int) -> Accepted:
        """Return the issuers and audiences in the JWKS as it is served at that time."""
        keys = self.store.published_keys()
        assert keys is not None
        return from_member(keys.jwks_at(now)[MEMBER])

    def require_sound(self, now: int, *, whole: bool = False) -> None:
        """Assert that every key that signs from now on is served as long as it signs, and, if `whole`, no other key."""
        policy = self.policy
        ends = [time for key in policy.keys.keys for time in (key.activates_at, key.retire_at) if time]
        for time in sorted({now, now + 10 * 86_400, *(end + second for end in ends for second in (-1, 0))}):
            if time >= now:
                needed = {key.kid for key in policy.keys.published(time)}
                assert policy.keys.signer(time).kid in needed
                assert needed == self.served(time) if whole else needed <= self.served(time)
        self._require_sound_names(now, whole=whole)

    def _require_sound_names(self, now: int, *, whole: bool) -> None:
        """Assert that every name that a token may carry is served until its end, and, if `whole`, no longer."""
        policy = self.policy
        moves = [names.planned for names in (policy.issuers, policy.audiences) if names and names.planned]
        ends = [time for planned in moves for time in (planned.at, planned.previous_until)]
        for time in sorted({now, now + 10 * 86_400, *(end + second for end in ends for second in (-1, 0))}):
            needed, served = policy.accepted(time), self.names_served(time)
            assert policy.issuers.minted(time) in needed.issuers_at(time)
            assert needed.issuers_at(time) <= served.issuers_at(time)
            assert needed.audiences_at(time) <= served.audiences_at(time)
            if whole:
                keys = self.store.published_keys()
                assert (served, keys and keys.issuer_at(time)) == (needed, policy.issuers.minted(time))


def conflicts(act: Callable[[], object]) -> bool:
    """Act, and return whether another writer was first."""
    try:
        act()
    except ServiceError as error:
        if error.error is not Errors.CONFLICT:
            raise
        return True
    return False


@cache
def _first_policy() -> str:
    world = SigningWorld()
    world.rotate("first-rotation")
    return world.secret.current()


def begun() -> SigningWorld:
    """Return a world with its first policy."""
    world = SigningWorld(_first_policy())
    world.store.publish_keys(public_half(world.policy, NOW))
    return world


# What a writer does, and how it may die of it


Act = Callable[[SigningWorld, Fate], object]


def confirmed_reset(world: SigningWorld, fate: Fate, now: int = LATER) -> None:
    """Reset the policy, as an admin who has confirmed the reset."""
    proposal = world.admin().propose_reset("usr_a", world.moment(now), end_sessions=True)
    world.admin(fate).reset("usr_a", str(proposal.members["confirmation_token"]), world.moment(now))


def moved_audience(world: SigningWorld, fate: Fate, now: int = LATER) -> None:
    """Rotate after the stack's parameter has got a new value."""
    world.audience = "shop"
    world.rotate("t", now, fate)


ACTS: dict[str, Act] = {
    "rotation": lambda world, fate: world.rotate("t", LATER, fate),
    "admin's rotation": lambda world, fate: world.admin(fate).rotate("usr_a", world.moment(LATER)),
    "change": lambda world, fate: world.admin(fate).change("usr_a", SETTINGS, world.moment(LATER)),
    "reset": confirmed_reset,
    "issuer move": lambda world, fate: world.issuer_move(fate).move(MOVED, world.moment(LATER)),
    "audience move": moved_audience,
}


def deaths(act: Act) -> range:
    """Return after how many writes this may die."""
    fate = Fate()
    act(begun(), fate)
    return range(1, fate.writes + 1)


DEATHS = [(name, number) for name, act in ACTS.items() for number in deaths(act)]


def dead(name: str, number: int) -> SigningWorld:
    """Return a world in which a writer has died after so many writes."""
    world = begun()
    with suppress(Killed):
        ACTS[name](world, Fate(dies_after=number))
        raise AssertionError(f"{name} makes no {number} writes")
    return world
