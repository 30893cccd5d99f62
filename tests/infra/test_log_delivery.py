"""The twin's CloudWatch Logs: which lines reach the function of the filter, and in what form."""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from infra.local.aws import logs
from infra.local.aws.logs import LogDelivery
from infra.local.stack.api import Function
from infra.local.stack.functions import running_as
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate
from infra.local.whole_lines import WholeLines

GROUP, MARKED = "Shared", '{"marked": 1}'


class Receiver:
    """A function that keeps what it gets, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.got: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._failures = failures

    def __call__(self, name: str, event: dict[str, Any]) -> None:
        """Take an event."""
        assert name == "Keeper"
        if self._failures:
            self._failures -= 1
            raise RuntimeError
        self.got.put(json.loads(gzip.decompress(b64decode(event["awslogs"]["data"]))))


def template(pattern: str = "{ $.marked = * }") -> dict[str, Any]:
    """Return a template with a filter, the group that it reads and the function that it calls."""
    properties = {
        "LogGroupName": {"Ref": GROUP},
        "FilterPattern": pattern,
        "DestinationArn": {"Fn::GetAtt": ["Keeper", "Arn"]},
    }
    return {
        "Resources": {
            "Filter": {"Type": "AWS::Logs::SubscriptionFilter", "Properties": properties},
            "Keeper": {"Type": "AWS::Lambda::Function"},
            GROUP: {"Type": "AWS::Logs::LogGroup"},
        }
    }


@contextmanager
def delivering(receiver: Receiver) -> Iterator[LogDelivery]:
    """Deliver until the context ends, and then what still waits."""
    with LogDelivery(Resolver(template(), {}, {}), receiver) as delivery:
        yield delivery


def function_in(log_group: str) -> Function:
    """Return a function that logs into a group."""
    return Function("Writer", "arn:writer", "writer.app", "handler", {}, timeout=3, memory=128, log_group=log_group)


def messages(receiver: Receiver) -> list[str]:
    """Return the lines that have arrived."""
    found = []
    while not receiver.got.empty():
        found += [event["message"] for event in receiver.got.get()["logEvents"]]
    return found


def test_a_line_arrives_as_cloudwatch_hands_it_over() -> None:
    """Packed, with an id of its own."""
    receiver = Receiver()
    with delivering(receiver) as delivery, running_as(function_in(GROUP)):
        delivery.observe(MARKED)
        delivery.observe(MARKED)
    document = receiver.got.get(timeout=1)
    lines = document.pop("logEvents")
    assert document == {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": GROUP,
        "logStream": "local",
        "subscriptionFilters": ["Filter"],
    }
    assert [set(line) for line in lines] == [{"id", "timestamp", "message"}] * 2
    assert len({line["id"] for line in lines}) == 2
    assert all(len(line["id"]) == 56 for line in lines)


@pytest.mark.parametrize("line", ["marked", '"marked"', '{"other": "marked"}', '{"a": {"marked": 1}}', '{"marked"', ""])
def test_a_line_without_the_member_stays(line: str) -> None:
    """What the filter does not select is nobody's business."""
    receiver = Receiver()
    with delivering(receiver) as delivery, running_as(function_in(GROUP)):
        delivery.observe(line)
        delivery.observe(MARKED)
    assert messages(receiver) == [MARKED]


@pytest.mark.parametrize("group", ["", "Own"])
def test_a_line_of_another_group_stays(group: str) -> None:
    """As those of the function that is called, and what the twin itself says."""
    receiver = Receiver()
    with delivering(receiver) as delivery:
        with running_as(function_in(group)):
            delivery.observe(MARKED)
        with running_as(function_in(GROUP)):
            delivery.observe('{"marked": 2}')
    assert messages(receiver) == ['{"marked": 2}']


def test_a_line_is_found_among_others_that_are_written_with_it() -> None:
    """The standard output sees what a function writes line by line, in the function's own thread."""
    receiver = Receiver()
    with delivering(receiver) as delivery, running_as(function_in(GROUP)):
        output = WholeLines(io.StringIO(), delivery.observe)
        output.write('one\n{"mark')
        output.write('ed": 3}\ntwo\n')
    assert messages(receiver) == ['{"marked": 3}']


def test_a_delivery_that_fails_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, as Lambda does."""
    monkeypatch.setattr(logs, "_PAUSE", 0)
    receiver = Receiver(failures=2)
    with delivering(receiver) as delivery, running_as(function_in(GROUP)):
        delivery.observe(MARKED)
    assert messages(receiver) == [MARKED]


def test_a_pattern_that_the_twin_does_not_understand_stops_it() -> None:
    """Else it would deliver something else than AWS does."""
    odd = template("{ $.marked = 1 }")
    with pytest.raises(BadTemplate, match="Filter"):
        LogDelivery(Resolver(odd, {}, {}), Receiver())
