"""Let moto answer DynamoDB without the work that AWS's protocol does not need here.

moto checks each request and each answer against a model of the service, member by member, and reads every expression
again for each call. That takes most of the time of a call (measured: 85 % of a large answer). Both sides of the call
are in this process and the functions' own client has checked the request, so here JSON is read and written as it is,
and an expression is read once. The responses are the same as moto's.
"""

from __future__ import annotations

import json
import pickle
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from moto.core.responses import BaseResponse
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing.expressions import (  # type: ignore[attr-defined]
    UpdateExpressionParser,
)
from moto.dynamodb.parsing.tokens import ExpressionTokenizer
from moto.dynamodb.responses import DynamoHandler

_EXPRESSIONS = 1024  # more than the service has
_DATA = frozenset(
    {
        "BatchGetItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""The operations whose answers moto builds of plain JSON values."""

_serialized = BaseResponse.serialized
_lex = ConditionExpressionParser._lex_condition_expression  # noqa: SLF001 - moto has no other seam


@contextmanager
def direct() -> Iterator[None]:
    """Patch moto until the context ends."""
    with (
        patch.object(DynamoHandler, "parse_parameters", _read_json),
        patch.object(DynamoHandler, "serialized", _write_json),
        patch.object(ExpressionTokenizer, "make_list", _tokens),
        patch.object(UpdateExpressionParser, "make", _tree),
        patch.object(ConditionExpressionParser, "_lex_condition_expression", _nodes),
    ):
        yield


def _read_json(handler: Any, request: Any) -> None:
    handler.params = json.loads(request.data)


def _write_json(handler: Any, answer: Any) -> Any:
    if isinstance(answer.result, Exception) or handler._get_action() not in _DATA:  # noqa: SLF001 - as above
        return _serialized(handler, answer)
    body = {name: value for name, value in answer.result.items() if value is not None}
    return (
        200,
        {"Content-Type": "application/x-amz-json-1.0", **handler.response_headers},
        json.dumps(body, default=_text),
    )


def _text(octets: bytes) -> str:
    return b64encode(octets).decode()


def _tokens(expression: str) -> list[Any]:
    return list(_tokens_of(expression))


@lru_cache(_EXPRESSIONS)
def _tokens_of(expression: str) -> tuple[Any, ...]:
    return tuple(ExpressionTokenizer(expression)._make_list())  # noqa: SLF001 - moto has no other seam


def _tree(expression: str) -> Any:
    return pickle.loads(_pickled_tree(expression))  # noqa: S301 - pickled by this process; a copy, since moto changes it


@lru_cache(_EXPRESSIONS)
def _pickled_tree(expression: str) -> bytes:
    return pickle.dumps(UpdateExpressionParser(ExpressionTokenizer.make_list(expression)).parse())


def _nodes(parser: Any) -> deque[Any]:
    return deque(_nodes_of(parser.condition_expression))


@lru_cache(_EXPRESSIONS)
def _nodes_of(expression: str) -> tuple[Any, ...]:
    return tuple(_lex(ConditionExpressionParser(expression, {}, {})))
