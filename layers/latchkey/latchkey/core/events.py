"""Security events: as the core reports them, and as the audit log keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from latchkey.core.paging import Page

_MILLISECONDS = 1000
_MINUTE = 60 * _MILLISECONDS
_DIGEST = 32
_TIME_DIGITS = 13
"""Digits of the milliseconds since the epoch until the year 2286: the order as text is the order in time."""


REFUSALS = frozenset({"login_failed", "login_throttled", "client_refused", "assertion_refused", "refresh_refused"})
"""Events that strangers can cause without proving anything, as often as they send requests."""


@dataclass(frozen=True, slots=True)
class Event:
    """A security event, for the log.

    It never contains a secret. `actor` is the operator, if they are not the subject.
    """

    name: str
    sub: str = ""
    sid: str = ""
    client_id: str = ""
    reason: str = ""
    actor: str = ""
    partner_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A security event that is kept until `expires_at`. Unlike every other time, `time` is in milliseconds.

    `event_id` is the log's own: the same line delivered twice is one event. `address` is that of the request which
    caused it, an IPv6 one as its /64 network; empty where no request did. `count` is how many refusals alike it stands
    for: it is then the first of them.
    """

    event_id: str
    time: int
    name: str
    expires_at: int
    sub: str = ""
    sid: str = ""
    client_id: str = ""
    reason: str = ""
    actor: str = ""
    request_id: str = ""
    address: str = ""
    partner_id: str = ""
    count: int = 1

    @property
    def subject(self) -> str:
        """The subject in the index: the account, else client, operator or partner; empty if none is known."""
        return self.sub or self.client_id or self.actor or self.partner_id

    @property
    def position(self) -> str:
        """Where it stands in a list."""
        return f"{self.time:0{_TIME_DIGITS}d}#{self.event_id}"

    @property
    def day(self) -> str:
        """The day it happened on, in UTC."""
        return day_of(self.position)


def without_repeats(events: Iterable[RecordedEvent]) -> Iterator[RecordedEvent]:
    """Yield the events of one delivery, in which anonymous refusals that are alike are one event with their number.

    So a flood writes one item for each address, kind and minute. The id of such an event begins with the id of the
    delivery's first event: the same delivery makes the same events again, and those of two deliveries add up.
    """
    first_id = ""
    repeats: dict[tuple[int, str, str, str, str, str], RecordedEvent] = {}
    for event in events:
        first_id = first_id or event.event_id
        if not _is_anonymous_refusal(event):
            yield event
            continue
        alike = (event.time // _MINUTE, event.address, event.name, event.reason, event.client_id, event.partner_id)
        first = repeats.get(alike)
        repeats[alike] = replace(first, count=first.count + 1) if first else event
    for kind, event in repeats.items():
        digest = hashlib.sha256(repr(kind).encode()).hexdigest()[:_DIGEST]
        yield replace(event, event_id=f"{first_id}-{digest}")


def _is_anonymous_refusal(event: RecordedEvent) -> bool:
    """Say whether the caller has proven nothing, and no account is concerned whose limits would bound the number."""
    return event.name in REFUSALS and not event.sub


def day_of(position: str) -> str:
    """Return the day, in UTC and as ISO 8601 writes it, that a position lies in."""
    seconds = int(position[:_TIME_DIGITS]) // _MILLISECONDS
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


class AuditStore(Protocol):
    """The audit log."""

    def record_events(self, events: Sequence[RecordedEvent]) -> None:
        """Store all events. Storing an event twice changes nothing. If it fails, some may be stored: call it again."""

    def events_of_day(self, day: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a day (UTC, ISO 8601) behind a position, newest first; an empty one is the beginning.

        A page may have fewer than `limit` events, or none, even if more follow: expired events are left out.
        """

    def events_of(self, subject: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of an account, a client or an operator in the same way, as they stood a moment ago."""


class Journal(Protocol):
    """Where security events go."""

    def record(self, event: Event) -> None:
        """Write one event. Never raises."""
