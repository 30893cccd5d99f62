"""How a repeated refresh token is judged, and how late repeats add up until they end a session."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.grants.repeats import (
    RULE,
    Bucket,
    Chain,
    Presented,
    Verdict,
    advanced,
    classify,
    counted,
    is_over,
    leaked,
)

NOW = 1_800_000_000
HOME, CAFE = "192.0.2.0/24", "2001:db8:1::/48"
MOMENTS = st.integers(0, 10_000)
NETWORKS = st.sampled_from([HOME, CAFE])
KEYS = st.sampled_from(["", "a", "b", "c"])


def chain_of(*requests: Presented) -> Chain:
    """Return the chain after these requests, each of which spends the next generation."""
    chain = Chain()
    for number, request in enumerate(requests):
        chain = advanced(chain, replace(request, generation=number), RULE)
    return chain


def repeat_after(seconds: int, network: str = HOME, key: str = "", first_key: str = "") -> Verdict:
    """Return the verdict of a repeat of generation 1, whose first request came from home with `first_key`."""
    chain = chain_of(Presented(0, NOW - 9_000, HOME, "before"), Presented(1, NOW, HOME, first_key))
    return classify(Presented(1, NOW + seconds, network, key), chain, RULE)


@pytest.mark.parametrize(
    ("generation", "verdict"),
    [(4, Verdict.AHEAD), (3, Verdict.AHEAD), (2, Verdict.CURRENT), (1, Verdict.LATE), (0, Verdict.REUSE)],
)
def test_a_token_is_judged_by_how_far_it_is_behind(generation: int, verdict: Verdict) -> None:
    """The current token advances, its parent is a repeat, an older one is reuse, and a newer one is ahead."""
    chain = chain_of(Presented(0, NOW - 9_000, HOME), Presented(1, NOW, HOME))
    assert classify(Presented(generation, NOW + 3_600, HOME), chain, RULE) is verdict


@pytest.mark.parametrize(
    ("seconds", "network", "verdict"),
    [
        (0, HOME, Verdict.FREE),
        (RULE.same_network_seconds, HOME, Verdict.FREE),
        (RULE.same_network_seconds + 1, HOME, Verdict.LATE),
        (RULE.any_network_seconds, CAFE, Verdict.FREE),
        (RULE.any_network_seconds + 1, CAFE, Verdict.LATE),
        (-3, HOME, Verdict.FREE),
    ],
)
def test_a_repeat_within_its_window_is_free(seconds: int, network: str, verdict: Verdict) -> None:
    """Parallel requests come from one network within seconds, or from two at once; clocks may differ a little."""
    assert repeat_after(seconds, network) is verdict


def test_the_same_key_is_free_at_any_time_from_anywhere() -> None:
    """A phone that stored its key before it sent may come back hours later from another country."""
    assert repeat_after(86_400, CAFE, key="k", first_key="k") is Verdict.FREE


@pytest.mark.parametrize(("key", "first_key"), [("", "k"), ("k", ""), ("other", "k")])
def test_a_client_that_sends_keys_is_not_at_two_networks_at_once(key: str, first_key: str) -> None:
    """A thief elsewhere cannot hide in the short window of a client that sends keys, with a key or without."""
    assert repeat_after(0, CAFE, key, first_key) is Verdict.LATE


def test_a_different_key_on_the_same_network_is_free_within_the_window() -> None:
    """An app that refreshes in several places at once makes a key in each."""
    assert repeat_after(2, HOME, key="other", first_key="k") is Verdict.FREE


def test_a_key_that_never_changes_is_no_key() -> None:
    """It would make every repeat free, for anyone who guesses it."""
    chain = chain_of(Presented(0, NOW - 9_000, HOME, "constant"), Presented(1, NOW, HOME, "constant"))
    late = Presented(1, NOW + 3_600, CAFE, "constant")
    assert classify(late, chain, RULE) is Verdict.LATE
    assert classify(replace(late, at=NOW), chain, RULE) is Verdict.FREE


@given(behind=st.integers(1, 5), seconds=MOMENTS, key=KEYS, network=NETWORKS)
def test_with_a_limit_of_zero_no_token_works_twice(behind: int, seconds: int, key: str, network: str) -> None:
    """OAuth 2.1 to the letter: a parallel request is reuse too, with the same key too."""
    chain = chain_of(*(Presented(0, NOW + number, HOME, key) for number in range(6)))
    request = Presented(6 - behind, NOW + 5 + seconds, network, key)
    assert classify(request, chain, replace(RULE, limit=0)) is Verdict.REUSE


def test_a_delayed_duplicate_of_a_burst_ends_nothing() -> None:
    """An app that refreshes in five places at once gets five generations in seconds, while one request is delayed."""
    chain = chain_of(*(Presented(0, NOW + number, HOME) for number in range(5)))
    late = Presented(0, NOW + RULE.burst_seconds - 1, CAFE)
    assert classify(late, chain, RULE) is Verdict.DUPLICATE
    assert classify(replace(late, at=late.at + 1), chain, RULE) is Verdict.REUSE


def test_a_burst_cannot_be_prolonged() -> None:
    """A thief who refreshes every few seconds does not keep the owner's old token from ending the session."""
    chain = chain_of(*(Presented(0, NOW + 20 * number, CAFE) for number in range(30)))
    assert classify(Presented(0, NOW + 600, HOME), chain, RULE) is Verdict.REUSE


