"""The simulation of refreshing: it agrees with calculations where they exist, and is reproducible."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest

from latchkey.core.grants.repeats import RULE
from tests.bench.refresh import report
from tests.bench.refresh.assumptions import PARALLEL, PLAIN, POPULATIONS, PROFILES, STORED
from tests.bench.refresh.chart import draw
from tests.bench.refresh.experiment import Size, run
from tests.bench.refresh.measures import (
    Rate,
    honest_session,
    late_share,
    life_in_days,
    quantile,
    sign_outs,
    years_between,
)
from tests.bench.refresh.phones import Phone
from tests.bench.refresh.policies import POLICIES, Strict, Window, latchkey
from tests.bench.refresh.sessions import Answer
from tests.bench.refresh.thieves import THIEVES, Theft

ROOT = Path(__file__).resolve().parents[2]
PERFECT = replace(PLAIN.habits["realistic"], request_lost=0, answer_lost=0, interrupted=0)


@pytest.fixture(scope="module")
def results() -> dict[str, object]:
    """Return the results of a very short run."""
    return run(Size(0.001))


def test_a_short_run_gives_every_table_and_the_plot(results: dict[str, object]) -> None:
    """All of it is there: each kind of app, each thief, and an SVG that says in words what it shows."""
    text = report.markdown(results)
    assert all(f"| {name} |" in text for name in [each.name for each in (*POPULATIONS, *THIEVES)])
    root = ET.fromstring(draw(results))  # noqa: S314 -- our own text
    assert all(f"{name}: " in "".join(root.itertext()) for name in POLICIES)


def test_the_same_run_gives_the_same_results(results: dict[str, object]) -> None:
    """The figures in the documents can be reproduced."""
    assert run(Size(0.001)) == results


def test_only_the_marked_part_of_the_page_is_written(results: dict[str, object]) -> None:
    """The rest of the page is written by people."""
    page = f"# Before\n\n{report.BEGIN}\nthe last run\n{report.END}\n\nAfter\n"
    written = report.written(page, results)
    assert written.startswith("# Before\n\n")
    assert written.endswith("\n\nAfter\n")
    assert "the last run" not in written
    assert report.written(written, results) == written


def test_a_page_without_both_marks_is_refused(results: dict[str, object]) -> None:
    """Half a mark would swallow the rest of the page."""
    with pytest.raises(ValueError, match="needs the lines"):
        report.written(f"# Before\n\n{report.BEGIN}\n", results)


def test_the_documents_show_the_rule_that_runs() -> None:
    """A number that changes in the rule asks for a new run of `make bench-refresh`, and the plot is of that run."""
    stored = json.loads((ROOT / report.DATA).read_text())
    assert (stored["scale"], stored["rule"]) == (1, asdict(RULE))
    assert (ROOT / report.CHART).read_text() == draw(stored)


def test_a_perfect_network_repeats_nothing() -> None:
    """A phone that refreshes once at a time, and loses nothing, is signed out by no policy."""
    session = honest_session(PERFECT, "perfect", 2)
    assert session.chain.generation > 5_000
    assert session.repeats == []


def test_the_phone_refreshes_as_often_as_assumed() -> None:
    """The gaps between refreshes have the mean that the assumption says."""
    generations = honest_session(PERFECT, "pace", 4).chain.generation
    assert generations == pytest.approx(4 * 365 * PERFECT.refreshes_per_day, rel=0.03)


@pytest.mark.parametrize("lost", [0.05, 0.3])
def test_strict_rotation_signs_out_for_each_lost_answer(lost: float) -> None:
    """Under strict rotation, the share of refreshes that end in a sign-out is the share of answers that are lost."""
    session = honest_session(replace(PERFECT, answer_lost=lost), "strict", 5)
    share = sign_outs(session.repeats, Strict) / session.chain.generation
    assert share == pytest.approx(lost, rel=0.1)


def test_a_window_forgives_only_what_comes_back_in_time() -> None:
    """A retry at the next use of the app, 15 minutes later or more, ends a session whose window is 60 s."""
    habits = replace(PERFECT, answer_lost=0.1, retried_soon=0)
    repeats = honest_session(habits, "window", 5).repeats
    assert sign_outs(repeats, lambda: Window(60)) == sign_outs(repeats, Strict) > 0


def test_our_clients_are_never_late() -> None:
    """A phone that stores its key before it sends repeats nothing late, on the worst network."""
    assert late_share(honest_session(STORED.habits["pessimistic"], "stored", 2)) == 0


@pytest.mark.parametrize("limit", [1, 2])
def test_the_simulation_agrees_with_the_calculation(limit: int) -> None:
    """Where late refreshes are independent, the bucket is a random walk, and its sign-outs can be calculated."""
    session = honest_session(PLAIN.habits["pessimistic"], "walk", 15)
    per_year = session.chain.generation / 15
    found = Rate(sign_outs(session.repeats, latchkey(limit=limit)), 15)
    assert found.low < 1 / years_between(late_share(session), limit, per_year) < found.high


def test_a_late_thief_lives_as_long_as_the_limit_says() -> None:
    """With nothing lost, a thief who is late each time ends the session at the first generation over the limit."""
    thief = next(each for each in THIEVES if each.name == "In step: follows after minutes")
    theft = Theft(thief, PERFECT, "certain")
    theft.run(30)
    life = life_in_days(theft, latchkey())
    late = [each for each in theft.session.repeats if each.request.at < life * 86_400]
    assert len(late) == RULE.limit


def test_no_policy_but_the_strict_sees_a_thief_in_the_window_on_the_owners_network() -> None:
    """The simulation shows what the rule cannot notice."""
    theft = Theft(THIEVES[-1], PERFECT, "unseen")
    theft.run(30)
    assert [name for name, make in POLICIES.items() if life_in_days(theft, make) < inf] == ["strict rotation"]


def test_a_phone_that_is_signed_out_signs_in_again() -> None:
    """A session that is over gives the phone a new one, at the generation where the server stands."""
    life = Phone(PERFECT, Random("again")).live()  # noqa: S311 -- a simulation wants numbers that repeat
    next(life)
    _, request = life.send(Answer(generation=7, tokens=False, over=True))
    assert request.generation == 7


def test_parallel_callers_carry_one_token() -> None:
    """Callers without one place for refreshing present the same token within seconds."""
    session = honest_session(PARALLEL.habits["realistic"], "parallel", 0.1)
    close = [each for each in session.repeats if each.age <= 5]
    assert len(close) > 2 * session.chain.generation


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0, 3.69), (1, 0.025, 5.57), (10, 4.80, 18.4), (100, 81.4, 121.6)]
)
def test_intervals_are_those_of_a_poisson_count(events: int, low: float, high: float) -> None:
    """They agree with the exact interval, as tables have it, within four hundredths of an event."""
    rate = Rate(events, 1)
    assert [rate.low, rate.high] == pytest.approx([low, high], abs=0.04)


def test_quantiles_are_values_that_occurred() -> None:
    """An infinite life stays infinite, and is no mean."""
    assert (quantile([3, 1, 2, inf], 0.5), quantile([3, 1, 2, inf], 0.9)) == (3, inf)


def test_the_pessimistic_profile_is_worse_in_everything() -> None:
    """Otherwise the profile would not be a bound."""
    good, bad = (asdict(PROFILES[name]) for name in ("realistic", "pessimistic"))
    helps = {"retried_soon", "rereads"}
    worse = {name for name in good if name not in helps and good[name] != bad[name]}
    assert all(bad[name] > good[name] for name in worse)
    assert all(bad[name] < good[name] for name in helps)
