"""Security events as the audit log keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_MILLISECONDS = 1000
_TIME_DIGITS = 13
"""Milliseconds since the epoch have so many digits until the year 2286: in order as text, they are in order of time."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A security event that is kept until `expires_at`. Unlike every other time, `time` is in milliseconds.

    `event_id` is the log's own: the same line delivered twice is one event. `address` is that of the request which
    caused it, an IPv6 one as its /64 network; empty where no request did.
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

    @property
    def subject(self) -> str:
        """Whom it is found by: the account, else client, operator or partner; empty where nobody is known."""
        return self.sub or self.client_id or self.actor or self.partner_id

    @property
    def position(self) -> str:
        """Where it stands in a list."""
        return f"{self.time:0{_TIME_DIGITS}d}#{self.event_id}"

    @property
    def day(self) -> str:
        """The day it happened on, in UTC."""
        return day_of(self.position)


def day_of(position: str) -> str:
    """Return the day, in UTC and as ISO 8601 writes it, that a position lies in."""
    seconds = int(position[:_TIME_DIGITS]) // _MILLISECONDS
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
