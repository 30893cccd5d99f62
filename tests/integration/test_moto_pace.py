"""moto without the work of the protocol: the same answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.local.aws import backend, moto_pace
from infra.local.stack.account import REGION
from tests.integration.conftest import TABLE

_TABLE = "moto-pace"
_KEY = {"pk": {"S": "USER#1"}, "sk": {"S": "PROFILE"}}
_OTHER = {"pk": {"S": "USER#1"}, "sk": {"S": "LINK#1"}}
_NAMES = {"#n": "n", "#pk": "pk"}
_STEP = {
    "TableName": _TABLE,
    "Key": _KEY,
    "UpdateExpression": "SET #n = if_not_exists(#n, :zero) + :one, names = :names REMOVE gone",
    "ConditionExpression": "attribute_exists(#pk) AND (#n < :most OR NOT #n IN (:one, :zero))",
    "ExpressionAttributeNames": _NAMES,
    "ExpressionAttributeValues": {
        ":zero": {"N": "0"},
        ":one": {"N": "1"},
        ":most": {"N": "3"},
        ":names": {"L": [{"S": "é"}]},
    },
    "ReturnValues": "ALL_NEW",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
_CALLS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (
        "put_item",
        {
            "TableName": _TABLE,
            "Item": _KEY | {"n": {"N": "1"}, "gone": {"BOOL": True}, "m": {"M": {}}, "b": {"B": b"\xff"}},
        },
    ),
    ("put_item", {"TableName": _TABLE, "Item": _OTHER, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("put_item", {"TableName": _TABLE, "Item": _OTHER, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("get_item", {"TableName": _TABLE, "Key": _KEY, "ConsistentRead": True}),
    ("get_item", {"TableName": _TABLE, "Key": _KEY | {"sk": {"S": "none"}}}),
    ("update_item", _STEP),
    ("update_item", _STEP),
    ("update_item", _STEP),
    ("update_item", _STEP | {"UpdateExpression": "SET #n = :one,"}),
    ("batch_get_item", {"RequestItems": {_TABLE: {"Keys": [_KEY, _OTHER]}}}),
    (
        "query",
        {
            "TableName": _TABLE,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": {":pk": {"S": "USER#1"}, ":sk": {"S": "L"}},
            "Limit": 1,
        },
    ),
    (
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {"TableName": _TABLE, "Item": _OTHER, "ConditionExpression": "attribute_not_exists(pk)"}},
                {"Delete": {"TableName": _TABLE, "Key": _KEY}},
            ]
        },
    ),
    ("delete_item", {"TableName": _TABLE, "Key": _KEY, "ReturnValues": "ALL_OLD"}),
    ("delete_item", {"TableName": "none", "Key": _KEY}),
)


def test_answers_are_those_of_moto() -> None:
    """Each call has the answer and the error that moto gives on its own, a second time too."""
    plain = _answers()
    with moto_pace.direct():
        assert [_answers(), _answers()] == [plain, plain]


def _answers() -> list[object]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
        backend.create_table(client, _TABLE, TABLE)
        answers = [_answer(client, name, parameters) for name, parameters in _CALLS]
        client.delete_table(TableName=_TABLE)  # where moto runs for other tests too, its tables outlive this context
        return answers


def _answer(client: object, name: str, parameters: Mapping[str, Any]) -> object:
    try:
        answer: dict[str, object] = getattr(client, name)(**parameters)
    except ClientError as error:
        answer = dict(error.response)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}
