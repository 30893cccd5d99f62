"""The names in tokens: a new name is accepted before it is minted, an old name until its last token has expired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.signing.key_set import Caches
from latchkey.signing.names import BadName, Name, Planned, Previous
from tests.unit.signing.forge import NOW

CACHES = Caches(policy=60, jwks=300, authorizer=60)
LEAD = 120 + 60 + 300
MARGIN = 120 + 60 + 30 + 60 + 300
TTL = 900
AT = NOW + LEAD
UNTIL = AT + TTL + MARGIN


def moved(names: Name, name: str, now: int = NOW) -> Name:
    """Return the names with a move to this one, where no token lives for more than a quarter of an hour."""
    return names.moved(name, now=now, longest=TTL, caches=CACHES)


@pytest.fixture
def move() -> Name:
    """A move from A to B that was planned just now."""
    return moved(Name("A"), "B")


def test_margin_is_that_of_a_key_and_the_age_of_the_keys() -> None:
    """A name's end is published, so that verifiers may hold an end that was postponed."""
    assert (CACHES.publish_lead, CACHES.name_margin) == (LEAD, MARGIN)


def test_move_is_planned_for_when_every_verifier_accepts_the_name(move: Name) -> None:
    """Both times are decided at once: when tokens begin to carry the new name, and when the old one ends."""
    assert move == Name("A", Planned("B", AT, UNTIL))


def test_tokens_carry_the_new_name_from_its_time_on(move: Name) -> None:
    """Nothing is written when a move comes about."""
    assert [move.minted(now) for now in (NOW, AT - 1, AT, UNTIL + 1)] == ["A", "A", "B", "B"]


def test_both_names_are_accepted_until_the_old_one_ends(move: Name) -> None:
    """The new name is accepted from the plan on, and the old one until the last token with it has expired."""
    assert [move.accepted(now) for now in (NOW, AT, UNTIL - 1)] == [{"A": UNTIL, "B": None}] * 3
    assert move.accepted(UNTIL) == {"B": None}


def test_names_of_a_later_time_name_what_has_come_about(move: Name) -> None:
    """The next document has the new name as the present one, and drops ended names."""
    assert move.at(AT - 1) is move
    assert move.at(AT) == Name("B", None, (Previous("A", UNTIL),))
    assert move.at(UNTIL) == Name("B")


def test_stack_that_never_moved_has_one_name() -> None:
    """The only name has no end."""
    assert (Name("A").minted(NOW), Name("A").accepted(NOW), Name("A").at(NOW)) == ("A", {"A": None}, Name("A"))


@pytest.mark.parametrize(("name", "now"), [("A", NOW), ("B", AT)])
def test_move_to_the_present_name_is_none(move: Name, name: str, now: int) -> None:
    """The names themselves come back, so that the writer need not write."""
    names = Name("A") if name == "A" else move
    assert moved(names, name, now) is names


def test_move_that_is_planned_is_not_planned_again(move: Name) -> None:
    """Repeating the command changes no time."""
    assert moved(move, "B", AT - 1) is move


def test_move_back_waits_as_any_other(move: Name) -> None:
    """Verifiers know an end of the old name. Every copy must lose that end before tokens carry the name again."""
    back = moved(move, "A", AT + 1)
    assert back == Name("B", Planned("A", AT + 1 + LEAD, AT + 1 + LEAD + TTL + MARGIN))
    assert back.accepted(UNTIL) == {"A": None, "B": AT + 1 + LEAD + TTL + MARGIN}
    assert back.minted(AT + 1 + LEAD) == "A"


def test_second_move_takes_the_place_of_one_that_has_not_begun(move: Name) -> None:
    """A mistyped name is corrected at once; it stays accepted, since some function may begin with it."""
    corrected = moved(move, "C", NOW + 10)
    assert corrected == Name("A", Planned("C", AT + 10, UNTIL + 10), (Previous("B", NOW + 10 + TTL + MARGIN),))


def test_move_to_the_present_name_calls_a_planned_one_off(move: Name) -> None:
    """The present name has no end any more."""
    free = moved(move, "A", AT - 1)
    assert free == Name("A", None, (Previous("B", AT - 1 + TTL + MARGIN),))
    assert [free.minted(now) for now in (AT - 1, AT, UNTIL)] == ["A"] * 3
    assert free.accepted(UNTIL)["A"] is None


def test_move_after_one_that_came_about_keeps_every_old_name(move: Name) -> None:
    """Each old name is accepted until its own end."""
    third = moved(move, "C", AT)
    assert third.accepted(AT) == {"A": UNTIL, "B": AT + LEAD + TTL + MARGIN, "C": None}
    assert third.accepted(UNTIL) == {"B": AT + LEAD + TTL + MARGIN, "C": None}


@pytest.mark.parametrize(("ttl", "postponed"), [(60, 0), (TTL, 0), (TTL + 1, 1), (86_400, 86_400 - TTL)])
def test_longer_lives_postpone_the_end_of_a_name(move: Name, ttl: int, postponed: int) -> None:
    """Tokens are minted with the old name until the move comes about; shorter lives change nothing."""
    kept = move.kept_for(ttl, CACHES)
    assert kept == replace(move, planned=Planned("B", AT, UNTIL + postponed))


def test_name_that_is_not_to_end_needs_no_care() -> None:
    """The call returns the names themselves."""
    names = Name("B", None, (Previous("A", UNTIL),))
    assert names.kept_for(86_400, CACHES) is names


def test_every_name_is_mentioned(move: Name) -> None:
    """The list has every name, so that no partner can register one of them."""
    assert moved(move, "C", AT).all == ("B", "C", "A")


BAD: list[tuple[str, Planned | None, tuple[Previous, ...]]] = [
    ("A", Planned("A", AT, UNTIL), ()),
    ("A", None, (Previous("A", UNTIL),)),
    ("A", Planned("B", AT, UNTIL), (Previous("B", UNTIL),)),
    ("A", None, (Previous("B", UNTIL), Previous("B", UNTIL))),
    ("A", Planned("B", AT, AT - 1), ()),
]


@pytest.mark.parametrize(("current", "planned", "previous"), BAD)
def test_unsound_names_cannot_be_made(current: str, planned: Planned | None, previous: tuple[Previous, ...]) -> None:
    """A name occurs once, and ends after its successor has begun."""
    with pytest.raises(BadName):
        Name(current, planned, previous)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 2000)), max_size=8), st.integers(0, 5000))
def test_what_tokens_carry_is_always_accepted_and_has_no_end_that_comes_too_soon(
    moves: list[tuple[str, int]], later: int
) -> None:
    """A token is good for its whole life and the leeway, however moves follow each other."""
    names, now, minted = Name("A"), NOW, []
    for name, wait in moves:
        now += wait
        minted.append((names.minted(now), now + TTL + 30))
        names = moved(names, name, now)
    accepted = names.accepted(now + later)
    assert {name for name, end in minted if now + later < end} <= accepted.keys()
    assert accepted[names.minted(now + later)] in {None, names.planned and names.planned.previous_until}
