"""Counters of attempts."""

from __future__ import annotations

import hashlib

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import Attempts, Counter
from tests.memory.state import State


class AttemptCounters(State):
    """Implements `ThrottleStore`."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one; return how many this window has seen with it."""
        with self._lock:
            attempts = self.attempts(counter, now)
            wait = counter.rule.wait(attempts, now)
            if wait:
                raise ServiceError(
                    Errors.RATE_LIMITED, f"{attempts.count} attempts at {counter.what}", retry_after=wait
                )
            return self.count_attempt(counter, now).count

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Count an attempt whatever the rule says."""
        with self._lock:
            counted = Attempts(self.attempts(counter, now).count + 1, now)
            self._attempts[window_of(counter, now)] = counted
            return counted

    def give_back(self, counter: Counter, now: int) -> None:
        """Count one attempt less, unless the window has none."""
        with self._lock:
            attempts = self.attempts(counter, now)
            if attempts.count:
                self._attempts[window_of(counter, now)] = Attempts(attempts.count - 1, attempts.last_at)

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return the state of this window."""
        with self._lock:
            return self._attempts.get(window_of(counter, now), Attempts())


def window_of(counter: Counter, now: int) -> tuple[str, str, int]:
    return counter.what, hashlib.sha256(counter.who.encode()).hexdigest(), counter.rule.window_index(now)
