"""The audit log: one item per event, read by its day or, through an index, by its subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import BY_SUBJECT, LINGER, AnyItem, Item
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.events import RecordedEvent, day_of
from latchkey.core.paging import Page

_BATCH = 25
"""The most items that one BatchWriteItem takes."""

_EMPTY = {"S": ""}


class AuditItems(TablePart):
    """Implements `AuditStore`."""

    def record_events(self, events: Sequence[RecordedEvent]) -> None:
        """Keep security events: a key is made of the event alone, so that a repetition writes the same item again."""
        unique = [_item(each) for each in {each.position: each for each in events}.values()]
        for start in range(0, len(unique), _BATCH):
            self._table.put_all(unique[start : start + _BATCH])

    def events_of_day(self, day: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a day, newest first."""
        found, last = self._table.newest(items.event(day, "").pk, after=after, limit=limit)
        return Page(_live(found, now), last)

    def events_of(self, subject: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a subject, newest first; the position tells the rest of the key to go on after."""
        start = items.key_item(items.event(day_of(after), after)) if after else None
        found, last = self._table.newest_by(BY_SUBJECT, "subject", subject, after=start, limit=limit)
        return Page(_live(found, now), last)


def _item(event: RecordedEvent) -> Item:
    """Return the item of an event. Without a subject it is in no index. Unknown members have no attribute."""
    item = items.encode(items.event(event.day, event.position), event, ttl=event.expires_at + LINGER)
    item["subject"] = {"S": event.subject}
    return {name: value for name, value in item.items() if value != _EMPTY}


def _live(found: Iterable[AnyItem], now: int) -> tuple[RecordedEvent, ...]:
    events = (items.decode(RecordedEvent, item) for item in found)
    return tuple(event for event in events if now < event.expires_at)
