"""The decision of each policy about a past token: the session goes on, or ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from latchkey.core.grants.repeats import RULE, Bucket, Rule, Verdict, classify, counted, is_over
from tests.bench.refresh.sessions import Repeat


class Policy(Protocol):
    """Judges the past tokens of one session, in their order."""

    def ends(self, repeat: Repeat) -> bool:
        """Say whether this past token ends the session."""


@dataclass(slots=True)
class Strict:
    """OAuth 2.1 to the letter: any past token ends the session."""

    def ends(self, repeat: Repeat) -> bool:
        """Say yes."""
        return True


@dataclass(slots=True)
class Window:
    """A spent token works for a while, from anywhere; afterwards it ends the session."""

    seconds: int

    def ends(self, repeat: Repeat) -> bool:
        """Say whether the window is over."""
        return repeat.age > self.seconds


@dataclass(slots=True)
class ParentValid:
    """The parent of the current token always works, and an older token for a while."""

    seconds: int

    def ends(self, repeat: Repeat) -> bool:
        """Say whether the token is older than the parent, and the window over."""
        return repeat.behind > 1 and repeat.age > self.seconds


@dataclass(slots=True)
class Streak:
    """Latchkey before this rule: late repeats of generations in a row end the session."""

    seconds: int
    limit: int
    late: int = -1
    streak: int = 0

    def ends(self, repeat: Repeat) -> bool:
        """Say whether the row has become too long."""
        generation = repeat.request.generation
        if repeat.behind > 1:
            return True
        if self.late == generation or repeat.age <= self.seconds:
            return False
        self.streak = self.streak + 1 if self.late == generation - 1 else 1
        self.late = generation
        return self.streak > self.limit


@dataclass(slots=True)
class Leaky:
    """Latchkey: the rule of `rule.py`."""

    rule: Rule
    bucket: Bucket = field(default_factory=Bucket)

    def ends(self, repeat: Repeat) -> bool:
        """Say whether the token is reuse, or the last that the bucket could hold."""
        verdict = classify(repeat.request, repeat.chain, self.rule)
        if verdict is Verdict.LATE:
            self.bucket = counted(self.bucket, repeat.request.generation, self.rule)
        return verdict is Verdict.REUSE or is_over(self.bucket, self.rule)


@dataclass(slots=True)
class Weighted(Leaky):
    """A variant that was considered: a late repeat whose key is not the one that advanced counts twice."""

    def ends(self, repeat: Repeat) -> bool:
        """Count as `Leaky` does, and once more where the keys differ."""
        before = self.bucket.generation
        ended = Leaky.ends(self, repeat)
        other_key = repeat.chain.last is not None and repeat.request.key != repeat.chain.last.key
        if self.bucket.generation != before and other_key:
            self.bucket = replace(self.bucket, level=self.bucket.level + 1)
        return ended or is_over(self.bucket, self.rule)


@dataclass(slots=True)
class OneBehind(Leaky):
    """A variant that was considered: only a token two generations old can be a delayed duplicate, for 60 s."""

    def ends(self, repeat: Repeat) -> bool:
        """End the session for older tokens, in a burst too."""
        return Leaky.ends(self, repeat) or repeat.behind > 2 or (repeat.behind == 2 and repeat.age >= 60)


@dataclass(slots=True)
class OpenWindow(Leaky):
    """A variant that was considered: the short window of every network, unless both requests sent different keys."""

    def ends(self, repeat: Repeat) -> bool:
        """Treat a repeat in the short window as if neither request had a key, where one of them has none."""
        request, last = repeat.request, repeat.chain.last
        if last is not None and not (request.key and last.key):
            chain = replace(repeat.chain, last=replace(last, key=""))
            return Leaky.ends(self, replace(repeat, request=replace(request, key=""), chain=chain))
        return Leaky.ends(self, repeat)


Maker = Callable[[], Policy]


def latchkey(**changes: int) -> Maker:
    """Return a maker of Latchkey's policy, with some numbers of the rule changed."""
    rule = replace(RULE, **changes)
    return lambda: Leaky(rule)


POLICIES: dict[str, Maker] = {
    "strict rotation": Strict,
    "60 s window": lambda: Window(60),
    "previous always valid": lambda: ParentValid(10),
    "Latchkey before": lambda: Streak(10, 2),
    "Latchkey": latchkey(),
}
"""The policies of the tables.

The first is the letter of OAuth 2.1. The second is Cognito's longest `RetryGracePeriodSeconds`; that a
token ends the session afterwards is assumed, since Cognito's documentation does not say. The third is what Supabase
documents for its reuse detection, with its interval of 10 s.
"""


LIMITS = {1: (1, 2, 4, 6, 8, 10, 12, 16, 20), 2: (4, 8, 12, 16, 20), 5: (4, 8, 12, 16), 20: (1, 2, 4, 8, 16)}
"""The limits that are tried, by the number of generations without a late repeat that it takes to lose one."""


def limit_name(limit: int, generations_per_leak: int) -> str:
    """Return the name of a variant in `SWEPT`."""
    return f"limit {limit}, leak after {generations_per_leak}"


LIMIT_VARIANTS: dict[str, Maker] = {
    limit_name(limit, leak): latchkey(limit=limit, generations_per_leak=leak)
    for leak, limits in LIMITS.items()
    for limit in limits
}
"""Variants of the rule that differ in how they count, and not in what they count."""

OTHER_VARIANTS: dict[str, Maker] = {
    **{f"same network {seconds} s": latchkey(same_network_seconds=seconds) for seconds in (5, 15, 30, 65)},
    "no window of any network": latchkey(any_network_seconds=-1),
    **{f"any network {seconds} s": latchkey(any_network_seconds=seconds) for seconds in (0, 2, 5)},
    "another key counts twice": lambda: Weighted(RULE),
    "a missing key is as free as none": lambda: OpenWindow(RULE),
    "only two generations back, 60 s": lambda: OneBehind(RULE),
}
"""Variants that differ in what they count."""

VARIANTS = LIMIT_VARIANTS | OTHER_VARIANTS
