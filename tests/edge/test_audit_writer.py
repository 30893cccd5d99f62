"""The audit log's writer: what it keeps of a delivery of CloudWatch Logs, what it leaves out, and when it fails."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import Any

import pytest

from functions.audit_writer.app import Recorder
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, RecordedEvent
from latchkey.edge.telemetry import LogJournal, on_behalf_of
from tests.memory.store import MemoryStore

TIME = 1_800_000_000_123
NOW = TIME // 1000
DAY = "2027-01-15"


def packed(document: object) -> dict[str, Any]:
    """Return a delivery as CloudWatch Logs packs it."""
    return {"awslogs": {"data": b64encode(gzip.compress(json.dumps(document).encode())).decode()}}


def delivery(*messages: str, kind: str = "DATA_MESSAGE", first: int = 0) -> dict[str, Any]:
    """Return a delivery of these lines, with ids that count from `first`."""
    lines = [
        {"id": f"{number:056d}", "timestamp": TIME + 5, "message": message}
        for number, message in enumerate(messages, start=first)
    ]
    return packed(
        {
            "messageType": kind,
            "owner": "123456789012",
            "logGroup": "/aws/lambda/latchkey",
            "logStream": "2027/01/15/latchkey-login[$LATEST]a",
            "subscriptionFilters": ["AuditFilter"],
            "logEvents": lines,
        }
    )


def line(**members: object) -> str:
    """Return a line as a function writes it."""
    powertools = {"level": "INFO", "message": "login", "timestamp": "2027-01-15 08:00:00,123+0000", "service": "s"}
    return json.dumps(powertools | {"event": "login", "time": TIME} | members)


def kept(*deliveries: dict[str, Any], days: int = 30) -> list[RecordedEvent]:
    """Return what is kept of deliveries, oldest first."""
    store = MemoryStore()
    for each in deliveries:
        Recorder(store, days)(each)
    return sorted(vars(store)["_events"].values(), key=lambda event: event.position)


def test_every_member_of_a_line_is_kept() -> None:
    """The line gives the time, the log gives the id, and the event expires after the retention days."""
    known = {
        "sub": "usr_a",
        "sid": "ses_b",
        "client_id": "cli_c",
        "reason": "because",
        "actor": "usr_d",
        "request_id": "r-1",
        "address": "192.0.2.7",
    }
    expected = RecordedEvent("0" * 56, TIME, "login", NOW + 30 * 86_400, count=1, **known)
    assert kept(delivery(line(**known))) == [expected]
    assert expected.day == DAY


def test_a_line_of_the_journal_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The writer reads what the journal writes: with the request's id and address, and without empty members."""
    with on_behalf_of("r-1", "2001:db8::/64"):
        LogJournal().record(Event("login_failed", reason="unknown_login"))
    written = capsys.readouterr().out.splitlines()[0]
    [event] = kept(delivery(written))
    assert (event.name, event.reason, event.sub) == ("login_failed", "unknown_login", "")
    assert (event.request_id, event.address) == ("r-1", "2001:db8::/64")
    assert event.time == json.loads(written)["time"]


def test_a_delivery_that_comes_twice_is_kept_once() -> None:
    """CloudWatch Logs delivers at least once."""
    twice = delivery(line(), line())
    assert len(kept(twice, twice)) == 2


@pytest.mark.parametrize(
    "bad",
    [
        "not JSON",
        "[]",
        line(event=""),
        line(event="Login!"),
        line(event=7),
        line(time="1800000000123"),
        line(time=-1),
        line(time=10**13),
        line(time=1.5),
        line(sub=["usr_a"]),
        line(reason=None),
        '{"event": "login"}',
        '{"time": 1, "time": 2, "event": "login"}',
        line(event="x" * 65),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out(capsys: pytest.CaptureFixture[str], bad: str) -> None:
    """One line in the log reports it without repeating it, and the lines around it are kept."""
    assert len(kept(delivery(line(), bad, line()))) == 2
    [told] = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert told["message"] == "audit_unreadable"
    assert "event" not in told


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"awslogs": None},
        {"awslogs": {"data": "%%%"}},
        {"awslogs": {"data": b64encode(b"no gzip").decode()}},
        {"awslogs": {"data": b64encode(gzip.compress(b"{}")[:-9]).decode()}},
        {"awslogs": {"data": b64encode(gzip.compress(b"no JSON")).decode()}},
        packed([]),
        packed({"messageType": "DATA_MESSAGE"}),
        packed({"messageType": "DATA_MESSAGE", "logEvents": 7}),
        packed({"messageType": "DATA_MESSAGE", "logEvents": [7, {"id": 7, "message": line()}, {"message": line()}]}),
    ],
)
def test_a_delivery_that_cannot_be_read_is_told_to_the_log(
    capsys: pytest.CaptureFixture[str], bad: dict[str, Any]
) -> None:
    """It raises nothing, since a retry would not help."""
    assert kept(bad) == []
    told = [json.loads(each)["message"] for each in capsys.readouterr().out.splitlines()]
    assert set(told) == {"audit_unreadable"}


