"""The table's stream: what DynamoDB and Lambda do with an event source, soon after each write."""

from __future__ import annotations

import json
import sys
import time
import uuid
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from infra.local.aws.backend import REGION
from infra.local.stack.api import resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.client import BaseClient

    from infra.local.stack.functions import Invoke
    from infra.local.stack.intrinsics import Resolver
    from infra.local.stack.template import Template

_TRIES = 3
_PAUSE = 0.5
"""Seconds between two tries; Lambda waits longer, but nobody at a laptop does."""

Record = dict[str, Any]


class Stream:
    """Hands the items that the template's filter lets through to its function, one at a time, in order."""

    def __init__(self) -> None:
        self._records: SimpleQueue[Record | None] = SimpleQueue()
        self._prefix = ""
        self._thread: Thread | None = None

    def observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        """Note the new items of a successful call."""
        if client.meta.service_model.service_name != "dynamodb" or not self._prefix:
            return
        for item in _put(operation, parameters):
            if item["pk"]["S"].startswith(self._prefix):
                self._records.put(_record(item))

    def start(self, template: Template, resolver: Resolver, invoke: Invoke) -> None:
        """Serve the event source of the template from now on, if it has one that is enabled."""
        for _, source in resources(template, "AWS::Lambda::EventSourceMapping"):
            if resolver.resolve(source.get("Enabled", True)) is not False:
                function = resolver.text(source["FunctionName"]).rpartition(":")[2]
                self._prefix = _prefix(source)
                self._thread = Thread(target=self._serve, args=(function, invoke), daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Hand over what is still waiting, and stop."""
        if self._thread is not None:
            self._records.put(None)
            self._thread.join(timeout=5)

    def _serve(self, function: str, invoke: Invoke) -> None:
        while (record := self._records.get()) is not None:
            _deliver(record, function, invoke)


def _deliver(record: Record, function: str, invoke: Invoke) -> None:
    for tries_left in reversed(range(_TRIES)):
        if not invoke(function, {"Records": [record]})["batchItemFailures"]:
            return
        if tries_left:
            time.sleep(_PAUSE)
    sys.stderr.write(f"{function} gave up on {record['dynamodb']['Keys']['pk']['S']}\n")


def _prefix(source: Mapping[str, Any]) -> str:
    """Return the one thing that the twin understands of a filter: how the partition key begins."""
    pattern = json.loads(source["FilterCriteria"]["Filters"][0]["Pattern"])
    return str(pattern["dynamodb"]["Keys"]["pk"]["S"][0]["prefix"])


def _put(operation: str, parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if operation == "PutItem":
        yield parameters["Item"]
    elif operation == "TransactWriteItems":
        yield from (entry["Put"]["Item"] for entry in parameters["TransactItems"] if "Put" in entry)


def _record(item: Mapping[str, Any]) -> Record:
    """Return a record of a stream that shows new images (AWS Lambda developer guide, "DynamoDB event")."""
    return {
        "eventID": uuid.uuid4().hex,
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": int(time.time()),
            "Keys": {"pk": item["pk"], "sk": item["sk"]},
            "NewImage": dict(item),
            "SequenceNumber": str(time.time_ns()),
            "StreamViewType": "NEW_IMAGE",
        },
    }
