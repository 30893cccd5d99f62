"""The AWS inside the process: one lock, made-up credentials, and a way past it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.client import BaseClient

from infra.local.aws import backend
from infra.local.stack.account import REGION
from latchkey.adapters.dynamodb import DynamoStore, connect
from tests.integration import samples
from tests.integration.conftest import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_one_call_at_a_time_is_answered_by_moto(moto_client: DynamoDBClient) -> None:
    """Thirty-two threads that each add one to a number add thirty-two, in each of five rounds."""
    table = new_table(moto_client)
    start = Barrier(32)

    def add(_: int) -> None:
        start.wait(timeout=30)
        moto_client.update_item(
            TableName=table,
            Key={"pk": {"S": "counter"}, "sk": {"S": "-"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(32) as pool:
        for _ in range(5):
            list(pool.map(add, range(32)))
    item = moto_client.get_item(TableName=table, Key={"pk": {"S": "counter"}, "sk": {"S": "-"}})["Item"]
    assert item["n"] == {"N": "160"}


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.usefixtures("moto")
def test_an_endpoint_of_ones_own_is_left_alone(
    ministack_address: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A client with another endpoint in the environment reads and writes there."""
    monkeypatch.setenv(variable, ministack_address)
    client = connect()
    assert client.meta.endpoint_url == ministack_address
    user = samples.user()
    table = new_table(client)
    DynamoStore(client, table).create_user(user, samples.credential(user))
    monkeypatch.delenv(variable)
    assert table not in connect().list_tables()["TableNames"]


def test_an_observer_is_told_of_what_has_succeeded() -> None:
    """An observer is called after each call, under the lock, and may call AWS itself."""
    told: list[tuple[str, Any]] = []

    def observe(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "PutSecretValue":
            told.append((parameters["SecretString"], client.get_secret_value(SecretId="s")["SecretString"]))  # type: ignore[attr-defined]

    with backend.running(observe):
        client = boto3.client("secretsmanager")
        client.create_secret(Name="s", SecretString="first")
        client.put_secret_value(SecretId="s", SecretString="second")
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.put_secret_value(SecretId="nowhere", SecretString="third")
    assert told == [("second", "second")]


def test_nothing_of_it_is_left_behind() -> None:
    """The environment and botocore are as they were."""
    before = dict(os.environ), vars(BaseClient)["_make_api_call"]
    with backend.running():
        assert vars(BaseClient)["_make_api_call"] is not before[1]
        assert os.environ["AWS_REGION"] == REGION
    assert (dict(os.environ), vars(BaseClient)["_make_api_call"]) == before


def test_the_table_is_the_templates(moto_client: DynamoDBClient) -> None:
    """Partition key, sort key, on demand, swept by `ttl`."""
    table = new_table(moto_client)
    description = moto_client.describe_table(TableName=table)["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in description["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]
    assert description["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = moto_client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ttl", "ENABLED")


def test_refused_transaction_leaves_what_was_there(moto_client: DynamoDBClient) -> None:
    """Items that it changed, deleted or put are restored, and the rest of the table is unchanged."""
    table = new_table(moto_client)
    for name in ("changed", "deleted", "other"):
        moto_client.put_item(TableName=table, Item=item(name) | {"n": {"N": "1"}})
    before = moto_client.scan(TableName=table)["Items"]
    change: Any = {
        "TableName": table,
        "Key": item("changed"),
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    actions: list[Any] = [
        {"Update": change},
        {"Delete": {"TableName": table, "Key": item("deleted")}},
        {"Put": {"TableName": table, "Item": item("new")}},
        {"Put": {"TableName": table, "Item": item("other"), "ConditionExpression": "attribute_not_exists(pk)"}},
    ]
    with pytest.raises(moto_client.exceptions.TransactionCanceledException):
        moto_client.transact_write_items(TransactItems=actions)
    assert moto_client.scan(TableName=table)["Items"] == before
    moto_client.transact_write_items(TransactItems=actions[:3])
    assert {each["sk"]["S"] for each in moto_client.scan(TableName=table)["Items"]} == {"changed", "new", "other"}


@pytest.mark.parametrize("forward", [True, False])
def test_query_sees_its_partition_page_by_page(moto_client: DynamoDBClient, forward: bool) -> None:
    """In either direction every item comes once, in order, and none of another partition."""
    table = new_table(moto_client)
    for name in "cadbe":
        moto_client.put_item(TableName=table, Item=item(name))
        moto_client.put_item(TableName=table, Item={"pk": {"S": "another"}, "sk": {"S": name}})
    pages = moto_client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "one"}},
        ScanIndexForward=forward,
        PaginationConfig={"PageSize": 2},
    )
    found = [each for page in pages for each in page["Items"]]
    assert "".join(each["sk"]["S"] for each in found) == ("abcde" if forward else "edcba")
    assert {each["pk"]["S"] for each in found} == {"one"}


def item(name: str) -> dict[str, Any]:
    return {"pk": {"S": "one"}, "sk": {"S": name}}
