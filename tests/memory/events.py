"""Security events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from latchkey.core.events import RecordedEvent
from latchkey.core.paging import Page
from tests.memory.state import State


class Audit(State):
    """Implements `AuditStore`."""

    def record_events(self, events: Sequence[RecordedEvent]) -> None:
        """Keep security events, each once."""
        with self._lock:
            self._events |= {each.position: each for each in events}

    def events_of_day(self, day: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a day, newest first."""
        with self._lock:
            return _newest({at: each for at, each in self._events.items() if each.day == day}, after, limit, now)

    def events_of(self, subject: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a subject, newest first."""
        with self._lock:
            mine = {at: each for at, each in self._events.items() if each.subject == subject}
            return _newest(mine, after, limit, now)


def _newest(records: Mapping[str, RecordedEvent], after: str, limit: int, now: int) -> Page[RecordedEvent]:
    names = sorted((name for name in records if not after or name < after), reverse=True)
    more = names[limit - 1] if len(names) > limit else ""
    return Page(tuple(records[name] for name in names[:limit] if now < records[name].expires_at), more)
