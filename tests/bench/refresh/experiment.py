"""Run every policy against every population and every thief."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any

from latchkey.core.grants.repeats import RULE
from tests.bench.refresh.assumptions import (
    ASSUMPTIONS,
    PLAIN,
    POPULATIONS,
    PROFILES,
    SWEPT_POPULATIONS,
    Habits,
    Keys,
    Population,
)
from tests.bench.refresh.measures import (
    Rate,
    honest_session,
    late_share,
    life_in_days,
    notable,
    quantile,
    sign_outs,
    years_between,
)
from tests.bench.refresh.policies import LIMIT_VARIANTS, OTHER_VARIANTS, POLICIES, VARIANTS
from tests.bench.refresh.thieves import AWAKE, SOMETIMES, THIEVES, Theft, Thief

DAYS = 30
"""How long each theft is watched."""

YEARS = 100.0
PARALLEL_YEARS = 16.0
"""User-years of the populations with parallel callers, each of which presents a hundred times as many past tokens."""

THEFTS = 200
OWNERS = {"no key": Keys.NONE, "stored key": Keys.STORED}
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
REFRESHES_PER_YEAR = 365 * ASSUMPTIONS["refreshes_per_day"].realistic

Result = dict[str, Any]
"""A part of the results, as JSON holds it."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much to simulate, as a share of the whole run."""

    scale: float = 1.0

    def years_of(self, habits: Habits) -> float:
        """Return the user-years to simulate of such phones."""
        return self.scale * (PARALLEL_YEARS if habits.callers[1] > 1 else YEARS)

    @property
    def thefts(self) -> int:
        """How many thefts to simulate by each thief."""
        return max(2, round(self.scale * THEFTS))


def run(size: Size) -> Result:
    """Return all results."""
    return {
        "scale": size.scale,
        "rule": asdict(RULE),
        "honest": [_honest(each, profile, size) for profile in PROFILES for each in POPULATIONS],
        "thieves": [_thief(each, owner, size) for owner in OWNERS for each in THIEVES],
        "years_between": [
            {"late_share": share, "years": _rounded(years_between(share, RULE.limit, REFRESHES_PER_YEAR))}
            for share in SHARES
        ],
    }


def _honest(population: Population, profile: str, size: Size) -> Result:
    habits = population.habits[profile]
    years = size.years_of(habits)
    session = honest_session(habits, f"{population.name}, {profile}", years)
    found = {name: sign_outs(session.repeats, make) for name, make in POLICIES.items()}
    if population is PLAIN or (population.name in SWEPT_POPULATIONS and profile == "pessimistic"):
        found |= {name: sign_outs(session.repeats, make) for name, make in OTHER_VARIANTS.items()}
        counted = notable(session.repeats)
        found |= {name: sign_outs(counted, make) for name, make in LIMIT_VARIANTS.items()}
    return {
        "population": population.name,
        "profile": profile,
        "user_years": years,
        "refreshes_per_year": round(session.chain.generation / years),
        "late_share": _rounded(late_share(session)),
        "sign_outs_per_year": {name: _rate(Rate(events, years)) for name, events in found.items()},
    }


def _rate(rate: Rate) -> Result:
    return {"events": rate.events, "mean": _rounded(rate.mean), "low": _rounded(rate.low), "high": _rounded(rate.high)}


def _thief(thief: Thief, owner: str, size: Size) -> Result:
    habits = replace(PLAIN.habits["realistic"], keys=OWNERS[owner])
    thefts = [Theft(thief, habits, f"{thief.name}, {owner}, {number}") for number in range(size.thefts)]
    for theft in thefts:
        theft.run(DAYS)
    makers = POLICIES | (VARIANTS if thief in {AWAKE, SOMETIMES} else {})
    lives = {name: [life_in_days(theft, make) for theft in thefts] for name, make in makers.items()}
    return {
        "thief": thief.name,
        "owner": owner,
        "thefts": size.thefts,
        "life_in_days": {name: _life(days) for name, days in lives.items()},
    }


def _life(days: list[float]) -> Result:
    """Return median, 90th percentile and the share of thieves who live longer than was watched."""
    middle, high = (quantile(days, share) for share in (0.5, 0.9))
    alive = sum(each == inf for each in days) / len(days)
    return {"median": _days(middle), "p90": _days(high), "alive": _rounded(alive)}


def _days(days: float) -> float | None:
    return None if days == inf else _rounded(days)


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")
