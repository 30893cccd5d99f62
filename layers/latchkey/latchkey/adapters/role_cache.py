"""A cache of the stack's own roles: they change rarely, and every sign-in may need them."""

from __future__ import annotations

from collections.abc import Callable

from latchkey.adapters.aws import unavailable
from latchkey.adapters.last_good import LastGood, Patience, Unreadable
from latchkey.core.errors import ServiceError
from latchkey.core.roles.roles import RoleRegistry, registry_with
from latchkey.core.roles.store import RoleStore

_STALE, _PAUSE, _PAUSE_EMPTY = 3600, 5, 1
"""Seconds; as `Patience` has them."""


class RoleCache:
    """Reads the registry, at most `max_age` seconds old, or up to an hour while the store fails."""

    def __init__(self, store: RoleStore, clock: Callable[[], float], max_age: float) -> None:
        self._store = store
        self._registry = LastGood(self._read, clock, Patience(max_age, _STALE, _PAUSE, _PAUSE_EMPTY))

    def __call__(self) -> RoleRegistry:
        """Return the registry. Raises `UNAVAILABLE` when there is none."""
        try:
            return self._registry.get().value
        except Unreadable as error:
            raise unavailable(str(error)) from None

    def _read(self, _: RoleRegistry | None) -> RoleRegistry:
        try:
            return registry_with(self._store.custom_roles())
        except ServiceError as error:
            raise Unreadable(error.private) from None
