"""The store's contract for the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import Table
from latchkey.core.errors import Errors
from latchkey.core.events import RecordedEvent
from latchkey.core.paging import Page
from tests.integration import samples
from tests.integration.conftest import new_table
from tests.integration.contract import refuses
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.adapters.store import Store

DAY = "2033-05-18"
DAYS = 86_400_000
Read = Callable[[str, int], Page[RecordedEvent]]


def everything(read: Read, limit: int) -> list[RecordedEvent]:
    """Return the events of all pages."""
    found: list[RecordedEvent] = []
    after = ""
    while True:
        page = read(after, limit)
        assert len(page.items) <= limit
        found += page.items
        if not (after := page.after):
            return found


def of_day(store: Store, day: str = DAY, now: int = NOW) -> Read:
    """Return the pages of a day."""
    return lambda after, limit: store.events_of_day(day, after=after, limit=limit, now=now)


def of(store: Store, subject: str, now: int = NOW) -> Read:
    """Return the pages of a subject."""
    return lambda after, limit: store.events_of(subject, after=after, limit=limit, now=now)


def test_an_event_is_found_both_ways_with_all_that_is_known(empty_store: Store) -> None:
    """An event is found by its day and by its subject, with every member."""
    event = samples.event()
    empty_store.record_events([event])
    assert everything(of_day(empty_store), 9) == everything(of(empty_store, event.sub), 9) == [event]


def test_a_number_of_refusals_is_kept_with_their_event(empty_store: Store) -> None:
    """The same number written again is the same number, and one of another delivery is another event."""
    refused = RecordedEvent("1-a", NOW * 1000, "login_failed", NOW + 600, reason="unknown_login", count=20)
    empty_store.record_events([refused])
    empty_store.record_events([refused, replace(refused, event_id="2-a", count=3)])
    assert [event.count for event in everything(of_day(empty_store), 9)] == [3, 20]


def test_an_event_without_a_subject_is_found_by_its_day(empty_store: Store) -> None:
    """An unknown login has no subject; the members that are unknown come back empty."""
    event = RecordedEvent(samples.unique(""), NOW * 1000, "login_failed", NOW + 600)
    empty_store.record_events([event])
    assert everything(of_day(empty_store), 9) == [event]


@pytest.mark.parametrize(
    ("known", "subject"),
    [
        ({"sub": "usr_a", "client_id": "cli_a", "actor": "usr_b"}, "usr_a"),
        ({"sub": "", "client_id": "cli_a", "actor": "usr_b"}, "cli_a"),
        ({"sub": "", "client_id": "", "actor": "usr_b"}, "usr_b"),
    ],
)
def test_the_subject_is_the_account_else_the_client_else_the_operator(
    empty_store: Store, known: dict[str, str], subject: str
) -> None:
    """The event is found under no other id."""
    event = replace(samples.event(), sub=known["sub"], client_id=known["client_id"], actor=known["actor"])
    empty_store.record_events([event])
    found = {name for name in ("usr_a", "cli_a", "usr_b") if everything(of(empty_store, name), 9)}
    assert found == {subject}


def test_the_same_event_twice_is_one(empty_store: Store) -> None:
    """An event that is delivered twice is stored once, in one delivery or in two."""
    event = samples.event("usr_a")
    empty_store.record_events([event, event])
    empty_store.record_events([event])
    assert everything(of_day(empty_store), 9) == everything(of(empty_store, "usr_a"), 9) == [event]


def test_two_events_of_one_millisecond_are_two(empty_store: Store) -> None:
    """Two events of one millisecond differ by their ids."""
    events = [samples.event("usr_a"), samples.event("usr_a")]
    empty_store.record_events(events)
    assert len(everything(of_day(empty_store), 9)) == len(everything(of(empty_store, "usr_a"), 9)) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 60])
def test_pages_hold_every_event_once_newest_first(empty_store: Store, limit: int) -> None:
    """The pages hold every event once, also out of order, over several writes and over the end of a day."""
    events = [samples.event("usr_a", ms=number * 7_919 % 60) for number in range(28)]
    earlier = [samples.event("usr_a", ms=-DAYS + number) for number in range(2)]
    empty_store.record_events([*events, *earlier])
    expected = sorted(events, key=lambda event: event.position, reverse=True)
    assert everything(of_day(empty_store), limit) == expected
    assert everything(of(empty_store, "usr_a"), limit) == [*expected, *reversed(earlier)]


def test_what_comes_meanwhile_moves_no_page(empty_store: Store) -> None:
    """An event written during a read is on no later page, and makes no other event appear twice."""
    events = [samples.event("usr_a", ms=number) for number in range(4)]
    empty_store.record_events(events)
    first = empty_store.events_of_day(DAY, after="", limit=2, now=NOW)
    empty_store.record_events([samples.event("usr_a", ms=10)])
    second = empty_store.events_of_day(DAY, after=first.after, limit=2, now=NOW)
    assert [*first.items, *second.items] == events[::-1]


def test_other_days_and_other_people_are_left_out(empty_store: Store) -> None:
    """A day ends at midnight in UTC."""
    midnight = (NOW // 86_400 * 86_400 - NOW) * 1000
    before, after = samples.event("usr_a", ms=midnight - 1), samples.event("usr_b", ms=midnight)
    empty_store.record_events([before, after])
    assert (before.day, after.day) == ("2033-05-17", DAY)
    assert everything(of_day(empty_store), 9) == everything(of(empty_store, "usr_b"), 9) == [after]


def test_an_event_whose_time_has_passed_is_absent(empty_store: Store) -> None:
    """An expired event is not returned, deleted or not, and the events behind it still are."""
    past, live = samples.event("usr_a", ms=9, expires_at=NOW), samples.event("usr_a", expires_at=NOW + 1)
    empty_store.record_events([past, live])
    for limit in (1, 9):
        assert everything(of_day(empty_store), limit) == everything(of(empty_store, "usr_a"), limit) == [live]
    assert everything(of_day(empty_store, now=NOW + 1), 9) == []


def test_where_nothing_happened_there_is_an_empty_page(empty_store: Store) -> None:
    """The page has no position of a next page."""
    assert empty_store.events_of_day(DAY, after="", limit=9, now=NOW) == Page(())
    assert empty_store.events_of("usr_a", after="", limit=9, now=NOW) == Page(())


# Of DynamoDB alone: what it hands back is written again


class Reluctant:
    """A client whose batch writes leave the last item undone, so many times."""

    def __init__(self, client: DynamoDBClient, times: int) -> None:
        self.exceptions = client.exceptions
        self.sizes: list[int] = []
        self._client = client
        self._times = times

    def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Write all but the last."""
        [(table, writes)] = RequestItems.items()
        self.sizes.append(len(writes))
        left = writes[-1:] if len(self.sizes) <= self._times else []
        done = writes[: len(writes) - len(left)]
        if done:
            self._client.batch_write_item(RequestItems={table: done})
        return {"UnprocessedItems": {table: left} if left else {}}


def some_items(number: int) -> Sequence[items.Item]:
    return [items.key_item(items.event(DAY, samples.event().position)) for _ in range(number)]


def test_what_dynamodb_leaves_undone_is_written_again(moto_client: DynamoDBClient) -> None:
    """The writer waits, then writes the unprocessed events alone."""
    table, client, pauses = new_table(moto_client), Reluctant(moto_client, 2), list[float]()
    Table(client, table, pauses.append).put_all(some_items(3))  # type: ignore[arg-type]
    assert (client.sizes, len(pauses)) == ([3, 1, 1], 2)
    assert moto_client.scan(TableName=table)["Count"] == 3


def test_what_dynamodb_never_takes_is_an_error(moto_client: DynamoDBClient) -> None:
    """After three attempts the caller gets an error."""
    client = Reluctant(moto_client, 9)
    table = Table(client, new_table(moto_client), lambda _: None)  # type: ignore[arg-type]
    with refuses(Errors.UNAVAILABLE):
        table.put_all(some_items(2))
    assert client.sizes == [2, 1, 1]
