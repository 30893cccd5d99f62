"""Decide whether a refresh token of a past generation is a retry or theft.

Pure functions over small frozen values, without clock or store. The simulation beside this file imports them, so the
rule that is simulated is the rule that runs.

A session stands at generation `g`. A token of generation `n` is

    n > g        ahead of the store, as after a restored backup
    n = g        current: the session advances
    n = g - 1    a repeat: free, or counted in the session's leaky bucket
    n = g - 2    a delayed duplicate if it was spent a moment ago; otherwise reuse
    n < g - 2    reuse: the session ends (RFC 9700 section 4.14.2)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers that decide. Times are seconds.

    `limit` is the highest level that a session's bucket may reach; 0 is OAuth 2.1's letter, where no token works twice.
    """

    limit: int
    generations_per_leak: int
    other_key_weight: int
    same_network_seconds: int
    any_network_seconds: int
    duplicate_seconds: int


_REMEMBERED = 2  # advances that a chain remembers

RULE = Rule(
    limit=4,
    generations_per_leak=20,
    other_key_weight=2,
    same_network_seconds=10,
    any_network_seconds=2,
    duplicate_seconds=60,
)
"""The numbers that follow from the simulation."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A request to refresh: its token's generation, when and from which network it came, and its key.

    `at` is Unix time. `network` is the address cut to /24 or /48. `key` is the hash of its `Idempotency-Key`, or empty.
    """

    generation: int
    at: int
    network: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """What a session remembers of its advances: the last two requests that advanced it.

    `last` spent generation `generation - 1`, and `before` spent `generation - 2`. `keys_seen` says that the client has
    sent two different keys in a row: it makes one for each refresh.
    """

    generation: int = 0
    last: Presented | None = None
    before: Presented | None = None
    keys_seen: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a session remembers of its counted repeats.

    `generation` is the last one that was counted, and `weight` what was counted for it.
    """

    level: int = 0
    generation: int = -1
    weight: int = 0


class Verdict(Enum):
    """What a presented token is taken for."""

    AHEAD = "ahead of the store: refuse, end nothing"
    CURRENT = "the current token: advance"
    FREE = "a retry: the same successor, not counted"
    LATE = "a late repeat: the same successor, counted"
    OTHER_KEY = (
        "a late repeat without the key of the request that advanced: the same successor, counted with more weight"
    )
    DUPLICATE = "a delayed duplicate: try again in a second, end nothing"
    REUSE = "reuse: end the session"


def advanced(chain: Chain, request: Presented) -> Chain:
    """Return the chain after `request` has advanced it by one generation."""
    last_key = chain.last.key if chain.last else ""
    fresh = bool(request.key and last_key and request.key != last_key)
    return Chain(chain.generation + 1, request, chain.last, chain.keys_seen or fresh)


def classify(request: Presented, chain: Chain, rule: Rule) -> Verdict:
    """Say what a presented token is, by the chain that the same read or refused write returned."""
    behind = chain.generation - request.generation
    if behind <= 0:
        return Verdict.CURRENT if behind == 0 else Verdict.AHEAD
    if rule.limit == 0 or behind > _REMEMBERED or chain.last is None:
        return Verdict.REUSE
    if behind == 1:
        return _repeat(request, chain.last, chain, rule)
    recent = chain.before is not None and request.at - chain.before.at < rule.duplicate_seconds
    return Verdict.DUPLICATE if recent else Verdict.REUSE


def _repeat(request: Presented, last: Presented, chain: Chain, rule: Rule) -> Verdict:
    stale_key = chain.before.key if chain.before else ""
    # A client that sends one key forever would otherwise make every repeat free, a thief's too.
    key, first_key = (("" if each == stale_key else each) for each in (request.key, last.key))
    if key and key == first_key:
        return Verdict.FREE
    elapsed = request.at - last.at
    if elapsed <= rule.same_network_seconds and request.network == last.network:
        return Verdict.FREE
    if elapsed <= rule.any_network_seconds and not key and not first_key:
        return Verdict.FREE
    return Verdict.OTHER_KEY if chain.keys_seen or (key and first_key) else Verdict.LATE


def weight_of(verdict: Verdict, rule: Rule) -> int:
    """Return what a verdict adds to the bucket."""
    return {Verdict.LATE: 1, Verdict.OTHER_KEY: rule.other_key_weight}.get(verdict, 0)


def leaked(bucket: Bucket, generation: int, rule: Rule) -> int:
    """Return the bucket's level at a generation: it loses one for each full run of generations without a count."""
    clean = generation - bucket.generation - 1
    return max(0, bucket.level - max(0, clean) // rule.generations_per_leak)


def counted(bucket: Bucket, generation: int, weight: int, rule: Rule) -> Bucket:
    """Return the bucket after a repeat of this generation; each generation counts once, with its highest weight."""
    if generation == bucket.generation:
        extra = max(0, weight - bucket.weight)
        return replace(bucket, level=bucket.level + extra, weight=bucket.weight + extra)
    return Bucket(leaked(bucket, generation, rule) + weight, generation, weight)


def is_over(bucket: Bucket, rule: Rule) -> bool:
    """Say whether the session has to end: its bucket holds more than the limit."""
    return bucket.level > rule.limit
