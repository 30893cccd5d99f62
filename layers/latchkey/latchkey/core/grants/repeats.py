"""Decide whether a refresh token of a past generation is a retry or theft.

Pure functions over small frozen values, without a clock and without a store. The simulation in
`tests/bench/refresh` imports them, so the rule that is simulated is the rule that runs.

A session stands at generation `g`. A token of generation `n` is one of these:

    n > g        ahead of the store, as after a restored backup
    n = g        current: the session advances
    n = g - 1    a repeat: free, or late and counted in the session's bucket
    n < g - 1    a delayed duplicate if it was spent in the present burst, and otherwise reuse: the session ends
                 (RFC 9700 section 4.14.2)

The bucket gains one for each generation that is repeated late, and loses one for each run of generations that are not.
A bad network repeats some generations late. Two holders of one token repeat nearly all of them late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers that decide. Times are in seconds.

    `limit` is the highest level that a bucket may reach. With 0, no token works twice, as OAuth 2.1 requires: then
    parallel requests and lost responses sign people out.
    """

    limit: int
    generations_per_leak: int
    same_network_seconds: int
    any_network_seconds: int
    burst_seconds: int


RULE = Rule(
    limit=12,  # with 27 % of refreshes late, one false sign-out in 500 years; with 10, one in 70
    generations_per_leak=1,  # slower, and ordinary losses add up over the years until they end the session
    same_network_seconds=10,  # longer helps few, and gives a thief on that network more room
    any_network_seconds=1,  # parallel requests over IPv4 and IPv6; with 2, a close follower lives twice as long
    burst_seconds=120,  # a request that timed out after 60 s is still repeated once
)
"""The numbers that follow from the simulation."""


@dataclass(frozen=True, slots=True)
class Presented:
    """One request to refresh.

    `at` is Unix time. `network` is the address cut to /24 or /48. `key` is the hash of the `Idempotency-Key`, or empty.
    """

    generation: int
    at: int
    network: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The advances that a session remembers.

    `last` is the request that advanced it to its generation, and `before_key` the key of the request that advanced it
    before that. The present burst began at `burst_at`, when generation `burst` was spent: an app that refreshes in
    several places advances several times within seconds, and some of its requests arrive late.
    """

    generation: int = 0
    last: Presented | None = None
    before_key: str = ""
    burst: int = 0
    burst_at: int = 0


@dataclass(frozen=True, slots=True)
class Bucket:
    """The late repeats that a session remembers: how full the bucket is, and which generation was counted last."""

    level: int = 0
    generation: int = -1


class Verdict(Enum):
    """How a presented token is classified."""

    AHEAD = "ahead of the store: refuse, end nothing"
    CURRENT = "the current token: advance"
    FREE = "a retry: give the same successor"
    LATE = "a late repeat: give the same successor, and count it"
    DUPLICATE = "a delayed duplicate: give nothing, end nothing"
    REUSE = "reuse: end the session"


def advanced(chain: Chain, request: Presented, rule: Rule) -> Chain:
    """Return the chain after `request` has advanced it by one generation."""
    before_key = chain.last.key if chain.last else ""
    if chain.last and request.at - chain.burst_at < rule.burst_seconds:
        return Chain(chain.generation + 1, request, before_key, chain.burst, chain.burst_at)
    return Chain(chain.generation + 1, request, before_key, chain.generation, request.at)


def classify(request: Presented, chain: Chain, rule: Rule) -> Verdict:
    """Classify a presented token by the chain that the same read or rejected write returned."""
    behind = chain.generation - request.generation
    if behind <= 0:
        return Verdict.CURRENT if behind == 0 else Verdict.AHEAD
    if rule.limit == 0 or chain.last is None:
        return Verdict.REUSE
    if behind == 1:
        return Verdict.FREE if _is_free(request, chain.last, chain.before_key, rule) else Verdict.LATE
    # The burst ends at a fixed time, or a thief who refreshes without a pause could prolong it forever.
    in_burst = request.generation >= chain.burst and request.at - chain.burst_at < rule.burst_seconds
    return Verdict.DUPLICATE if in_burst else Verdict.REUSE


def _is_free(request: Presented, last: Presented, before_key: str, rule: Rule) -> bool:
    """Say whether a repeat of the last generation is certainly, or almost certainly, a retry of `last`."""
    # A key that never changes does not count: it would make every repeat free, even a thief's.
    key, last_key = ("" if each == before_key else each for each in (request.key, last.key))
    if key and key == last_key:
        return True
    elapsed = request.at - last.at
    if request.network == last.network:
        return elapsed <= rule.same_network_seconds
    # A client that sends keys sends one with each request, so a request without one is not the client's.
    return elapsed <= rule.any_network_seconds and not key and not last_key


def leaked(bucket: Bucket, generation: int, rule: Rule) -> int:
    """Return the bucket's level at a generation: one less for each full run of generations without a late repeat."""
    clean = max(0, generation - bucket.generation - 1)
    return max(0, bucket.level - clean // rule.generations_per_leak)


def counted(bucket: Bucket, generation: int, rule: Rule) -> Bucket:
    """Return the bucket after a late repeat of this generation. Each generation counts once."""
    if generation <= bucket.generation:
        return bucket
    return Bucket(leaked(bucket, generation, rule) + 1, generation)


def is_over(bucket: Bucket, rule: Rule) -> bool:
    """Say whether the session has to end."""
    return bucket.level > rule.limit
