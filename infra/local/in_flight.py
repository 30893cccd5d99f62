"""Count the requests in progress, so that an update can wait for them."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
"""Seconds that an update waits for the requests in progress: the longest timeout of a function."""


class InFlight:
    """The requests in progress. An update runs alone: it waits for their end, and new requests wait for its end.

    A request in progress may itself wait for another one: an authorizer fetches the public keys from the twin. So a
    request that others depend on is let in while an update waits, and waits only while the update takes place.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._one_update = Lock()
        self._count = 0
        self._waiting = False
        self._updating = False

    @contextmanager
    def request(self, *, others_depend: bool) -> Iterator[None]:
        """Count a request until the context ends. Wait first, if an update is in progress."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._updating or (self._waiting and not others_depend)))
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all requests out until the context ends. Wait first for those in progress, but not beyond `PATIENCE`."""
        with self._one_update:
            with self._changed:
                self._waiting = True
                self._changed.wait_for(lambda: not self._count, PATIENCE)
                self._updating = True
            try:
                yield
            finally:
                with self._changed:
                    self._waiting = self._updating = False
                    self._changed.notify_all()
