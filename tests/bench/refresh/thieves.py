"""Thieves: each holds a copy of the owner's current refresh token, and wants new tokens for as long as possible.

No thief knows the owner's `Idempotency-Key`, and none sends a key: a foreign key would only make the repeat stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from random import Random

from latchkey.core.grants.repeats import Presented
from tests.bench.refresh.assumptions import DAY, Habits
from tests.bench.refresh.phones import Phone
from tests.bench.refresh.sessions import Session

HOUR = 3_600


class Knows(Enum):
    """The thief's knowledge of the times at which the owner refreshes."""

    NOTHING = "nothing: the thief refreshes by a clock of their own"
    PAST = "that the owner has just refreshed, as if an answer of ours showed it"
    FUTURE = "when the owner will refresh, give or take an error"


@dataclass(frozen=True, slots=True)
class Thief:
    """A way to steal a session.

    `wait` takes the number of the turn. It returns the seconds since the thief's last act (`NOTHING`) or since the
    owner's refresh (`PAST`), or the error of the guess (`FUTURE`).
    """

    name: str
    knows: Knows
    wait: Callable[[Random, int], float]
    same_network: bool = False


def _between(low: float, high: float) -> Callable[[Random, int], float]:
    return lambda rng, _: rng.uniform(low, high)


def _late_in(late: int, turns: int) -> Callable[[Random, int], float]:
    """Return a wait of minutes in so many of so many turns, and of less than a second in the others."""
    return lambda rng, turn: rng.uniform(60, 840) if turn % turns < late else rng.random()


def _asleep(rng: Random, turn: int) -> float:
    return rng.expovariate(2 / DAY) if turn else rng.uniform(6 * HOUR, 48 * HOUR)


AWAKE = Thief("Awake: follows the owner within 1 to 5 s", Knows.PAST, _between(1, 5))
SOMETIMES = Thief("In step: late two times of three, within 1 s once", Knows.PAST, _late_in(2, 3))
THIEVES = (
    Thief("Asleep: first after hours, then twice a day", Knows.NOTHING, _asleep),
    Thief("Greedy: every 15 minutes", Knows.NOTHING, _between(900, 900)),
    Thief("Blind: as often as the owner", Knows.NOTHING, lambda rng, _: rng.expovariate(8 / DAY)),
    AWAKE,
    Thief("In step: follows after minutes", Knows.PAST, _late_in(1, 1)),
    SOMETIMES,
    Thief("In step: late every second time, within 1 s otherwise", Knows.PAST, _late_in(1, 2)),
    Thief("In step: follows within 1 s, always", Knows.PAST, _late_in(0, 1)),
    Thief("Clockwork: guesses the owner's refresh to 60 s", Knows.FUTURE, lambda rng, _: rng.gauss(0, 60)),
    Thief("On the owner's network: guesses to 60 s", Knows.FUTURE, lambda rng, _: rng.gauss(0, 60), same_network=True),
    Thief("On the owner's network: follows within 8 s", Knows.PAST, _between(0, 8), same_network=True),
)


@dataclass(slots=True)
class Theft:
    """One session with two holders. `lost_at` is when the thief's token became too old to work under any policy."""

    thief: Thief
    habits: Habits
    seed: str
    session: Session = field(default_factory=Session)
    lost_at: float = inf
    _held: int = 0
    _turn: int = 0

    def run(self, days: float) -> None:
        """Let owner and thief refresh, from the theft on, until the thief holds nothing that works."""
        rng = Random(f"thief {self.seed}")
        life = Phone(self.habits, Random(f"owner {self.seed}")).live()
        at, request = next(life)
        due = self._due(rng, 0.0, at, request)
        while min(at, due) < days * DAY and self.lost_at == inf:
            if due < at:
                self._steal(due, request)
                due = self._due(rng, due, at, request)
                continue
            now, answer = at, self.session.present(request)
            moved = answer.generation == request.generation + 1 and self.session.chain.last is request
            if answer.over or answer.generation > self._held + 1:
                self.lost_at = now
            at, request = life.send(answer)
            if moved and self.thief.knows is Knows.PAST:
                due = now + self.thief.wait(rng, self._turn)
            elif due == inf:
                due = self._due(rng, now, at, request)

    def _steal(self, due: float, owners: Presented) -> None:
        last = self.session.chain.last
        followed = last.network if last and self.thief.knows is Knows.PAST else owners.network
        network = followed if self.thief.same_network else "elsewhere"
        self._turn += 1
        answer = self.session.present(Presented(self._held, int(due), network))
        self._held = answer.generation if answer.tokens else self._held

    def _due(self, rng: Random, now: float, at: float, request: Presented) -> float:
        """Return when the thief acts next, as far as the thief knows; `at` is when the owner will."""
        if self.thief.knows is Knows.NOTHING:
            return now + self.thief.wait(rng, self._turn)
        if self.thief.knows is Knows.FUTURE and request.generation == self._held:
            return max(now, at + self.thief.wait(rng, self._turn))
        return inf
