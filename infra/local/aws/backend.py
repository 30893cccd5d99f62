"""AWS inside this process: moto, under one lock.

moto is not thread-safe. Without a lock two threads can both win one conditional write, `ADD` loses counts and a
transaction lets two users take one login (measured: 14 of 15 rounds of 32 threads went wrong; with the lock, none).
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

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "us-east-1"

LOCK = RLock()
"""Held during every call that moto answers; re-entrant, so that an observer may call AWS too."""

_LAYOUT = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")

_EVERY_CALL = "_make_api_call"  # the one method that every call of every client goes through

Call = Callable[[BaseClient, str, Mapping[str, Any]], Any]
Observer = Callable[[BaseClient, str, Mapping[str, Any]], None]
"""Told the client, the operation (`PutItem`) and its parameters. Who observes is told after success, under the lock."""


@contextmanager
def running(observe: Observer | None = None, check: Observer | None = None) -> Iterator[None]:
    """Answer every AWS call of this process from moto, with made-up credentials, until the context ends.

    `check` may refuse a call, `observe` is told of it afterwards.

    A service that `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>` sends elsewhere is left to that endpoint.
    """
    call = getattr(BaseClient, _EVERY_CALL)
    environment = {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
    with (
        patch.dict(os.environ, environment),
        mock_aws(),
        in_proportion(),
        patch.object(BaseClient, _EVERY_CALL, _locked(call, observe, check)),
    ):
        yield


def create_table(client: DynamoDBClient, name: str, properties: Mapping[str, Any]) -> None:
    """Make a table as the template describes it: its keys, its indexes and what sweeps it."""
    layout = {member: properties[member] for member in _LAYOUT if member in properties}
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **layout)
    sweeping = properties["TimeToLiveSpecification"]
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=sweeping)


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
