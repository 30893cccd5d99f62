"""The table's stream: after a write, DynamoDB and Lambda hand the new items to a function."""

from __future__ import annotations

import json
import sys
import time
import uuid
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from infra.local.stack.account import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.client import BaseClient

    from infra.local.stack.functions import Invoke
    from infra.local.stack.intrinsics import Resolver

_TRIES = 3
_PAUSE = 0.5
"""Seconds between two tries. Lambda waits longer."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """An event source mapping: a function, and how the partition keys of its items begin."""

    function: str
    prefix: str


class Stream:
    """Hands the items that pass the filter of an event source to its function, one at a time, in order.

    It does so inside its context. When the context ends, it first delivers what is still waiting.
    """

    def __init__(self, resolver: Resolver, invoke: Invoke) -> None:
        """Read the event source of the stack, if there is one and it is enabled."""
        self._source = _read_source(resolver)
        self._invoke = invoke
        self._records: SimpleQueue[Record | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._records.put(None)
        self._thread.join(timeout=5)

    def observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        """Note the new items of a successful call."""
        if self._source is None or client.meta.service_model.service_name != "dynamodb":
            return
        for item in _put(operation, parameters):
            if item["pk"]["S"].startswith(self._source.prefix):
                self._records.put(_record(item))

    def _serve(self) -> None:
        source = self._source
        while source and (record := self._records.get()) is not None:
            _deliver(record, source.function, self._invoke)


def _read_source(resolver: Resolver) -> Source | None:
    for _, mapping in resolver.resources("AWS::Lambda::EventSourceMapping"):
        if resolver.resolve(mapping.get("Enabled", True)) is not False:
            return Source(resolver.function_name(mapping["FunctionName"]), _prefix(mapping))
    return None


def _deliver(record: Record, function: str, invoke: Invoke) -> None:
    for tries_left in reversed(range(_TRIES)):
        if not invoke(function, {"Records": [record]})["batchItemFailures"]:
            return
        if tries_left:
            time.sleep(_PAUSE)
    sys.stderr.write(f"{function} gave up on {record['dynamodb']['Keys']['pk']['S']}\n")


def _prefix(mapping: Mapping[str, Any]) -> str:
    """Return how the partition key begins: the twin understands no other filter."""
    pattern = json.loads(mapping["FilterCriteria"]["Filters"][0]["Pattern"])
    return str(pattern["dynamodb"]["Keys"]["pk"]["S"][0]["prefix"])


def _put(operation: str, parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if operation == "PutItem":
        yield parameters["Item"]
    elif operation == "TransactWriteItems":
        yield from (entry["Put"]["Item"] for entry in parameters["TransactItems"] if "Put" in entry)


def _record(item: Mapping[str, Any]) -> Record:
    """Return a stream record with the new image (AWS Lambda developer guide, "DynamoDB event")."""
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