def test_a_control_message_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """CloudWatch Logs sends it to check that the function can be called."""
    assert kept(delivery("CWL CONTROL MESSAGE: Checking health of destination", kind="CONTROL_MESSAGE")) == []
    assert capsys.readouterr().out == ""


MINUTE = 60_000
FLOODS = {
    "unknown logins": {"event": "login_failed", "reason": "unknown_login"},
    "unknown clients": {"event": "client_refused", "reason": "unknown"},
    "wrong secrets of a client": {"event": "client_refused", "reason": "wrong_secret", "client_id": "cli_a"},
    "forged assertions": {"event": "assertion_refused", "reason": "bad_signature", "partner_id": "prt_a"},
    "forged refresh tokens": {"event": "refresh_refused", "reason": "mac is wrong"},
}


@pytest.mark.parametrize("kind", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_anonymous_refusals_is_one_event_with_its_number(kind: dict[str, str]) -> None:
    """The event is the first of the flood, with its request. Other events between them are kept as they are."""
    flood = [line(**kind, address="192.0.2.7", request_id=f"r-{n}", time=TIME + n) for n in range(50)]
    found = kept(delivery(*flood[:20], line(sub="usr_a"), *flood[20:]))
    [refused] = [event for event in found if event.name == kind["event"]]
    assert (refused.count, refused.time, refused.request_id) == (50, TIME, "r-0")
    assert {name: getattr(refused, name) for name in kind if name != "event"} == {
        k: kind[k] for k in kind if k != "event"
    }
    assert [(event.sub, event.count) for event in found if event != refused] == [("usr_a", 1)]


def test_refusals_differ_by_address_kind_and_minute() -> None:
    """A flood writes no more items than it has addresses, kinds and minutes."""
    lines = [
        line(event=name, reason=reason, address=address, time=TIME + minute * MINUTE)
        for name, reason in (("login_failed", "unknown_login"), ("client_refused", "unknown"), ("login_failed", "x"))
        for address in ("192.0.2.7", "192.0.2.8")
        for minute in (0, 1)
        for _ in range(25)
    ]
    found = kept(delivery(*lines))
    assert [event.count for event in found] == [25] * 12
    assert len({(event.name, event.reason, event.address, event.time) for event in found}) == 12


def test_refusals_that_concern_an_account_are_kept_one_by_one() -> None:
    """Their number has limits, and the owner may ask for each."""
    guesses = [line(event="login_failed", sub="usr_a", reason="wrong_password", address="192.0.2.7")] * 3
    assert [event.count for event in kept(delivery(*guesses))] == [1, 1, 1]


def test_a_delivery_of_refusals_that_comes_twice_counts_once() -> None:
    """The key of the event holds the id of the delivery's first event, so two deliveries add up."""
    flood = [line(event="login_failed", reason="unknown_login", address="192.0.2.7")] * 5
    one, other = delivery(line(), *flood), delivery(*flood[:3], first=100)
    found = [event for event in kept(one, one, other, one) if event.name == "login_failed"]
    assert [event.count for event in found] == [5, 3]
    assert [event.event_id[:56] for event in found] == ["0" * 56, f"{100:056d}"]


def test_a_long_text_is_cut() -> None:
    """An item can hold 400 KB, and no reason needs that much."""
    [event] = kept(delivery(line(reason="x" * 5_000)))
    assert event.reason == "x" * 1024


class Broken(MemoryStore):
    """A store that does not answer."""

    def record_events(self, events: object) -> None:
        """Fail."""
        raise ServiceError(Errors.UNAVAILABLE, "away")


def test_a_store_that_fails_is_an_error() -> None:
    """Lambda then retries."""
    with pytest.raises(ServiceError):
        Recorder(Broken(), 30)(delivery(line()))
