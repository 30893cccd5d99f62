"""Counters of attempts."""

from __future__ import annotations

import hashlib

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import MOST_DEVICES, Attempts, Counter, LoginDevice
from tests.memory.state import State


class AttemptCounters(State):
    """Implements `ThrottleStore`."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one; return how many this window has seen with it."""
        with self._lock:
            _require_no_wait(counter, self.attempts(counter, now), now)
            return self.count_attempt(counter, now).count

    def clear(self, counter: Counter, now: int) -> None:
        """Start the count again."""
        with self._lock:
            held = self.attempts(counter, now)
            if held.count:
                self._attempts[window_of(counter, now)] = Attempts(0, held.last_at)

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Count an attempt on a device, if there is room for its counter."""
        with self._lock:
            counters = self._device_attempts.setdefault(window_of(device.counter, now), {})
            held = counters.get(device.device_id)
            if held is None and len(counters) >= MOST_DEVICES:
                return False
            held = held or Attempts()
            _require_no_wait(device.counter, held, now)
            counters[device.device_id] = Attempts(held.count + 1, now)
            return True

    def clear_device(self, device: LoginDevice, now: int) -> None:
        """Start the count of a device again."""
        with self._lock:
            counters = self._device_attempts.get(window_of(device.counter, now), {})
            if device.device_id in counters:
                counters[device.device_id] = Attempts(0, counters[device.device_id].last_at)

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


def _require_no_wait(counter: Counter, attempts: Attempts, now: int) -> None:
    if wait := counter.rule.wait(attempts, now):
        raise ServiceError(Errors.RATE_LIMITED, f"{attempts.count} attempts at {counter.what}", retry_after=wait)


def window_of(counter: Counter, now: int) -> tuple[str, str, int]:
    return counter.what, hashlib.sha256(counter.who.encode()).hexdigest(), counter.rule.window_index(now)
