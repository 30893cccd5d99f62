"""Draw the trade-off as SVG: how often honest people are signed out, against how long an awake thief lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log10

from tests.bench.refresh.assumptions import PLAIN
from tests.bench.refresh.experiment import Result
from tests.bench.refresh.policies import LIMITS, POLICIES, limit_name
from tests.bench.refresh.thieves import AWAKE

WIDTH, HEIGHT = 640, 620
LEFT, RIGHT, TOP, BOTTOM = 92, 612, 100, 500
"""The edges of the plot."""

LEAST, MOST = 0.01, 1000.0
"""Sign-outs a user and year; fewer are drawn at the left edge."""

SHORTEST, LONGEST = 0.04, 30.0
"""Days that a thief lives; more are drawn at the upper edge."""

_STYLE = """
text { font: 17px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 15px; fill: #59636e }
.title { font-size: 19px; font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.other { fill: #59636e; stroke: #59636e }
.ours { fill: #0969da; stroke: #0969da }
.curve { fill: none; stroke-width: 2 }
.slow { stroke-dasharray: 6 5 }
.hollow { fill: #ffffff }
text.ours { fill: #0969da; stroke: none; font-weight: 600 }
text.other { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small, .other { fill: #9198a1 }
  .other { stroke: #9198a1 }
  .grid { stroke: #3d444d }
  .ours { fill: #4493f8; stroke: #4493f8 }
  .curve { fill: none }
  .hollow { fill: #0d1117 }
  text.ours { fill: #4493f8 }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """A policy in the plot: sign-outs a year on the good and on the bad network, and days."""

    good: float
    bad: float
    days: float


def draw(results: Result) -> str:
    """Return the SVG."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
            '<title id="t">False sign-outs against the life of an awake thief</title>',
            f'<desc id="d">{_described(results)}</desc>',
            f"<style>{_STYLE}</style>",
            *_axes(),
            *_curves(results),
            *_policies(results),
            *_legend(),
            "</svg>\n",
        )
    )


def _x(sign_outs: float) -> float:
    share = log10(max(sign_outs, LEAST) / LEAST) / log10(MOST / LEAST)
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _y(days: float) -> float:
    share = log10(min(max(days, SHORTEST), LONGEST) / SHORTEST) / log10(LONGEST / SHORTEST)
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _points(results: Result, names: Iterable[str]) -> dict[str, Point]:
    honest = {
        each["profile"]: each["sign_outs_per_year"] for each in results["honest"] if each["population"] == PLAIN.name
    }
    lives = next(
        each["life_in_days"] for each in results["thieves"] if each["thief"] == AWAKE.name and each["owner"] == "no key"
    )
    return {
        name: Point(
            honest["realistic"][name]["mean"], honest["pessimistic"][name]["mean"], lives[name]["median"] or LONGEST
        )
        for name in names
    }


def _described(results: Result) -> str:
    """Say the plot in words, for people who do not see it."""
    told = (
        f"{name}: {point.good:g} sign-outs a year on a good network, {point.bad:g} on a bad one, "
        + ("a thief lives longer than 30 days" if point.days >= LONGEST else f"a thief lives {point.days:g} days")
        for name, point in _points(results, POLICIES).items()
    )
    return "; ".join(told)


def _axes() -> Iterator[str]:
    yield f'<text class="title" x="{LEFT}" y="28">How long an awake thief lives (median)</text>'
    yield f'<text class="small" x="{LEFT}" y="52">the thief follows the owner within 1 to 5 s; no keys</text>'
    for days, label in (
        (30, "30 days +"),
        (10, "10 days"),
        (3, "3 days"),
        (1, "1 day"),
        (0.25, "6 h"),
        (1 / 24, "1 h"),
    ):
        yield f'<path class="grid" d="M{LEFT} {_y(days)}H{RIGHT}"/>'
        yield f'<text class="small" text-anchor="end" x="{LEFT - 8}" y="{_y(days) + 5}">{label}</text>'
    for rate in (0.01, 0.1, 1, 10, 100, 1000):
        yield f'<path class="grid" d="M{_x(rate)} {TOP}V{BOTTOM}"/>'
        label = "none seen" if rate == LEAST else f"{rate:g}"
        yield f'<text class="small" text-anchor="middle" x="{_x(rate)}" y="{BOTTOM + 22}">{label}</text>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 48}" text-anchor="end">False sign-outs per user and year</text>'


def _curves(results: Result) -> Iterator[str]:
    """Draw what Latchkey's limit does on the bad network, for the fastest and the slowest leak."""
    for leak, style in ((1, "ours curve"), (20, "ours curve slow")):
        names = [limit_name(limit, leak) for limit in LIMITS[leak]]
        points = _points(results, names)
        yield f'<polyline class="{style}" points="{" ".join(f"{_x(p.bad)},{_y(p.days)}" for p in points.values())}"/>'
        for limit, point in zip(LIMITS[leak], points.values(), strict=True):
            yield f'<circle class="ours" cx="{_x(point.bad)}" cy="{_y(point.days)}" r="3"/>'
            if limit in {1, 4, 12}:
                yield f'<text class="small" x="{_x(point.bad) + 7}" y="{_y(point.days) + 17}">{limit}</text>'


def _policies(results: Result) -> Iterator[str]:
    """Draw each policy as a bar from the good network to the bad one."""
    for name, point in _points(results, POLICIES).items():
        style = "ours" if name == "Latchkey" else "other"
        good, bad, y = _x(point.good), _x(point.bad), _y(point.days)
        yield f'<path class="{style}" stroke-width="3" d="M{good} {y}H{bad}"/>'
        yield f'<circle class="{style} hollow" stroke-width="3" cx="{good}" cy="{y}" r="6"/>'
        yield f'<circle class="{style}" cx="{bad}" cy="{y}" r="7"/>'
        x, label_y, anchor = _label(good, bad, y)
        yield f'<text class="{style}" text-anchor="{anchor}" x="{x}" y="{label_y}">{name}</text>'


def _label(good: float, bad: float, y: float) -> tuple[float, float, str]:
    """Return where the name of a bar stands: above a point in the corner, or at the side that has room."""
    if good == bad and y == TOP:
        return good, y - 14, "start"
    return (good - 14, y + 6, "end") if good > (LEFT + RIGHT) / 2 else (bad + 14, y + 6, "start")


def _legend() -> Iterator[str]:
    y = BOTTOM + 76
    yield f'<circle class="other hollow" stroke-width="3" cx="{LEFT + 6}" cy="{y - 5}" r="6"/>'
    yield f'<text class="small" x="{LEFT + 20}" y="{y}">3 % of answers lost</text>'
    yield f'<circle class="other" cx="{LEFT + 206}" cy="{y - 5}" r="7"/>'
    yield f'<text class="small" x="{LEFT + 220}" y="{y}">20 % lost</text>'
    yield f'<path class="ours curve" d="M{LEFT} {y + 21}h40"/>'
    yield f'<text class="small" x="{LEFT + 50}" y="{y + 26}">limit 1 to 20, 20 % lost</text>'
    yield f'<path class="ours curve slow" d="M{LEFT + 250} {y + 21}h40"/>'
    yield f'<text class="small" x="{LEFT + 300}" y="{y + 26}">leak 20 times slower</text>'
