"""CloudWatch Logs: lines that functions write, handed to the function of a subscription filter soon after."""

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
from typing import TYPE_CHECKING, Any

from infra.local.stack.api import resources
from infra.local.stack.functions import current_function
from infra.local.stack.intrinsics import ACCOUNT
from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from infra.local.stack.functions import Invoke
    from infra.local.stack.intrinsics import Resolver
    from infra.local.stack.template import Template

_GATHERING = 0.05
"""Seconds that lines are gathered before they go off together; AWS gathers longer."""

_LARGEST_DELIVERY = 1000
_TRIES = 3
_PAUSE = 0.5

_MEMBER_IS_THERE = re.compile(r"\{ \$\.(\w+) = \* \}")

LogEvent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription filter that selects the JSON lines of a log group which have a member."""

    name: str
    group: str
    member: str
    function: str

    def selects(self, line: str) -> bool:
        """Say whether a line is for this filter."""
        if f'"{self.member}"' not in line:  # most lines are not, and parsing takes time
            return False
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return isinstance(document, dict) and self.member in document


class LogDelivery:
    """Hands the lines that a filter of the template selects to its function, as CloudWatch Logs does."""

    def __init__(self) -> None:
        self._subscription: Subscription | None = None
        self._selected: SimpleQueue[LogEvent | None] = SimpleQueue()
        self._numbers = count()
        self._thread: Thread | None = None

    def observe(self, line: str) -> None:
        """Note a line that has been written, if the function that wrote it logs into the group of the filter."""
        subscription, function = self._subscription, current_function()
        if not subscription or not function or function.log_group != subscription.group:
            return
        if not subscription.selects(line):
            return
        now = time.time_ns()
        number = f"{now}{next(self._numbers):012d}"
        self._selected.put({"id": number.zfill(56), "timestamp": now // 1_000_000, "message": line})

    def start(self, template: Template, resolver: Resolver, invoke: Invoke) -> None:
        """Serve the subscription filter of the template from now on, if it has one."""
        for name, properties in resources(template, "AWS::Logs::SubscriptionFilter"):
            self._subscription = _subscription(name, properties, resolver)
            self._thread = Thread(target=self._serve, args=(self._subscription, invoke), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Hand over what is still waiting, and stop."""
        if self._thread is not None:
            self._selected.put(None)
            self._thread.join(timeout=5)

    def _serve(self, subscription: Subscription, invoke: Invoke) -> None:
        while (first := self._selected.get()) is not None:
            time.sleep(_GATHERING)
            selected, ended = self._gathered(first)
            _deliver(delivery(subscription, selected), subscription.function, invoke)
            if ended:
                return

    def _gathered(self, first: LogEvent) -> tuple[list[LogEvent], bool]:
        """Return what waits, as much as goes off together, and whether it is the last."""
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
    """Return the event that the function gets (AWS Lambda developer guide, "CloudWatch Logs")."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": subscription.group,
        "logStream": "local",
        "subscriptionFilters": [subscription.name],
        "logEvents": selected,
    }
    return {"awslogs": {"data": b64encode(gzip.compress(json.dumps(document).encode())).decode()}}


def _subscription(name: str, properties: Any, resolver: Resolver) -> Subscription:
    """Read a filter; that a member is there is the one thing that the twin understands of patterns."""
    pattern = _MEMBER_IS_THERE.fullmatch(properties["FilterPattern"])
    if pattern is None:
        raise BadTemplate(f"{name}: the twin does not understand {properties['FilterPattern']}")
    function = resolver.text(properties["DestinationArn"]).rpartition(":")[2]
    return Subscription(name, resolver.text(properties["LogGroupName"]), pattern[1], function)


def _deliver(event: dict[str, Any], function: str, invoke: Invoke) -> None:
    """Invoke the function, and again when it fails, as Lambda does with what it was given to do later."""
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
