"""Writers of the signing policy that die or run in parallel, at any call of a port."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Semaphore

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latchkey.core.signing_policy.admin import Settings
from latchkey.core.signing_policy.rotation import LEASE
from tests.signing_world import (
    ACTS,
    CACHES,
    CURRENT,
    DEATHS,
    LATER,
    MOVED,
    PENDING,
    THIRD,
    Fate,
    SigningWorld,
    begun,
    confirmed_reset,
    conflicts,
    dead,
    deaths,
)

Writer = Callable[[SigningWorld, str, Fate], bool]


def rotates(world: SigningWorld, name: str, fate: Fate) -> bool:
    """Rotate as Secrets Manager does; return whether that succeeded."""
    return not conflicts(lambda: world.rotate(f"rotation-{name}", LATER, fate))


def changes(world: SigningWorld, name: str, fate: Fate) -> bool:
    """Change a lifetime as an admin does; return whether that succeeded."""
    change = Settings(None, {"access_ttl": 600 + int(name)})
    return not conflicts(lambda: world.admin(fate).change(f"usr_{name}", change, world.moment(LATER)))


def moves(world: SigningWorld, name: str, fate: Fate) -> bool:
    """Move the issuer as an operator does; return whether that succeeded."""
    iss = f"https://auth-{name}.example"
    return not conflicts(lambda: world.issuer_move(fate).move(iss, world.moment(LATER)))


def resets(world: SigningWorld, name: str, fate: Fate) -> bool:
    """Reset as an admin who has confirmed it; return whether that succeeded."""
    return not conflicts(lambda: confirmed_reset(world, fate))


# Death


RECOVERIES: dict[str, Callable[[SigningWorld, int], object]] = {
    "a new rotation": lambda world, now: world.rotate("new", now),
    "an admin's change": lambda world, now: world.admin().change(
        "usr_b", Settings(None, {"access_ttl": 1800}), world.moment(now)
    ),
    "an admin's reset": lambda world, now: confirmed_reset(world, Fate(), now),
    "a move of the issuer": lambda world, now: world.issuer_move().move(THIRD, world.moment(now)),
}


@pytest.mark.parametrize("recovery", RECOVERIES)
@pytest.mark.parametrize("wait", [LEASE, CACHES.staging + 1, 86_400])
def test_nothing_is_stuck_after_a_death(recovery: str, wait: int) -> None:
    """After the dead call's lease has ended, any change succeeds and is published."""
    for name, number in DEATHS:
        world = dead(name, number)
        before = world.policy.version
        RECOVERIES[recovery](world, LATER + wait)
        assert world.policy.version == before + 1, (name, number)
        world.require_sound(LATER + wait, whole=True)


@pytest.mark.parametrize("number", deaths(ACTS["rotation"]))
def test_rotation_that_died_is_finished_by_its_repetition(number: int) -> None:
    """Secrets Manager retries in time with the same token, which completes the rotation."""
    world = dead("rotation", number)
    world.rotate("t", LATER + LEASE)
    assert world.policy.version == 2
    world.require_sound(LATER + LEASE, whole=True)


@pytest.mark.parametrize("number", deaths(ACTS["rotation"]))
def test_rotation_that_died_is_not_finished_too_late(number: int) -> None:
    """A late retry with the same token finds the rotation completed or dropped. A new rotation then succeeds."""
    world = dead("rotation", number)
    before, late = world.policy.version, LATER + CACHES.staging + 1
    finished = not conflicts(lambda: world.rotate("t", late))
    assert (world.policy.version, finished) == (before, before == 2)
    world.rotate("u", late)
    world.require_sound(late, whole=True)


REPEATED: dict[str, Callable[[SigningWorld], object]] = {
    "issuer move": lambda world: world.issuer_move().move(MOVED, world.moment(LATER + LEASE)),
}


