"""AWS inside this process: moto, under one lock.

moto is not thread-safe. Without the lock, two threads can both succeed at the same conditional write, `ADD` loses
counts, and transactions give one login to two users (measured with 32 threads: 14 of 15 rounds went wrong without the
lock, and none with it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.client import BaseClient
from moto import mock_aws

from infra.local.aws.moto_cost import in_proportion
from infra.local.aws.moto_pace import direct
from infra.local.stack.account import REGION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOCK = RLock()
"""Held during every call that moto answers. It is re-entrant, so that an observer can call AWS too."""

_LAYOUT = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")

_EVERY_CALL = "_make_api_call"  # every call of every client goes through this method

Call = Callable[[BaseClient, str, Mapping[str, Any]], Any]
Observer = Callable[[BaseClient, str, Mapping[str, Any]], None]
"""Takes the client, the operation (`PutItem`) and its parameters."""


@contextmanager
def running(observe: Observer | None = None, check: Observer | None = None) -> Iterator[None]:
    """Answer every AWS call of this process from moto, with made-up credentials, until the context ends.

    `check` runs before each call and can reject it. `observe` runs after each successful call, under the lock. Calls
    that `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>` sends to another endpoint still go there.
    """
    call = getattr(BaseClient, _EVERY_CALL)
    environment = {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
    with (
        patch.dict(os.environ, environment),
        mock_aws(),
        in_proportion(),
        direct(),
        patch.object(BaseClient, _EVERY_CALL, _locked(call, observe, check)),
    ):
        yield


def create_table(client: DynamoDBClient, name: str, properties: Mapping[str, Any]) -> None:
    """Create a table as the template describes it: its keys, its indexes and its time to live."""
    layout = {member: properties[member] for member in _LAYOUT if member in properties}
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **layout)
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])


def _locked(call: Call, observe: Observer | None, check: Observer | None) -> Call:
    @wraps(call)
    def under_lock(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        if not _is_answered_by_moto(client):
            return call(client, operation, parameters)
        if check is not None:
            check(client, operation, parameters)
        with LOCK:
            answer = call(client, operation, parameters)
            if observe is not None:
                observe(client, operation, parameters)
            return answer

    return under_lock


def _is_answered_by_moto(client: BaseClient) -> bool:
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(".amazonaws.com")
