"""Invoke a function of Latchkey that no route leads to: in the twin of this folder, or in a deployed stack."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import TypeAlias

import typer

from infra.cli.answers import Answer, read_answer
from infra.cli.errors import BadAnswer
from infra.cli.service.api import Api
from infra.cli.service.problems import Refused, read_problem
from infra.cli.service.targets import Options, find_target

Invoke: TypeAlias = Callable[[Mapping[str, object]], Answer]
"""Sends members to the function, as the body of a request, and returns its answer."""

_SUCCESS = range(200, 300)


def find_function(ctx: typer.Context, function: str) -> Invoke:
    """Return a callable that invokes a function; both raise `CommandError`, and the callable raises `Refused` too.

    `function` is the output of a stack that names the function, and the name of the function in a twin.
    """
    invoke = _found(ctx, function)
    return lambda members: _read(invoke(_event(members)))


def _found(ctx: typer.Context, function: str) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
    options: Options = ctx.obj
    name = options.require_target()
    if options.local:
        api = ctx.with_resource(Api(find_target(options).address))
        return lambda event: api.post(f"/2015-03-31/functions/{function}/invocations", event).members
    from infra.cli.service import stacks  # boto3 takes longer to import than most commands take

    return stacks.find_function(name, function, options.profile, options.region)


def _event(members: Mapping[str, object]) -> dict[str, object]:
    """Return the event of a proxy integration, which every function of Latchkey reads."""
    return {
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "requestContext": {"requestId": str(uuid.uuid4())},
        "body": json.dumps(members),
    }


def _read(answer: Mapping[str, object]) -> Answer:
    """Return the document in the answer of a proxy integration; raise `Refused` or `BadAnswer`."""
    status, body = answer.get("statusCode"), answer.get("body")
    if not isinstance(status, int) or not isinstance(body, str):
        raise BadAnswer("it is not an answer of this function")
    if status not in _SUCCESS:
        raise Refused(read_problem(status, {}, body.encode()))
    return read_answer(body.encode())
