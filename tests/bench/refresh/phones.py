"""A phone with one session: when it refreshes, what gets lost, and what its app does about it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from latchkey.core.grants.repeats import Presented
from tests.bench.refresh.assumptions import ACCESS_TTL, DAY, HOME_AGAIN, NOTICED, Habits, Keys
from tests.bench.refresh.sessions import Answer

Life = Generator[tuple[float, Presented], Answer, None]
"""Yields the time and the request of each refresh that reaches the server, and is sent the answer."""

HOME = 0
WEEK = 7 * DAY


@dataclass(slots=True)
class Caller:
    """One part of an app that refreshes: the token that it has read, its key, and how often it has failed.

    `luck` decides what is lost on the way. `given` is an answer that is on its way. A `straggler` is another process,
    which does not try again.
    """

    token: int | None
    key: str
    luck: float
    tries: int = 0
    given: int | None = None
    straggler: bool = False


@dataclass(slots=True)
class Phone:
    """A phone with one session, as a stream of requests."""

    habits: Habits
    rng: Random
    at: float = 0.0
    stored: int = 0
    _network: int = HOME
    _key: str = ""
    _busy: int = 0
    _begun_with: int = 0
    _made: int = 0
    _week: int = -1
    _lost: tuple[float, float] = (0.0, 0.0)
    _agenda: list[tuple[float, int, Caller | None]] = field(default_factory=list)

    def live(self) -> Life:
        """Yield each request that reaches the server, in the order of time, without end."""
        self._plan(self._next_use(), None)
        while True:
            self.at, _, caller = heappop(self._agenda)
            self._weather()
            if caller is None:
                self._begin()
            elif caller.given is not None:
                self._store(caller, caller.given)
            elif not self._reads(caller):
                self._done(caller)
            elif caller.luck < self._lost[0]:
                self._failed(caller)
            else:
                self._answered(caller, (yield self.at, self._request(caller)))

    def _plan(self, at: float, caller: Caller | None) -> None:
        self._made += 1
        heappush(self._agenda, (at, self._made, caller))

    def _chance(self, share: float) -> bool:
        return share > 0 and self.rng.random() < share

    def _weather(self) -> None:
        """Set which luck loses a request, and which an answer, for this week."""
        week = int(self.at // WEEK)
        if week == self._week:
            return
        self._week = week
        habits = self.habits
        requests, answers = habits.request_lost, habits.answer_lost
        if self._chance(habits.bad_weeks):
            requests = answers = habits.lost_in_bad_weeks
        self._lost = requests, requests + (1 - requests) * answers

    def _next_use(self) -> float:
        """Return when the app next needs a new access token: in the same use of the app, or in a later one."""
        habits, soonest = self.habits, self.at + ACCESS_TTL
        if self._chance(habits.same_use):
            return soonest + 60 * self.rng.random()
        mean = DAY / habits.refreshes_per_day - ACCESS_TTL - habits.same_use * 30
        return soonest + self.rng.expovariate((1 - habits.same_use) / mean)

    def _begin(self) -> None:
        """Begin a refresh: one caller sends now, and the others a little later."""
        habits, rng = self.habits, self.rng
        if self._chance(habits.moved_later):
            self._move()
        self._busy = rng.randint(*habits.callers) if habits.callers[1] > 1 else 1
        self._begun_with = self.stored
        luck = rng.random()
        for number in range(self._busy):
            delay = rng.expovariate(1 / habits.spread) if number else 0.0
            own = number and not self._chance(habits.shared_luck)
            self._plan(self.at + delay, Caller(None, self._key_now(), rng.random() if own else luck))
        if self._chance(habits.raced):
            delay = rng.expovariate(1 / habits.suspension) if self._chance(habits.suspended) else 5 * rng.random()
            self._plan(self.at + delay, Caller(self.stored, self._new_key(), rng.random(), straggler=True))

    def _reads(self, caller: Caller) -> bool:
        """Read the stored token, if this caller has none; say whether the caller still wants to refresh."""
        if caller.token is None:
            caller.token = self.stored
            return caller.token == self._begun_with or self._chance(self.habits.refreshes_again)
        return True

    def _request(self, caller: Caller) -> Presented:
        path = "v6" if self._chance(self.habits.split) else "v4"
        return Presented(caller.token or 0, int(self.at), f"{self._network} {path}", caller.key)

    def _answered(self, caller: Caller, answer: Answer) -> None:
        """Take the server's answer, unless it is lost on the way or the process ends before it is stored."""
        if answer.over:
            self._store(caller, answer.generation)  # The person signs in again.
        elif self._chance(self.habits.interrupted):
            self._gave_up(caller)
        elif caller.luck < self._lost[1]:
            self._failed(caller)
        elif answer.tokens:
            caller.given = answer.generation
            self._plan(self.at + self.habits.latency * self.rng.uniform(0.5, 1.5), caller)
        else:
            self._put_off(caller)

    def _store(self, caller: Caller, given: int) -> None:
        self.stored, self._key = given, ""
        self._done(caller)

    def _failed(self, caller: Caller) -> None:
        """Repeat the request with the same token, or leave it to the next use of the app."""
        habits = self.habits
        caller.tries += 1
        if caller.straggler or caller.tries > habits.quick_tries or not self._chance(habits.retried_soon):
            self._gave_up(caller)
            return
        if self._chance(habits.moved_soon):
            self._move()
        noticed = self._noticed()
        # Only what an HTTP library repeats at once is certain to carry the old token.
        if noticed > NOTICED[0][2] and caller.token != self.stored and self._chance(habits.rereads):
            self._done(caller)
            return
        if habits.keys is Keys.ATTEMPT:
            caller.key = self._new_key()
        caller.luck = self.rng.random()
        self._plan(self.at + noticed, caller)

    def _put_off(self, caller: Caller) -> None:
        """Try again in a second after a 503, with a newer token if there is one and the app looks for it."""
        caller.tries += 1
        if caller.straggler or caller.tries > self.habits.quick_tries:
            self._gave_up(caller)
        elif caller.token != self.stored and self._chance(self.habits.rereads):
            self._done(caller)
        else:
            caller.luck = self.rng.random()
            self._plan(self.at + 1, caller)

    def _gave_up(self, caller: Caller) -> None:
        if self.habits.keys is Keys.MEMORY and self._chance(self.habits.forgotten):
            self._key = ""
        self._done(caller)

    def _done(self, caller: Caller) -> None:
        if caller.straggler:
            return
        self._busy -= 1
        if not self._busy:
            self._plan(self._next_use(), None)

    def _noticed(self) -> float:
        share = self.rng.random()
        low, high = next((low, high) for most, low, high in NOTICED if share <= most)
        return low + (high - low) * self.rng.random()

    def _move(self) -> None:
        """Change between the home network and mobile networks, each of which is met once."""
        at_home = self._network == HOME
        self._made += 1
        self._network = self._made if at_home or not self._chance(HOME_AGAIN) else HOME

    def _key_now(self) -> str:
        if self.habits.keys is Keys.ATTEMPT:
            return self._new_key()
        self._key = self._key or self._new_key()
        return self._key

    def _new_key(self) -> str:
        if self.habits.keys is Keys.NONE:
            return ""
        self._made += 1
        return f"key {self._made}"
