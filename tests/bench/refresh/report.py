"""Write the results as Markdown, for `docs/security.md`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.refresh.assumptions import ASSUMPTIONS, NOTICED, POPULATIONS
from tests.bench.refresh.chart import draw
from tests.bench.refresh.experiment import DAYS, PARALLEL_YEARS, YEARS, Result
from tests.bench.refresh.measures import Rate
from tests.bench.refresh.policies import POLICIES

PAGE = Path("docs/security.md")
CHART = Path("docs/refresh-simulation.svg")
DATA = Path("docs/refresh-simulation.json")
BEGIN, END = "<!-- refresh-simulation -->", "<!-- /refresh-simulation -->"


def markdown(results: Result) -> str:
    """Return all tables with the sentences that they need."""
    return "\n".join((*_sign_outs(results), "", *_lives(results), "", *_shares(results), "", *_assumed()))


def written(page: str, results: Result) -> str:
    """Return a page with the part between the two marks replaced.

    Raises `ValueError` if a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{markdown(results)}\n\n{END}{after}"


def _sign_outs(results: Result) -> Iterator[str]:
    by_population: dict[str, dict[str, Result]] = {}
    for each in results["honest"]:
        by_population.setdefault(each["population"], {})[each["profile"]] = each
    yield "False sign-outs per user and year, on the realistic and on the pessimistic network:"
    yield ""
    yield from _table(
        ("Honest app", *POLICIES, "Repeated late"),
        (
            (
                name,
                *(
                    " / ".join(_rate(each["sign_outs_per_year"][policy]) for each in row.values())
                    for policy in POLICIES
                ),
                " / ".join(f"{_two(each['late_share'] * 100)} %" for each in row.values()),
            )
            for name, row in by_population.items()
        ),
    )
    years, few = (results["scale"] * each for each in (YEARS, PARALLEL_YEARS))
    yield ""
    yield (
        f"0 means that {years:g} simulated user-years showed none ({few:g} where 2 to 8 callers refresh at once): with "
        f"95 % confidence fewer than {_two(Rate(0, years).high)} a year ({_two(Rate(0, few).high)}). The last column "
        "is the share of refreshes that Latchkey counts."
    )
    yield ""
    yield "![False sign-outs against the life of an awake thief](refresh-simulation.svg)"


def _lives(results: Result) -> Iterator[str]:
    rows: dict[str, dict[str, Result]] = {}
    for each in results["thieves"]:
        rows.setdefault(each["thief"], {})[each["owner"]] = each["life_in_days"]
    yield "Days from the theft until the thief gets no more tokens, median and 90th percentile in brackets:"
    yield ""
    yield from _table(
        ("Thief", *POLICIES, "Latchkey, owner stores keys"),
        (
            (name, *(_life(row["no key"][policy]) for policy in POLICIES), _life(row["stored key"]["Latchkey"]))
            for name, row in rows.items()
        ),
    )


def _shares(results: Result) -> Iterator[str]:
    limit = results["rule"]["limit"]
    yield f"What a limit of {limit} forgives, if each refresh is late independently of the others:"
    yield ""
    yield from _table(
        ("Refreshes that are repeated late", "Expected years between false sign-outs"),
        ((f"{each['late_share'] * 100:g} %", _years(each["years"])) for each in results["years_between"]),
    )


def _assumed() -> Iterator[str]:
    yield "Assumptions:"
    yield ""
    yield from _table(
        ("Assumption", "Realistic", "Pessimistic", "Reason or source"),
        (
            (row.meaning, _assumed_value(name, row.realistic), _assumed_value(name, row.pessimistic), row.why)
            for name, row in ASSUMPTIONS.items()
        ),
    )
    yield ""
    yield "Where a kind of app differs:"
    yield ""
    yield from _table(
        ("Honest app", "Assumption", "Realistic", "Pessimistic"),
        (
            (each.name, ASSUMPTIONS[name].meaning, *(_assumed_value(name, value) for value in values))
            for each in POPULATIONS
            for name, values in each.own.items()
        ),
    )
    yield ""
    yield f"An app notices a loss after {_noticed()}."


def _noticed() -> str:
    """Say the distribution of `NOTICED` in words: "0 to 2 s (40 %)" and so on."""
    ends = [most for most, _, _ in NOTICED]
    shares = [most - before for before, most in zip([0.0, *ends], ends, strict=False)]
    return ", ".join(
        f"{low:g} to {high:g} s ({share * 100:.0f} %)" for share, (_, low, high) in zip(shares, NOTICED, strict=True)
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _two(number: float) -> str:
    """Return a number with two significant digits, and never with an exponent."""
    if number >= 10:
        return f"{float(f'{number:.2g}'):,.0f}"
    return f"{number:.2g}"


def _rate(rate: Result) -> str:
    return _two(rate["mean"]) if rate["events"] else "0"


def _life(life: Result) -> str:
    median, high = (f"over {DAYS}" if life[name] is None else _two(life[name]) for name in ("median", "p90"))
    return median if median == high else f"{median} ({high})"


def _years(years: float) -> str:
    if years > 10_000:
        return "over 10,000"
    return _two(years) if years >= 1 else f"{_two(years)} ({_two(years * 365)} days)"


def _assumed_value(name: str, value: float) -> str:
    shares = {"refreshes_per_day", "quick_tries", "spread", "latency", "suspension"}
    return f"{value:g}" if name in shares else f"{value * 100:g} %"


def write(results: Result, root: Path) -> None:
    """Write the data and the plot, and the tables into the page that has a place for them."""
    (root / CHART).parent.mkdir(exist_ok=True)
    (root / DATA).write_text(json.dumps(results, indent=1) + "\n")
    (root / CHART).write_text(draw(results))
    page = root / PAGE
    if page.exists() and BEGIN in page.read_text():
        page.write_text(written(page.read_text(), results))
