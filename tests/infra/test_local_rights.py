"""The twin holds functions to the rights that the template gives them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.aws import backend
from infra.local.aws.rights import Rights
from infra.local.stack.api import Function
from infra.local.stack.functions import running_as
from infra.local.stack.intrinsics import Resolver, Unresolvable

READER = Function("Reader", "arn:reader", "reader.app", "handler", {}, timeout=3, memory=128, log_group="logs")
TABLE = "Things"
LAYOUT = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"},
}


def statement(*actions: str, items: list[str], effect: str = "Allow") -> dict[str, Any]:
    """Return a statement about some items of the table."""
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": items}}
    resource = {"Fn::GetAtt": [TABLE, "Arn"]}
    return {"Effect": effect, "Action": list(actions), "Resource": resource, "Condition": condition}


def template(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a template with a table and a function that has these statements."""
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    return {
        "Resources": {
            TABLE: {"Type": "AWS::DynamoDB::Table", "Properties": LAYOUT},
            "Reader": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}},
        }
    }


def is_allowed(statements: list[dict[str, Any]], operation: str, **parameters: Any) -> bool:
    """Return whether the function may make a call."""
    rights = Rights(Resolver(template(*statements), {}, {}))
    with backend.running(check=rights.check):
        client = boto3.client("dynamodb")
        with running_as(None):
            if TABLE not in client.list_tables()["TableNames"]:
                backend.create_table(client, TABLE, LAYOUT)
        code = ""
        try:
            with running_as(READER):
                getattr(client, operation)(**parameters)
        except ClientError as error:
            code = error.response["Error"]["Code"]
        with running_as(None):
            client.delete_table(TableName=TABLE)
    assert code in {"", "AccessDeniedException"}
    return not code


def key(pk: str) -> dict[str, Any]:
    """Return the key of an item."""
    return {"pk": {"S": pk}, "sk": {"S": "x"}}


@pytest.mark.parametrize(("pk", "allowed"), [("USER#ann", True), ("CLIENT#ann", False), ("USERS", False)])
def test_a_right_to_some_items_is_none_to_others(pk: str, allowed: bool) -> None:
    """The partition key decides, by the pattern of the condition."""
    granted = [statement("dynamodb:GetItem", items=["USER#*"])]
    assert is_allowed(granted, "get_item", TableName=TABLE, Key=key(pk)) is allowed


def test_a_right_to_read_is_none_to_write() -> None:
    """The action decides too."""
    granted = [statement("dynamodb:GetItem", "dynamodb:Query", items=["*"])]
    assert not is_allowed(granted, "put_item", TableName=TABLE, Item=key("USER#ann"))


@pytest.mark.parametrize(("second", "allowed"), [("USER#bob", True), ("LOGIN#bob", False)])
def test_a_transaction_needs_the_right_to_each_of_its_steps(second: str, allowed: bool) -> None:
    """One step without a right rejects the whole transaction."""
    granted = [statement("dynamodb:PutItem", items=["USER#*"])]
    steps = [{"Put": {"TableName": TABLE, "Item": key(pk)}} for pk in ("USER#ann", second)]
    assert is_allowed(granted, "transact_write_items", TransactItems=steps) is allowed


@pytest.mark.parametrize(("second", "allowed"), [("USER#bob", True), ("LOGIN#bob", False)])
def test_a_batch_needs_the_right_to_each_of_its_items(second: str, allowed: bool) -> None:
    """A batch needs the right for each item, to read and to write."""
    granted = [statement("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", items=["USER#*"])]
    keys = [key("USER#ann"), key(second)]
    writes = [{"PutRequest": {"Item": each}} for each in keys]
    assert is_allowed(granted, "batch_get_item", RequestItems={TABLE: {"Keys": keys}}) is allowed
    assert is_allowed(granted, "batch_write_item", RequestItems={TABLE: writes}) is allowed


def test_a_right_to_the_table_is_none_to_its_index() -> None:
    """An index is a resource of its own."""
    granted = [statement("dynamodb:Query", items=["*"])]
    asked: dict[str, Any] = {"TableName": TABLE, "ExpressionAttributeValues": {":pk": {"S": "USER#ann"}}}
    assert is_allowed(granted, "query", **asked, KeyConditionExpression="pk = :pk")
    names = {"#owner": "owner"}
    assert not is_allowed(
        granted,
        "query",
        **asked,
        IndexName="by_owner",
        KeyConditionExpression="#owner = :pk",
        ExpressionAttributeNames=names,
    )


@pytest.mark.parametrize(("pk", "allowed"), [("USER#ann", True), ("LOGIN#ann", False)])
def test_what_is_denied_is_not_allowed_by_another_statement(pk: str, allowed: bool) -> None:
    """A denial wins over every right."""
    granted = [
        statement("dynamodb:GetItem", items=["*"]),
        statement("dynamodb:Get*", items=["LOGIN#*"], effect="Deny"),
    ]
    assert is_allowed(granted, "get_item", TableName=TABLE, Key=key(pk)) is allowed


@pytest.mark.parametrize(("spared", "allowed"), [({"Fn::GetAtt": [TABLE, "Arn"]}, True), ({"Ref": "Role"}, False)])
def test_a_denial_of_all_other_resources_spares_the_one_it_names(spared: dict[str, Any], allowed: bool) -> None:
    """So a function is kept to a log of its own."""
    denied = {"Effect": "Deny", "Action": ["dynamodb:*"], "NotResource": [spared]}
    granted = [statement("dynamodb:GetItem", items=["*"]), denied]
    assert is_allowed(granted, "get_item", TableName=TABLE, Key=key("USER#ann")) is allowed


@pytest.mark.parametrize("flaw", [{"NotAction": []}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}])
def test_a_statement_that_is_not_understood_stops_the_twin(flaw: dict[str, Any]) -> None:
    """The twin must not guess whether such a statement grants a right."""
    document = template(statement("dynamodb:GetItem", items=["*"]) | flaw)
    with pytest.raises(Unresolvable):
        Rights(Resolver(document, {}, {}))