def test_a_burst_after_a_long_run_is_a_burst_again() -> None:
    """An app that refreshes every 100 seconds for a while has delayed duplicates in its next burst too."""
    times = [*(NOW + 100 * number for number in range(11)), NOW + 1_001, NOW + 1_002]
    chain = chain_of(*(Presented(0, at, HOME) for at in times))
    assert classify(Presented(10, NOW + 1_005, HOME), chain, RULE) is Verdict.DUPLICATE


@given(st.lists(st.integers(0, 300), min_size=2, max_size=30), st.data())
def test_a_duplicate_was_spent_a_moment_ago(gaps: list[int], data: st.DataObject) -> None:
    """At any times of the advances, a duplicate is a token that was spent within the window."""
    times = [NOW + sum(gaps[: number + 1]) for number in range(len(gaps))]
    chain = chain_of(*(Presented(0, at, HOME) for at in times))
    generation = data.draw(st.integers(0, len(times) - 2))
    at = times[-1] + data.draw(st.integers(0, 300))
    if classify(Presented(generation, at, HOME), chain, RULE) is Verdict.DUPLICATE:
        assert at - times[generation] < RULE.burst_seconds


@given(st.lists(st.tuples(MOMENTS, NETWORKS, KEYS), min_size=1, max_size=8), MOMENTS, NETWORKS, KEYS)
def test_the_parent_of_the_current_token_signs_no_one_out(
    advances: list[tuple[int, str, str]], seconds: int, network: str, key: str
) -> None:
    """A single repeat of the last generation is answered, whenever and from wherever it comes."""
    chain = chain_of(*(Presented(0, NOW + at, each, own) for at, each, own in advances))
    request = Presented(chain.generation - 1, NOW + seconds, network, key)
    assert classify(request, chain, RULE) in {Verdict.FREE, Verdict.LATE}
    assert not is_over(counted(Bucket(), request.generation, RULE), RULE)


GENERATIONS = st.lists(st.integers(0, 200), max_size=60).map(sorted)


def filled(generations: list[int]) -> Bucket:
    """Return the bucket after these generations were repeated late."""
    bucket = Bucket()
    for generation in generations:
        bucket = counted(bucket, generation, RULE)
    return bucket


@given(GENERATIONS)
def test_a_generation_counts_once(generations: list[int]) -> None:
    """However often a phone repeats one request late, the bucket gains one."""
    assert filled(sorted(generations * 3)) == filled(generations) == filled(sorted(set(generations)))


@given(GENERATIONS)
def test_the_level_is_a_walk_that_never_goes_below_zero(generations: list[int]) -> None:
    """The level equals a count by generation: one up if late, one down if not, never below 0."""
    level = 0
    for generation in range(max(generations, default=-1) + 1):
        level = level + 1 if generation in generations else max(0, level - 1)
    assert filled(generations).level == level


@given(GENERATIONS, st.integers(0, 50), st.integers(1, 25))
def test_a_leak_takes_a_full_run(generations: list[int], clean: int, run: int) -> None:
    """The bucket loses one for each full run of generations without a late repeat, and nothing for a part of one."""
    bucket, rule = filled(generations), replace(RULE, generations_per_leak=run)
    level = leaked(bucket, bucket.generation + 1 + clean, rule)
    assert level == max(0, bucket.level - clean // run)


@given(st.integers(0, 1_000), st.integers(1, 30))
def test_two_holders_of_one_token_are_noticed(start: int, limit: int) -> None:
    """If every generation is repeated late, the first one over the limit ends the session, and none before it."""
    rule, bucket, ended = replace(RULE, limit=limit), Bucket(), []
    for generation in range(start, start + limit + 1):
        bucket = counted(bucket, generation, rule)
        ended.append(is_over(bucket, rule))
    assert ended == [False] * limit + [True]


@given(st.integers(1, 500))
def test_a_network_that_loses_every_second_answer_signs_no_one_out(times: int) -> None:
    """A late generation and a clean one cancel out, for years."""
    assert not is_over(filled([2 * number for number in range(times)]), RULE)
