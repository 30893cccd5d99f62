"""Every number that the simulation assumes about phones, apps and networks, each with its reason or its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

DAY = 86_400
ACCESS_TTL = 900
"""Seconds that an access token lives. An app does not refresh sooner."""


class Keys(Enum):
    """How an app chooses the `Idempotency-Key` of a refresh."""

    NONE = "none"
    ATTEMPT = "a new one for each attempt"
    MEMORY = "one for each refresh, lost when the process ends"
    STORED = "one for each refresh, stored before it is sent"


@dataclass(frozen=True, slots=True)
class Habits:
    """The behaviour of one kind of phone. Shares are between 0 and 1, times are in seconds."""

    refreshes_per_day: float
    same_use: float
    request_lost: float
    answer_lost: float
    bad_weeks: float
    lost_in_bad_weeks: float
    interrupted: float
    forgotten: float
    retried_soon: float
    quick_tries: int
    rereads: float
    moved_soon: float
    moved_later: float
    split: float
    callers: tuple[int, int]
    spread: float
    shared_luck: float
    latency: float
    refreshes_again: float
    raced: float
    suspended: float
    suspension: float
    keys: Keys = Keys.NONE


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number in both profiles."""

    realistic: float
    pessimistic: float
    meaning: str
    why: str


ASSUMPTIONS: dict[str, Assumption] = {
    "refreshes_per_day": Assumption(
        8, 8, "Refreshes a day", "An access token lives 15 minutes, so each use of the app begins with a refresh"
    ),
    "same_use": Assumption(
        0.3,
        0.3,
        "Refreshes within the same use of the app",
        "Uses of more than 15 minutes; the others come hours later",
    ),
    "request_lost": Assumption(
        0.03, 0.2, "Requests that never arrive", "Chosen: a poor mobile network, and one that hardly works"
    ),
    "answer_lost": Assumption(0.03, 0.2, "Answers that never arrive", "Chosen, as above"),
    "bad_weeks": Assumption(0, 0, "Weeks in which the network is worse", "None, but for the population that travels"),
    "lost_in_bad_weeks": Assumption(
        0.2, 0.5, "Requests, and answers, that are lost in such a week", "Chosen: half of all is lost"
    ),
    "interrupted": Assumption(
        0.005,
        0.02,
        "The process ends or sleeps after it has sent, before it has stored",
        "Median of crash-free app sessions: 99.95 % (Instabug 2024); suspension in the background is more frequent",
    ),
    "forgotten": Assumption(0.5, 0.5, "The process has ended before the next use", "The system reclaims memory"),
    "retried_soon": Assumption(
        0.7, 0.5, "Failed attempts that are repeated at once", "The others wait for the next use, often hours later"
    ),
    "quick_tries": Assumption(3, 3, "Attempts that are repeated at once, at most", "Common in HTTP libraries"),
    "rereads": Assumption(
        0.9, 0.5, "Callers that look for a newer token before they repeat", "Apps without one place for refreshing"
    ),
    "moved_soon": Assumption(0.05, 0.2, "Another network at a repeat", "Leaving the house is a reason for the loss"),
    "moved_later": Assumption(0.5, 0.5, "Another network at the next use", "Home and elsewhere"),
    "split": Assumption(
        0.01,
        0.05,
        "Connections that leave by another address than the last",
        "IPv4 beside IPv6; carriers keep a subscriber on one address (RFC 6888, REQ-2)",
    ),
    "spread": Assumption(0.3, 1, "Mean seconds between parallel callers", "Screens load their parts together"),
    "shared_luck": Assumption(0.8, 0.8, "Parallel callers that share the loss of the first", "One phone, one moment"),
    "latency": Assumption(0.3, 1, "Mean seconds until an answer is stored", "A cold start takes about a second"),
    "refreshes_again": Assumption(
        0, 0, "Parallel callers that refresh again after another has stored", "None, but for one population"
    ),
    "raced": Assumption(0, 0, "Refreshes raced by another process", "None, but for one population"),
    "suspended": Assumption(
        0.2, 0.2, "Such processes that sleep between reading and sending", "Systems suspend background work"
    ),
    "suspension": Assumption(60, 300, "Mean seconds of that sleep", "Chosen"),
}

NOTICED = ((0.4, 0.0, 2.0), (0.7, 10.0, 12.0), (1.0, 60.0, 62.0))
"""How long an app takes to notice a loss: cumulative share, and the seconds between which it falls.

A reset connection is noticed at once. By default OkHttp gives up reading after 10 s, and URLSession after 60 s.
"""

HOME_AGAIN = 0.5
"""How often a phone that leaves a mobile network comes home; otherwise it meets another mobile network."""


def _profile(name: str) -> Habits:
    # mypy cannot see that the names are the fields'; a missing or foreign one is a TypeError at import.
    return Habits(callers=(1, 1), **{field: getattr(row, name) for field, row in ASSUMPTIONS.items()})


PROFILES = {name: _profile(name) for name in ("realistic", "pessimistic")}


@dataclass(frozen=True, slots=True)
class Population:
    """One kind of app: its habits in each profile, and the assumptions that are its own."""

    name: str
    habits: dict[str, Habits]
    own: dict[str, tuple[float, float]]


def _population(
    name: str, keys: Keys = Keys.NONE, callers: tuple[int, int] = (1, 1), **own: tuple[float, float]
) -> Population:
    """Return a population whose habits differ from the profiles' in these assumptions: realistic and pessimistic."""
    habits = {}
    for number, (profile, usual) in enumerate(PROFILES.items()):
        changes: dict[str, Any] = {field: values[number] for field, values in own.items()}
        habits[profile] = replace(usual, keys=keys, callers=callers, **changes)
    return Population(name, habits, own)


PLAIN = _population("One refresh at a time, no key")
STORED = _population("One at a time, key stored (our clients)", keys=Keys.STORED)
ATTEMPT = _population("One at a time, new key for each attempt", keys=Keys.ATTEMPT)
PARALLEL = _population("2 to 8 callers at once, no key", callers=(2, 8))
PARALLEL_KEYS = _population("2 to 8 callers at once, a key each", keys=Keys.ATTEMPT, callers=(2, 8))
AGAIN = _population("2 to 8 callers, some refresh again, no key", callers=(2, 8), refreshes_again=(0.3, 0.6))
INTERRUPTED = _population("Often interrupted, no key", interrupted=(0.03, 0.1))
POPULATIONS = (
    PLAIN,
    STORED,
    _population("One at a time, key kept in memory", keys=Keys.MEMORY),
    ATTEMPT,
    PARALLEL,
    PARALLEL_KEYS,
    AGAIN,
    INTERRUPTED,
    _population("Often changes networks, no key", moved_soon=(0.5, 0.5), moved_later=(0.9, 0.9)),
    _population("Several processes, no key", raced=(0.02, 0.1)),
    _population("Travels one week in ten, no key", bad_weeks=(0.1, 0.1)),
)
SWEPT_POPULATIONS = {PLAIN.name, ATTEMPT.name, PARALLEL.name, AGAIN.name, INTERRUPTED.name}
"""The populations on which variants of the rule are tried."""
