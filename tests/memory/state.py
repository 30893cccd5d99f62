"""The records of a store in memory, and the lock around all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import RLock
from typing import TypeVar

from latchkey.core.authenticators.store import Reservation
from latchkey.core.credentials.logins import look_of
from latchkey.core.events import RecordedEvent
from latchkey.core.model import (
    ApiKey,
    Client,
    Credential,
    Draft,
    Link,
    Mail,
    OneTimeCode,
    Partner,
    Session,
    UsedDraft,
    User,
)
from latchkey.core.paging import Page
from latchkey.core.roles.roles import CustomRoles
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.core.throttle import Attempts

T = TypeVar("T")


class State:
    """The records of every kind. Every operation on them happens under one lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._users: dict[str, User] = {}
        self._credentials: dict[str, Credential] = {}
        self._reservations: dict[str, Reservation] = {}
        self._aliases: dict[str, str] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._codes: dict[tuple[str, str], OneTimeCode] = {}
        self._used_codes: set[tuple[str, str]] = set()
        self._code_tries: Counter[tuple[str, str]] = Counter()
        self._drafts: dict[str, Draft | UsedDraft] = {}
        self._draft_expiry: dict[str, int] = {}
        self._draft_tries: Counter[tuple[str, str]] = Counter()
        self._mails: dict[str, Mail] = {}
        self._clients: dict[str, Client] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._attempts: dict[tuple[str, str, int], Attempts] = {}
        self._device_attempts: dict[tuple[str, str, int], dict[str, Attempts]] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._published: PublishedKeys | None = None
        self._roles = CustomRoles()
        self._events: dict[str, RecordedEvent] = {}
        self._partners: dict[str, Partner] = {}
        self._used_assertions: set[str] = set()
        self._seats: dict[str, int] = {}
        self._externals: dict[tuple[str, str], str] = {}
        self._links: dict[tuple[str, str], Link] = {}

    def _is_free(self, login: str, now: int) -> bool:
        """Return whether an account can take a login. The lock is held."""
        reservation = self._reservations.get(login)
        taken = {look_of(each) for each in (*self._credentials, *self._aliases)}
        return look_of(login) not in taken and (reservation is None or reservation.reserved_until <= now)


def page_of(records: Mapping[str, T], after: str, limit: int) -> Page[T]:
    names = sorted(name for name in records if name > after)
    more = names[limit - 1] if len(names) > limit else ""
    return Page(tuple(records[name] for name in names[:limit]), more)
