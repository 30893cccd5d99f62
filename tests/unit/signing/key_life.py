"""A world in which the signing policy changes while readers go on with older copies.

The world has no functions and no verifiers. It computes what they could hold: any policy that was in force within
the last `caches.policy` seconds, and any public keys that were served within the last `caches.jwks` seconds. At every
moment it checks all of these, so the worst case is among them. Time stops at every moment when something
begins or ends. A writer takes its time between its steps, and may die between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from latchkey.core.signing_policy.admin import OWN_JWKS_AGE, _impact
from latchkey.core.signing_policy.rotation import announcement, public_half
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.signing.accepted import MEMBER, Accepted, from_member
from latchkey.signing.key_set import Caches, KeyState, SigningKey
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import (
    BadPolicy,
    Lifetimes,
    Moment,
    SigningPolicy,
    change,
    first_policy,
    parse,
    plan_audience_move,
    plan_issuer_move,
    reset,
    rotate,
)
from tests.unit.signing.forge import AUDIENCE, ISSUER, NOW, signing_key

T = TypeVar("T")

CACHES = [Caches(), Caches(60, 1, 0), Caches(1, 300, 300), Caches(1, 300, 0), Caches(1, 1, 0), Caches(30, 60, 10)]
"""What the stack's parameters allow. In each, another reader has the longest delay."""

ISSUERS = [ISSUER, "https://auth.example", "https://login.example/prod"]
AUDIENCES = [AUDIENCE, "shop", ISSUER]
"""There are so few that a move often goes back. One of them is also an issuer."""

DAY = 86_400
TTLS = (60, 900, 3600)
LONGEST_MEMORY = 2 * (OWN_JWKS_AGE + 300)

Pauses: TypeAlias = tuple[float, float]

Token: TypeAlias = tuple[str, str, str]
"""A token, as far as it matters here: its `kid`, `iss` and `aud`."""

PAUSES = st.sampled_from([(0.0, 0.0), (0.0, 0.0), (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)])
"""How much of the time it has a writer spends before it publishes, and before it puts in force."""

DEATHS = st.sampled_from(["", "", "", "announced", "promoted"])
"""After which of its writes, if any, a writer dies."""


def generate(
    alg: Algorithm, *, now: int, entropy: Callable[[int], bytes], state: KeyState = KeyState.NEXT, rsa_bits: int = 0
) -> SigningKey:
    """Return one of the test keys under a kid that is new: the same in every run, and at once."""
    number = int.from_bytes(entropy(4), "big")
    activates_at = now if state is KeyState.CURRENT else None
    private = signing_key(alg, number % 3).private
    return SigningKey(f"{alg.value}-{number}", alg, state, private, published_at=now, activates_at=activates_at)


