"""The measures: how often honest people are signed out, and how long a thief lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from random import Random

from latchkey.core.grants.repeats import RULE, Verdict, classify
from tests.bench.refresh.assumptions import DAY, Habits
from tests.bench.refresh.phones import Phone
from tests.bench.refresh.policies import Maker
from tests.bench.refresh.sessions import Repeat, Session
from tests.bench.refresh.thieves import Theft

YEAR = 365 * DAY
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of events over a time, with its 95 % interval: Byar's approximation of the exact Poisson interval."""

    events: int
    years: float

    @property
    def mean(self) -> float:
        """Events a year."""
        return self.events / self.years

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.events * _byar(self.events, -_Z95) / self.years if self.events else 0.0

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return (self.events + 1) * _byar(self.events + 1, _Z95) / self.years


def _byar(events: int, z: float) -> float:
    return float((1 - 1 / (9 * events) + z / (3 * sqrt(events))) ** 3)


def honest_session(habits: Habits, seed: str, years: float) -> Session:
    """Return the session of one phone that is used for so many years."""
    session = Session()
    life = Phone(habits, Random(seed)).live()
    at, request = next(life)
    while at < years * YEAR:
        at, request = life.send(session.present(request))
    return session


def sign_outs(repeats: Sequence[Repeat], make: Maker) -> int:
    """Return how often a policy signs out an honest person, who then signs in again."""
    total, policy, since = 0, make(), 0
    for repeat in repeats:
        # A token of the session that has ended is refused, and ends nothing.
        if repeat.request.generation >= since and policy.ends(repeat):
            total, policy, since = total + 1, make(), repeat.chain.generation
    return total


def notable(repeats: Sequence[Repeat]) -> list[Repeat]:
    """Return the repeats that the rule counts, or that end the session whatever its limit."""
    return [each for each in repeats if classify(each.request, each.chain, RULE) in {Verdict.LATE, Verdict.REUSE}]


def late_share(session: Session) -> float:
    """Return the share of generations that an honest phone repeats late."""
    late = {each.request.generation for each in notable(session.repeats) if each.behind == 1}
    return len(late) / session.chain.generation


def years_between(share: float, limit: int, refreshes_per_year: float) -> float:
    """Return the expected years between sign-outs of an honest phone that repeats this share of generations late.

    Exact where generations are late independently of each other: the level is then a random walk that goes up with
    probability `share` and down otherwise, and never below 0. Holds for a leak of one for each clean generation.
    """
    step = generations = 1 / share
    for _ in range(limit):
        step = 1 / share + (1 - share) / share * step
        generations += step
    return generations / refreshes_per_year


def life_in_days(theft: Theft, make: Maker) -> float:
    """Return how many days after the theft the thief gets no more tokens; infinite if that was not seen."""
    policy = make()
    ended = next((each.request.at for each in theft.session.repeats if policy.ends(each)), inf)
    return min(ended, theft.lost_at) / DAY


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
