"""The table: consistent reads, and writes that take effect once, even if they are sent repeatedly.

If the response to a write is lost, the SDK or we send it again. Its condition then fails because of its own effect. So
every conditional write stores an attempt id in the item: if the condition fails on an item with our own attempt id, the
write has succeeded. In conditions and changes an attribute is written `#name`, since DynamoDB reserves some 570 words;
`:name` is a value.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from latchkey.adapters.aws import answered, unavailable
from latchkey.adapters.dynamodb.items import AnyItem, Item, Key, Value, attribute, key_item

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef, TransactWriteItemTypeDef, WriteRequestTypeDef

_TRIES = 3
_LONGEST_PAUSE = 100
"""The most milliseconds between two tries of a write that collided. The pause is random, so that the writers do not
collide again."""

T = TypeVar("T")

_NEW = "attribute_not_exists(#pk)"
_NOT_YET_MINE = "NOT #attempt = :attempt"
_MOMENTARY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


@dataclass(frozen=True, slots=True)
class Write:
    """The outcome of a conditional write: whether it is done, and the item as it stands now, if there is one."""

    applied: bool
    item: AnyItem | None


@dataclass(frozen=True, slots=True)
class Change:
    """A step of a transaction: an update by its `SET`, `REMOVE` and `ADD` clauses, or a deletion if all are empty.

    With `put`, that whole item takes the place of whatever has its key; `only_if` is then needed.
    """

    key: Key
    values: Mapping[str, Value] = field(default_factory=dict)
    only_if: str = ""
    set: str = ""
    remove: str = ""
    add: str = ""
    put: Item | None = None


class Table:
    """One table behind a low-level client. A call that gets no answer raises `UNAVAILABLE`."""

    def __init__(self, client: DynamoDBClient, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep
        self._refused = client.exceptions.ConditionalCheckFailedException
        self._cancelled = client.exceptions.TransactionCanceledException
        self._conflict = client.exceptions.TransactionConflictException

    def get(self, key: Key) -> Item | None:
        """Return the item, read consistently."""
        with answered():
            answer = self._client.get_item(TableName=self._name, Key=key_item(key), ConsistentRead=True)
        return answer.get("Item")

    def query(self, pk: str, prefix: str = "") -> list[Item]:
        """Return the items of a partition whose sort key begins with `prefix`, read consistently, in key order."""
        request = self._of(pk, prefix)
        items: list[Item] = []
        while True:
            with answered():
                page = self._client.query(**request)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def page(self, pk: str, *, after: str, limit: int, prefix: str = "") -> tuple[list[Item], str]:
        """Return some items of a partition behind a sort key, in key order, and the sort key to go on after.

        The latter is empty where there are no more.
        """
        start = key_item(Key(pk, after)) if after else None
        return self._page(self._of(pk, prefix), start, limit)

    def newest(self, pk: str, *, after: str, limit: int) -> tuple[list[Item], str]:
        """Return some items of a partition before a sort key, in reverse order, and the sort key to go on before."""
        start = key_item(Key(pk, after)) if after else None
        return self._page({**self._of(pk, ""), "ScanIndexForward": False}, start, limit)

    def newest_by(
        self, index: str, attribute: str, value: str, *, after: Item | None, limit: int
    ) -> tuple[list[Item], str]:
        """Return some items of an index in the same way, from before the item with the key `after`.

        An index is never read consistently: it follows the table by a moment.
        """
        request: QueryInputTypeDef = {
            "TableName": self._name,
            "IndexName": index,
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": attribute},
            "ExpressionAttributeValues": _values({"key": value}),
            "ScanIndexForward": False,
        }
        return self._page(request, after | {attribute: {"S": value}} if after else None, limit)

    def put_all(self, items: Sequence[Item]) -> None:
        """Store at most 25 items with different keys, replacing existing ones.

        Repeating it must be harmless. Raise `UNAVAILABLE` when some are not stored after a few tries.
        """
        waiting: list[WriteRequestTypeDef] = [{"PutRequest": {"Item": item}} for item in items]
        for tries_left in reversed(range(_TRIES)):
            with answered():
                answer = self._client.batch_write_item(RequestItems={self._name: waiting})
            waiting = [dict(each) for each in answer["UnprocessedItems"].get(self._name, [])]  # type: ignore[misc]
            if not waiting:
                return
            if tries_left:
                self._sleep(secrets.randbelow(_LONGEST_PAUSE) / 1000)
        raise unavailable("the table took a part of the items only")

    def get_all(self, keys: Sequence[Key]) -> list[Item]:
        """Return those of at most 100 items that are there, read consistently, in any order."""
        found: list[Item] = []
        wanted = [key_item(key) for key in keys]
        for _ in range(_TRIES):
            if not wanted:
                return found
            with answered():
                answer = self._client.batch_get_item(
                    RequestItems={self._name: {"Keys": wanted, "ConsistentRead": True}}
                )
            found += answer["Responses"].get(self._name, [])
            wanted = [dict(key) for key in answer["UnprocessedKeys"].get(self._name, {"Keys": []})["Keys"]]
        if wanted:
            raise unavailable("the table gave a part of the items only")
        return found

    def get_each(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Return those of at most 100 items that are there, read consistently, by their keys."""
        return {Key(item["pk"]["S"], item["sk"]["S"]): item for item in self.get_all(keys)}

    def put_new(self, item: Item) -> bool:
        """Store an item whose key is free; say whether it is stored."""
        attempt = _new_attempt()
        try:
            with answered():
                self._client.put_item(
                    TableName=self._name,
                    Item=item | {"attempt": {"S": attempt}},
                    ConditionExpression=_NEW,
                    ExpressionAttributeNames=_names(_NEW),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._refused as refusal:
            return _is_of(attempt, _in_the_way(refusal))
        return True

    def put_all_new(self, items: Sequence[Item], *, also: Sequence[Change] = ()) -> bool:
        """Store all items if all their keys are free, and make the changes of `also`, or do nothing; say which."""
        attempt = _new_attempt()
        writes = [self._new(item | {"attempt": {"S": attempt}}) for item in items]
        writes += [self._changed(change, attempt) for change in also]
        try:
            self._patiently(lambda: self._client.transact_write_items(TransactItems=writes, ClientRequestToken=attempt))
        except self._cancelled as cancelled:
            return _is_own_effect(cancelled, attempt)
        return True

    def change_all(self, changes: Sequence[Change], new: Sequence[Item] = ()) -> tuple[bool, ...]:
        """Make all changes and store the new items, or do nothing.

        Return for each change, then for each new item, whether its condition held. If all did, it is done. An update or
        a new item keeps the attempt id that a repeated write meets; deletions alone keep none, so a deletion repeated
        after ten minutes says that it did nothing.
        """
        attempt = _new_attempt()
        writes = [self._changed(change, attempt) for change in changes]
        writes += [self._new(item | {"attempt": {"S": attempt}}) for item in new]
        try:
            self._patiently(lambda: self._client.transact_write_items(TransactItems=writes, ClientRequestToken=attempt))
        except self._cancelled as cancelled:
            # An item has our own attempt id: an earlier request of this transaction has succeeded completely.
            landed = any(_is_of(attempt, item) for item in _refusals(cancelled))
            reasons = cancelled.response["CancellationReasons"]
            return tuple(landed or reason["Code"] != "ConditionalCheckFailed" for reason in reasons)
        return (True,) * len(writes)

    def put_if(self, item: Item, only_if: str, values: Mapping[str, Value]) -> bool:
        """Replace an item if the condition holds; say whether it did. Repeating it must be harmless."""
        try:
            with answered():
                self._client.put_item(
                    TableName=self._name,
                    Item=item,
                    ConditionExpression=only_if,
                    ExpressionAttributeNames=_names(only_if),
                    ExpressionAttributeValues=_values(values),
                )
        except self._refused:
            return False
        return True

    def update(self, key: Key, change: str, values: Mapping[str, Value], *, only_if: str = "") -> Write:
        """Change an item if the condition holds; `change` begins with its `SET` clause."""
        attempt = _new_attempt()
        change = change.replace("SET ", "SET #attempt = :attempt, ", 1)
        condition = f"({only_if}) AND {_NOT_YET_MINE}" if only_if else _NOT_YET_MINE
        try:
            answer = self._patiently(
                lambda: self._client.update_item(
                    TableName=self._name,
                    Key=key_item(key),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=_names(change + condition),
                    ExpressionAttributeValues=_values({**values, "attempt": attempt}),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            )
        except self._refused as refusal:
            standing = _in_the_way(refusal)
            return Write(_is_of(attempt, standing), standing)
        return Write(applied=True, item=answer["Attributes"])

    def delete(self, key: Key) -> bool:
        """Delete an item; say whether this call did.

        A deleted item keeps no attempt id. If the SDK had to send the request twice, a missing item counts as deleted
        by this call. Two callers may then both report the deletion, but it is never unreported.
        """
        with answered():
            answer = self._client.delete_item(TableName=self._name, Key=key_item(key), ReturnValues="ALL_OLD")
        return "Attributes" in answer or answer["ResponseMetadata"].get("RetryAttempts", 0) > 0

    def _of(self, pk: str, prefix: str) -> QueryInputTypeDef:
        return {
            "TableName": self._name,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)" if prefix else "pk = :pk",
            "ExpressionAttributeValues": _values({"pk": pk} | ({"prefix": prefix} if prefix else {})),
        }

    def _page(self, request: QueryInputTypeDef, start: Item | None, limit: int) -> tuple[list[Item], str]:
        """Return the results of a query after the key `start`, and the sort key to continue after."""
        request = {**request, "Limit": limit + 1}  # one more than asked for tells whether there is more
        if start:
            request["ExclusiveStartKey"] = start
        with answered():
            answer = self._client.query(**request)
        found = answer["Items"]
        if len(found) > limit or "LastEvaluatedKey" in answer:  # only the key, if the megabyte limit was reached
            found = found[:limit]
            return found, found[-1]["sk"]["S"]
        return found, ""

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call, and repeat after a random pause while another transaction holds the item."""
        for tries_left in reversed(range(_TRIES)):
            try:
                with answered():
                    return call()
            except (self._conflict, self._cancelled) as collision:
                if not _is_momentary(collision):
                    raise
                if tries_left:
                    self._sleep(secrets.randbelow(_LONGEST_PAUSE) / 1000)
        raise unavailable("others wrote the same items all the while")

    def _changed(self, each: Change, attempt: str) -> TransactWriteItemTypeDef:
        if each.put is not None:
            return self._replaced(each, each.put | {"attempt": {"S": attempt}})
        if not each.set and not each.remove and not each.add:
            return self._deleted(each)
        change = "SET #attempt = :attempt" + (f", {each.set}" if each.set else "")
        change += (f" REMOVE {each.remove}" if each.remove else "") + (f" ADD {each.add}" if each.add else "")
        condition = f"({each.only_if}) AND {_NOT_YET_MINE}" if each.only_if else _NOT_YET_MINE
        return {
            "Update": {
                "TableName": self._name,
                "Key": key_item(each.key),
                "UpdateExpression": change,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": _names(change + condition),
                "ExpressionAttributeValues": _values({**each.values, "attempt": attempt}),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _replaced(self, each: Change, item: Item) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._name,
                "Item": item,
                "ConditionExpression": each.only_if,
                "ExpressionAttributeNames": _names(each.only_if),
                "ExpressionAttributeValues": _values(each.values),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _deleted(self, each: Change) -> TransactWriteItemTypeDef:
        if not each.only_if:
            return {"Delete": {"TableName": self._name, "Key": key_item(each.key)}}
        return {
            "Delete": {
                "TableName": self._name,
                "Key": key_item(each.key),
                "ConditionExpression": each.only_if,
                "ExpressionAttributeNames": _names(each.only_if),
                "ExpressionAttributeValues": _values(each.values),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _new(self, item: Item) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._name,
                "Item": item,
                "ConditionExpression": _NEW,
                "ExpressionAttributeNames": _names(_NEW),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }


class TablePart:
    """A part of the store: the operations on one kind of item."""

    def __init__(self, table: Table) -> None:
        self._table = table


def _new_attempt() -> str:
    return secrets.token_hex(16)


def _in_the_way(refusal: ClientError) -> Item | None:
    """Return the item that the condition did not hold for."""
    return cast("Item | None", refusal.response.get("Item"))


def _is_of(attempt: str, item: AnyItem | None) -> bool:
    return item is not None and item.get("attempt") == {"S": attempt}


def _is_momentary(collision: ClientError) -> bool:
    """Say whether a retry may succeed: no condition failed, but another writer was changing the same items."""
    reasons = collision.response.get("CancellationReasons")
    if reasons is None:  # a single write, rejected because of a running transaction
        return True
    codes = {reason["Code"] for reason in reasons} - {"None"}
    return bool(codes) and codes <= _MOMENTARY


def _is_own_effect(cancelled: ClientError, attempt: str) -> bool:
    """Say whether this attempt itself wrote the conflicting items; raise if the cause was not a taken key."""
    return all(_is_of(attempt, item) for item in _refusals(cancelled))


def _refusals(cancelled: ClientError) -> list[Item | None]:
    """Return the items whose condition did not hold; raise if the cause was not a condition."""
    reasons = cancelled.response["CancellationReasons"]
    refused = [reason for reason in reasons if reason["Code"] == "ConditionalCheckFailed"]
    if not refused:
        raise cancelled
    return [cast("Item | None", reason.get("Item")) for reason in refused]


def _names(expression: str) -> dict[str, str]:
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}


def _values(values: Mapping[str, Value]) -> Item:
    return {f":{name}": attribute(value) for name, value in values.items()}