def numbered() -> Callable[[int], bytes]:
    """Return entropy that never repeats and is the same in every run."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(4, "big") * (size // 4)


@dataclass
class History(Generic[T]):
    """The values that were in force, each with its time."""

    spans: list[tuple[int, T]] = field(default_factory=list)

    def put(self, value: T, now: int) -> None:
        """Make this the present value."""
        self.spans.append((now, value))

    @property
    def newest(self) -> T:
        """The present value."""
        return self.spans[-1][1]

    def drop_before(self, time: int) -> None:
        """Forget what was replaced before this time."""
        while len(self.spans) > 1 and self.spans[1][0] < time:
            del self.spans[0]

    def read(self, now: int, age: int) -> Iterator[tuple[T, int, int]]:
        """Yield every value that a reader of the last `age` seconds may hold, with the first and last moment of it.

        In the second of a change either may have been read.
        """
        ends = [since for since, _ in self.spans[1:]] + [now]
        for (since, value), until in zip(self.spans, ends, strict=True):
            if until >= now - age:
                yield value, max(since, now - age), until


@dataclass(frozen=True)
class Revoked:
    """The keys that a reset has removed, and the time by which each kind of verifier must know."""

    kids: frozenset[str]
    own_by: int
    others_by: int


class KeyLife(RuleBasedStateMachine):
    """The life of keys under every move that an admin, a schedule and the time can make."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.entropy = numbered()
        self.policies: History[SigningPolicy] = History()
        self.published: History[PublishedKeys] = History()
        self.announced: list[PublishedKeys] = []
        """What of it was published before a policy was in force, and not after."""
        self.tokens: dict[Token, tuple[Algorithm, int]] = {}
        """For each group of equal tokens, the time until which the longest-lived must be accepted."""
        self.ends: dict[tuple[str, str], int] = {}
        """Of each claim and name that has an end, when that is."""
        self.refresh_tokens: dict[str, int] = {}
        self.known_since: dict[str, int] = {}
        self.at_once: set[str] = set()
        """The keys that may sign before every reader knows them: those of the first policy and of a reset."""
        self.trusted_from: dict[str, int] = {}
        self.dead: set[str] = set()
        self.revoked: list[Revoked] = []
        self.signing: set[str | Token] = set()
        self.marks: set[int] = set()
        self.whole = True

    @initialize(
        caches=st.sampled_from(CACHES),
        algorithm=st.sampled_from(Algorithm),
        access_ttl=st.sampled_from(TTLS),
    )
    def begin(self, caches: Caches, algorithm: Algorithm, access_ttl: int) -> None:
        """Put the first policy in force. There are no readers before it."""
        self.caches = caches
        policy = first_policy(ISSUER, algorithm, Lifetimes(access_ttl), self.moment(), audience=AUDIENCE)
        self.at_once = {key.kid for key in policy.keys.keys}
        self._publish(public_half(policy, self.now))
        self._put_in_force(policy)
        self.look()

    @rule(seconds=st.one_of(st.integers(0, 700), st.sampled_from([3600, DAY, 30 * DAY, 100 * DAY])))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.pass_time(seconds)

    @rule(number=st.integers(0, 9), before=st.integers(-1, 200))
    def wait_for_something(self, number: int, before: int) -> None:
        """Let time pass until shortly before something begins or ends."""
        coming = sorted(mark for mark in self.marks if mark > self.now)
        if coming:
            self.pass_time(max(0, coming[number % len(coming)] - before - self.now))

    @rule(pauses=PAUSES, dies=DEATHS)
    def rotate(self, pauses: Pauses, dies: str) -> None:
        """Rotate, as the schedule or an admin does."""
        self._write(lambda: rotate(self.policy, self.moment()), pauses, dies)

    @rule(algorithm=st.sampled_from(Algorithm), pauses=PAUSES, dies=DEATHS)
    def change_algorithm(self, algorithm: Algorithm, pauses: Pauses, dies: str) -> None:
        """Sign with keys of this algorithm from now on."""
        self._write(lambda: change(self.policy, algorithm, self.policy.lifetimes, self.moment()), pauses, dies)

    @rule(ttls=st.sampled_from([(60, 3600), (900, 90 * DAY), (3600, DAY)]), pauses=PAUSES, dies=DEATHS)
    def change_lifetimes(self, ttls: tuple[int, int], pauses: Pauses, dies: str) -> None:
        """Let access tokens and sessions live longer or shorter from now on."""
        access_ttl, refresh_ttl = ttls
        lifetimes = Lifetimes(access_ttl, refresh_ttl, refresh_idle_ttl=3600)
        self._write(lambda: change(self.policy, self.policy.algorithm, lifetimes, self.moment()), pauses, dies)

    @rule(iss=st.sampled_from(ISSUERS), pauses=PAUSES, dies=DEATHS)
    def move_issuer(self, iss: str, pauses: Pauses, dies: str) -> None:
        """Let tokens name this issuer, or call off the move to another."""
        self._write(lambda: plan_issuer_move(self.policy, iss, self.moment()), pauses, dies)

    @rule(aud=st.sampled_from(AUDIENCES), pauses=PAUSES, dies=DEATHS)
    def move_audience(self, aud: str, pauses: Pauses, dies: str) -> None:
        """Let tokens name this audience, or call off the move to another."""
        self._write(lambda: plan_audience_move(self.policy, aud, self.moment()), pauses, dies)

    @rule(pauses=PAUSES, dies=DEATHS, end_sessions=st.booleans())
    def reset(self, pauses: Pauses, dies: str, end_sessions: bool) -> None:
        """Replace every key."""
        before, impact = self.policy, _impact(self.policy, self.moment(), end_sessions=end_sessions)
        doomed = {key.kid for key in before.keys.keys}
        if end_sessions:
            doomed |= {key.key_id for key in before.refresh_keys}
        finished = self._write(
            lambda: reset(self.policy, self.moment(), end_sessions=end_sessions), pauses, dies, doomed
        )
        if finished:
            own, others = impact["verifiers_notice_within"], impact["other_verifiers_notice_within"]
            self.revoked.append(Revoked(frozenset(doomed), self.now + own, self.now + others))
            self.marks |= {self.now + own + 1, self.now + others + 1}

    @property
    def policy(self) -> SigningPolicy:
        """The policy in force."""
        return self.policies.newest

    def moment(self) -> Moment:
        """Return this moment, with the ages of the copies that readers may hold."""
        return Moment(self.now, self.entropy, self.caches)

    def pass_time(self, seconds: int) -> None:
        """Let time pass, and check at every moment when something begins or ends."""
        end = self.now + seconds
        while self.now < end:
            marks = self.marks | {exp for token, (_, exp) in self.tokens.items() if token not in self.signing}
            marks |= {ends_at for key_id, ends_at in self.refresh_tokens.items() if key_id not in self.signing}
            stops = (stop for mark in marks for stop in (mark - 1, mark) if self.now < stop <= end)
            self.now = min(stops, default=end)
            self.look()
        self._forget_the_past()

    def look(self) -> None:
        """Sign every token that could be signed now, and verify those that must be good with every copy."""
        readers = [policy for policy, _, _ in self.policies.read(self.now, self.caches.policy)]
        self.signing = set()
        for policy in readers:
            self._sign(policy)
        self._look_at_tokens(readers)
        self._look_at_refresh_tokens(readers)
        for revoked in self.revoked:
            self._look_at_revoked(revoked)
        self._look_at_ends(readers)
        if self.whole:
            served = kids(self.published.newest, self.now)
            assert served == {key.kid for key in self.policy.keys.published(self.now)}, "published is another set"
            assert names(self.published.newest, self.now) == self.policy.accepted(self.now), "other names are published"
            issuer = self.policy.issuers.minted(self.now)
            assert self.published.newest.issuer_at(self.now) == issuer, "metadata of another issuer"

    def _write(
        self, make: Callable[[], SigningPolicy], pauses: Pauses, dies: str, doomed: Collection[str] = ()
    ) -> bool:
        """Carry out a change, as `PolicyWriter` does; return whether it was completed."""
        before = self.policy
        try:
            successor = make()
        except BadPolicy:  # so many keys that the document has no room for one more
            return False
        if successor is before:
            return True
        self.pass_time(int(pauses[0] * self.caches.staging))
        self.whole = False
        self._announce(announcement(before, successor, self.now))
        if dies == "announced":
            return False
        self.pass_time(int(pauses[1] * self.caches.staging))
        if doomed:
            self._expect_reset(doomed, _ids(successor) - _ids(before) - {successor.keys.spare.kid})
        self._put_in_force(successor)
        if dies == "promoted":
            return False
        self._publish(public_half(successor, self.now))
        self.whole = True
        self.look()
        return True

    def _expect_reset(self, doomed: Collection[str], fresh: set[str]) -> None:
        """Expect nothing of the keys that a reset removes, and not yet anything of the keys that it begins with."""
        self.dead |= set(doomed)
        self.tokens = {token: each for token, each in self.tokens.items() if token[0] not in doomed}
        self.refresh_tokens = {key_id: end for key_id, end in self.refresh_tokens.items() if key_id not in doomed}
        self.at_once |= fresh
        known_to_all = self.now + self.caches.staging + max(self.caches.policy, self.caches.jwks) + 1
        self.trusted_from |= dict.fromkeys(fresh, known_to_all)

    def _forget_the_past(self) -> None:
        """Drop what no reader can hold any more, so that years pass quickly."""
        self.policies.drop_before(self.now - LONGEST_MEMORY)
        self.published.drop_before(self.now - LONGEST_MEMORY)
        self.announced = [keys for _, keys in self.published.spans if self._is_announced(keys)]
        self.marks = {mark for mark in self.marks if mark > self.now}
        self.tokens = {token: each for token, each in self.tokens.items() if self.now < each[1]}
        self.refresh_tokens = {key_id: end for key_id, end in self.refresh_tokens.items() if self.now < end}
        self.revoked = [each for each in self.revoked if self.now - LONGEST_MEMORY < max(each.own_by, each.others_by)]

    def _announce(self, keys: PublishedKeys) -> None:
        self.announced.append(keys)
        self._publish(keys)

    def _is_announced(self, keys: PublishedKeys) -> bool:
        return any(keys is each for each in self.announced)

    def _publish(self, keys: PublishedKeys) -> None:
        self.published.put(keys, self.now)
        self.marks.add(self.now + self.caches.jwks)
        for kid in kids(keys, self.now):
            self.known_since.setdefault(kid, self.now)

    def _put_in_force(self, policy: SigningPolicy) -> None:
        assert parse(policy.to_json()) == policy, "another policy is read than was written"
        self.policies.put(policy, self.now)
        for key in policy.keys.keys:
            if key.alg is Algorithm.HS256:
                self.known_since.setdefault(key.kid, self.now)
            self.marks |= {time for time in (key.activates_at, key.retire_at) if time}
        self._expect_ends(policy)
        self.marks |= {self.now + self.caches.policy} | {key.retire_at for key in policy.refresh_keys if key.retire_at}

    def _sign(self, policy: SigningPolicy) -> None:
        signer, mac_key = policy.keys.signer(self.now), policy.refresh_keys[0].key_id
        signing = [key.kid for key in policy.keys.at(self.now).keys if key.state is KeyState.CURRENT]
        assert signing == [signer.kid], "not one signer"
        if signer.kid not in self.dead:
            lead = self.caches.policy if signer.alg is Algorithm.HS256 else self.caches.jwks
            known = signer.kid in self.at_once or self.now - self.known_since[signer.kid] >= lead
            assert known, "a key signs before every reader knows it"
        assert policy.audiences
        token = (signer.kid, policy.issuers.minted(self.now), policy.audiences.minted(self.now))
        self.signing |= {token, mac_key}
        if self._must_be_good(signer.kid):
            _, longest = self.tokens.get(token, (signer.alg, 0))
            self.tokens[token] = signer.alg, max(longest, self.now + policy.access_ttl)
        if self._must_be_good(mac_key):
            self.refresh_tokens[mac_key] = max(self.refresh_tokens.get(mac_key, 0), self.now + policy.refresh_ttl)

    def _must_be_good(self, kid: str) -> bool:
        return kid not in self.dead and self.now >= self.trusted_from.get(kid, 0)

    def _look_at_tokens(self, readers: list[SigningPolicy]) -> None:
        own_age = min(OWN_JWKS_AGE, self.caches.jwks)
        of_authorizer = [policy for policy, _, _ in self.policies.read(self.now, own_age)]
        held = [(keys, last) for keys, _, last in self.published.read(self.now, self.caches.jwks)]
        fetched = [(kids(keys, last), names(keys, last)) for keys, last in held]
        for (kid, iss, aud), (alg, exp) in self.tokens.items():
            if self.now < exp:
                for policy in readers + of_authorizer:
                    assert policy.keys.find(kid, self.now), "refused by a reader"
                    assert self._takes(policy.accepted(self.now), iss, aud), "a name is refused by a reader"
                for known, accepted in fetched:
                    assert alg is Algorithm.HS256 or kid in known, "refused by a verifier"
                    assert self._takes(accepted, iss, aud), "a name is refused by a verifier"

    def _takes(self, accepted: Accepted, iss: str, aud: str) -> bool:
        return iss in accepted.issuers_at(self.now) and aud in accepted.audiences_at(self.now)

    def _expect_ends(self, policy: SigningPolicy) -> None:
        """Note when the names end, by the policy that is put in force. A name that it takes back has no end."""
        accepted = policy.accepted(self.now)
        for claim, ends in (("iss", accepted.issuers), ("aud", accepted.audiences)):
            for name, until in ends.items():
                self.ends.pop((claim, name), None)
                if until is not None:
                    self.ends[claim, name] = until
                    self.marks |= {until, self.now + self.caches.jwks}
        for planned in (policy.issuers.planned, policy.audiences and policy.audiences.planned):
            self.marks |= {planned.at} if planned else set()

    def _look_at_ends(self, readers: list[SigningPolicy]) -> None:
        """Assert that nothing accepts a name after its end, except an announcement, which cannot know the end."""
        ended = {name for name, until in self.ends.items() if until <= self.now}
        fetched = [(keys, last) for keys, _, last in self.published.read(self.now, self.caches.jwks)]
        for accepted in [
            *(policy.accepted(self.now) for policy in readers),
            *(names(keys, last) for keys, last in fetched if not self._is_announced(keys)),
        ]:
            assert ended.isdisjoint({("iss", name) for name in accepted.issuers_at(self.now)}), "an issuer has no end"
            assert ended.isdisjoint({("aud", name) for name in accepted.audiences_at(self.now)}), "an audience has none"

    def _look_at_refresh_tokens(self, readers: list[SigningPolicy]) -> None:
        held = [{key.key_id for key in policy.refresh_keys if key.verifies(self.now)} for policy in readers]
        newest = {key.key_id for key in self.policy.refresh_keys if key.verifies(self.now)}
        for key_id, ends_at in self.refresh_tokens.items():
            # A reader that does not know the key of a reset reads the policy once more.
            known = key_id in newest if key_id in self.at_once else all(key_id in each for each in held)
            assert self.now >= ends_at or known, "a session is lost"

    def _look_at_revoked(self, revoked: Revoked) -> None:
        own_age = min(OWN_JWKS_AGE, self.caches.jwks) + self.caches.authorizer
        if self.now > revoked.own_by:
            for policy, first, _ in self.policies.read(self.now, max(own_age, self.caches.policy)):
                found = [kid for kid in revoked.kids if policy.keys.find(kid, first)]
                assert not found, "a reader believes in a key that was reset"
                assert revoked.kids.isdisjoint(key.key_id for key in policy.refresh_keys), "a session was to end"
            for keys, first, _ in self.published.read(self.now, own_age):
                assert revoked.kids.isdisjoint(kids(keys, first)), "the authorizer believes in a key that was reset"
        if self.now > revoked.others_by:
            for keys, first, _ in self.published.read(self.now, self.caches.jwks):
                assert revoked.kids.isdisjoint(kids(keys, first)), "a verifier believes in a key that was reset"


def _ids(policy: SigningPolicy) -> set[str]:
    return {key.kid for key in policy.keys.keys} | {key.key_id for key in policy.refresh_keys}


def names(keys: PublishedKeys, now: int) -> Accepted:
    """Return the issuers and audiences in the JWKS as it is served at that time."""
    return from_member(keys.jwks_at(now)[MEMBER])


def kids(keys: PublishedKeys, now: int) -> set[str]:
    """Return the ids in the JWKS as it is served at that time."""
    return {key["kid"] for key in keys.jwks_at(now)["keys"]}
