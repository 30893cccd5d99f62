"""CloudWatch Logs: hand the lines that functions write to the function of a subscription filter."""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from base64 import b64encode
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from infra.local.stack.account import ACCOUNT
from infra.local.stack.functions import current_function
from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from infra.local.stack.functions import Invoke
    from infra.local.stack.intrinsics import Resolver

_COLLECTING = 0.05
"""Seconds that lines are collected before they are delivered together. AWS collects for longer."""

_LARGEST_DELIVERY = 1000
_TRIES = 3
_PAUSE = 0.5

_MEMBER_EXISTS = re.compile(r"\{ \$\.(\w+) = \* \}")

LogEvent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription filter that selects the JSON lines of a log group that have a certain member."""

    name: str
    group: str
    member: str
    function: str

    def selects(self, line: str) -> bool:
        """Return whether the filter selects a line."""
        if f'"{self.member}"' not in line:  # parse only lines that may match: parsing takes time
            return False
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return isinstance(document, dict) and self.member in document


class LogDelivery:
    """Hands the lines that a filter of the stack selects to its function, as CloudWatch Logs does.

    It does so inside its context. When the context ends, it first delivers what is still waiting.
    """

    def __init__(self, resolver: Resolver, invoke: Invoke) -> None:
        """Read the subscription filter of the stack, if there is one. Raise `BadTemplate`."""
        self._subscription = _read_subscription(resolver)
        self._invoke = invoke
        self._selected: SimpleQueue[LogEvent | None] = SimpleQueue()
        self._numbers = count()
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._selected.put(None)
        self._thread.join(timeout=5)

    def observe(self, line: str) -> None:
        """Note a line that has been written, if its function logs to the log group of the filter."""
        subscription, function = self._subscription, current_function()
        if not subscription or not function or function.log_group != subscription.group:
            return
        if not subscription.selects(line):
            return
        now = time.time_ns()
        number = f"{now}{next(self._numbers):012d}"
        self._selected.put({"id": number.zfill(56), "timestamp": now // 1_000_000, "message": line})

    def _serve(self) -> None:
        subscription, ended = self._subscription, False
        while subscription and not ended and (first := self._selected.get()) is not None:
            time.sleep(_COLLECTING)
            selected, ended = self._collect(first)
            _deliver(delivery(subscription, selected), subscription.function, self._invoke)

    def _collect(self, first: LogEvent) -> tuple[list[LogEvent], bool]:
        """Return the lines of the next delivery, and whether it is the last one."""
        selected = [first]
        while len(selected) < _LARGEST_DELIVERY:
            try:
                line = self._selected.get_nowait()
            except Empty:
                return selected, False
            if line is None:
                return selected, True
            selected.append(line)
        return selected, False


def delivery(subscription: Subscription, selected: list[LogEvent]) -> dict[str, Any]:
    """Return the event of a delivery (AWS Lambda developer guide, "CloudWatch Logs")."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": subscription.group,
        "logStream": "local",
        "subscriptionFilters": [subscription.name],
        "logEvents": selected,
    }
    return {"awslogs": {"data": b64encode(gzip.compress(json.dumps(document).encode())).decode()}}


def _read_subscription(resolver: Resolver) -> Subscription | None:
    """Return the subscription filter of the stack. The twin understands only patterns that ask for a member."""
    for name, properties in resolver.resources("AWS::Logs::SubscriptionFilter"):
        pattern = _MEMBER_EXISTS.fullmatch(properties["FilterPattern"])
        if pattern is None:
            raise BadTemplate(f"{name}: the twin does not understand {properties['FilterPattern']}")
        group, function = (
            resolver.text(properties["LogGroupName"]),
            resolver.function_name(properties["DestinationArn"]),
        )
        return Subscription(name, group, pattern[1], function)
    return None


def _deliver(event: dict[str, Any], function: str, invoke: Invoke) -> None:
    """Invoke the function, and retry when it fails, as Lambda does with asynchronous invocations."""
    for tries_left in reversed(range(_TRIES)):
        try:
            invoke(function, event)
        except Exception as error:  # noqa: BLE001 - the boundary that Lambda itself is
            sys.stderr.write(f"{function}: {type(error).__name__}\n")
        else:
            return
        if tries_left:
            time.sleep(_PAUSE)
    sys.stderr.write(f"{function} gave up on lines of the log\n")