@pytest.mark.parametrize("name", REPEATED)
def test_move_that_died_is_finished_by_its_repetition(name: str) -> None:
    """The call dies after one of its writes, and the operator repeats it: one move is in force and published."""
    for number in deaths(ACTS[name]):
        world = dead(name, number)
        REPEATED[name](world)
        assert world.policy.version == 2
        world.require_sound(LATER + LEASE, whole=True)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_reset_of_a_dead_call_is_never_carried_out_later(number: int) -> None:
    """The next caller drops a staged reset: no rotation, repeated or new, puts it in force."""
    world = dead("reset", number)
    current, late = world.policy.keys.current.kid, LATER + CACHES.staging + 1
    staged = world.secret.labels.get(PENDING, "")
    for token in (staged, "new"):
        conflicts(lambda token=token: world.rotate(token, late))  # type: ignore[misc]
    assert world.secret.labels[CURRENT] == "new"
    assert world.policy.keys.find(current, late) is not None


# Meeting


def require_fair(world: SigningWorld, won: list[bool]) -> None:
    """Assert that exactly the callers who were told so have won, and that the next call finds no damage."""
    assert world.policy.version == 1 + sum(won)
    world.require_sound(LATER)
    world.rotate("afterwards", LATER + LEASE)
    world.require_sound(LATER + LEASE, whole=True)


def interrupted(first: Writer, second: Writer, call: int) -> int | None:
    """Let the second writer act before that call of the first; return how many won, `None` without such a call."""
    world, won = begun(), []

    def interrupt(_: str) -> None:
        if len(fate.calls) == call:
            fate.before_call = lambda name: None
            won.append(second(world, "2", Fate()))

    fate = Fate(before_call=interrupt)
    won.append(first(world, "1", fate))
    require_fair(world, won)
    return sum(won) if len(won) == 2 else None


def take_turns(turns: Iterable[int], *writers: Writer) -> list[bool]:
    """Let the writers make their calls in this order, then in their own order. Return the winners."""
    world = begun()
    may_go, has_stopped = ([Semaphore(0) for _ in writers] for _ in range(2))
    running = set(range(len(writers)))

    def wait_for_turn(number: int, _: str) -> None:
        has_stopped[number].release()
        may_go[number].acquire()

    def write(number: int) -> bool:
        try:
            return writers[number](world, str(number), Fate(before_call=partial(wait_for_turn, number)))
        finally:
            running.discard(number)
            has_stopped[number].release()

    with ThreadPoolExecutor(len(writers)) as pool:
        outcomes = [pool.submit(write, number) for number in range(len(writers))]
        for stopped in has_stopped:
            stopped.acquire()
        for number in _turns(turns, running):
            may_go[number].release()
            has_stopped[number].acquire()
    won = [outcome.result() for outcome in outcomes]
    require_fair(world, won)
    return won


def _turns(turns: Iterable[int], running: set[int]) -> Iterator[int]:
    yield from (number for number in turns if number in running)
    while running:
        yield min(running)


@pytest.mark.parametrize("first", [rotates, changes, resets, moves])
@pytest.mark.parametrize("second", [rotates, changes, resets, moves])
def test_writer_that_comes_between_is_not_undone(first: Writer, second: Writer) -> None:
    """A second writer runs completely before any call of the first: every change that is reported as made is made."""
    tried = (interrupted(first, second, call) for call in itertools.count())
    outcomes = list(itertools.takewhile(lambda won: won is not None, tried))
    assert len(outcomes) >= 7
    assert 1 in outcomes


@pytest.mark.parametrize("first", [rotates, changes, resets, moves])
def test_rotation_and_another_stop_each_other_anywhere(first: Writer) -> None:
    """One writer and a rotation each make any number of calls, and then each completes."""
    for calls in itertools.product(range(1, 17, 3), range(1, 19, 2)):
        take_turns([0] * calls[0] + [1] * calls[1], first, rotates)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=50))
def test_two_rotations_and_a_change_in_any_order(turns: list[int]) -> None:
    """Three writers run in any order, and none undoes the change of another."""
    take_turns(turns, rotates, rotates, changes)
