"""The last good value of a source that may fail: kept while fresh, served stale while the source fails (RFC 5861)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Unreadable(Exception):
    """The source returns nothing usable. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Copy(Generic[T]):
    """A value and when it was read, in seconds of the clock given."""

    value: T
    read_at: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, a copy is `fresh`, may be served `stale`, and how long to pause after a failed read.

    If there is no copy to serve, the pause is `pause_empty`.
    """

    fresh: float
    stale: float
    pause: float
    pause_empty: float


class LastGood(Generic[T]):
    """Reads a value on use. At most one read is under way; `read` is given the value held, and raises `Unreadable`.

    A thread that needs the value while another thread reads gets the present copy. It waits only if there is none.
    """

    def __init__(self, read: Callable[[T | None], T], clock: Callable[[], float], patience: Patience) -> None:
        self._read = read
        self._clock = clock
        self._patience = patience
        self._reading = Lock()
        self._copy: Copy[T] | None = None
        self._failed_at: float | None = None
        self._failure = "never read"

    @property
    def held(self) -> Copy[T] | None:
        """The copy in hand, of whatever age."""
        return self._copy

    @property
    def is_failing(self) -> bool:
        """Whether the last read has failed."""
        return self._failed_at is not None

    def get(self) -> Copy[T]:
        """Return the fresh copy, or read one, or return the stale one. Raises `Unreadable` if there is none."""
        return self.at_most(self._patience.fresh)

    def at_most(self, age: float) -> Copy[T]:
        """Return the copy if it is at most `age` seconds old, or read one. Raises `Unreadable` as `get` does."""
        copy = self._copy
        return copy if copy and self._is_within(copy.read_at, age) else self.renew()

    def renew(self) -> Copy[T]:
        """Read now, unless a read is under way or has just failed. Raises `Unreadable` if no copy may be served."""
        before = self._copy
        if self._reading.acquire(blocking=not self._may_serve(before)):
            try:
                if self._copy is before and not self._is_paused():
                    self._read_once()
            finally:
                self._reading.release()
        copy = self._copy
        if copy is None or not self._may_serve(copy):
            raise Unreadable(self._failure)
        return copy

    def _read_once(self) -> None:
        asked_at = self._clock()
        try:
            value = self._read(self._copy.value if self._copy else None)
        except Unreadable as error:
            self._failure, self._failed_at = str(error), self._clock()
        else:
            self._copy, self._failed_at = Copy(value, asked_at), None

    def _is_paused(self) -> bool:
        pause = self._patience.pause if self._may_serve(self._copy) else self._patience.pause_empty
        return self._failed_at is not None and self._is_within(self._failed_at, pause)

    def _may_serve(self, copy: Copy[T] | None) -> bool:
        return copy is not None and self._clock() - copy.read_at < self._patience.stale

    def _is_within(self, since: float, seconds: float) -> bool:
        """Say whether that time is not over. A clock that is set back must not extend it."""
        return 0 <= self._clock() - since < seconds
