"""Documents that several routes show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from latchkey.core.events import RecordedEvent
from latchkey.core.model import User, UserStatus
from latchkey.core.roles.roles import BUILT_IN
from latchkey.edge import documents
from tests.world import NOW

EVENT = RecordedEvent(
    event_id="1",
    time=NOW * 1000,
    name="roles_changed",
    expires_at=NOW + 600,
    sub="usr_ann",
    sid="ses_a",
    reason="user -> admin",
    request_id="r-1",
    address="192.0.2.7",
)


def exported(event: RecordedEvent) -> dict[str, Any]:
    """Return an event as the export of its account shows it."""
    ann = User("usr_ann", "ann@example.com", UserStatus.ACTIVE, ("user",), 0, 0)
    [found] = documents.export(ann, (), (), (event,), BUILT_IN, current="ses_a")["events"]
    return dict(found)


def test_export_shows_nothing_of_the_operator_behind_an_event() -> None:
    """The operator's id, request and address are their own data."""
    found = exported(replace(EVENT, actor="usr_boss"))
    assert {"actor", "request_id", "address"} & found.keys() == set()
    assert (found["event"], found["reason"], found["time"]) == ("roles_changed", "user -> admin", NOW * 1000)


def test_export_shows_where_the_owner_acted() -> None:
    """The request and the address of one's own act stay, also if the owner is an operator."""
    for actor in ("", "usr_ann"):
        found = exported(replace(EVENT, actor=actor))
        assert (found["request_id"], found["address"]) == ("r-1", "192.0.2.7")
        assert "actor" not in found


def test_event_of_an_operator_says_how_many_refusals_it_stands_for() -> None:
    """An event that stands for itself counts one."""
    assert documents.event(EVENT)["count"] == 1
    assert documents.event(replace(EVENT, count=20))["count"] == 20
