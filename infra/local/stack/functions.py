"""Run the Lambda functions of a stack in this process."""

from __future__ import annotations

import importlib
import os
import time
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.stack.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from infra.local.stack.api import Function


_FUNCTION: ContextVar[Function | None] = ContextVar("function", default=None)


def current_function() -> Function | None:
    """Return the function that this thread runs, or `None`."""
    return _FUNCTION.get()


@contextmanager
def running_as(function: Function | None) -> Iterator[None]:
    """Attribute what this thread does to a function, or to none, until the context ends."""
    outside = _FUNCTION.set(function)
    try:
        yield
    finally:
        _FUNCTION.reset(outside)


class Conflict(ValueError):
    """Two functions need different values of one environment variable."""


class Invoke(Protocol):
    """Invokes a function by its logical id."""

    def __call__(self, name: str, event: dict[str, Any]) -> Any:
        """Return what the handler returns, and raise what it raises."""


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The context object that Lambda passes to a handler (AWS Lambda developer guide, "context object in Python")."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    timeout: int
    log_group_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    function_version: str = "$LATEST"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before the function's timeout."""
        return max(0, int((self.started + self.timeout - time.monotonic()) * 1000))


class Functions:
    """The functions of a stack. Each is imported once, as in a warm execution environment."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._handlers = {name: _handler(function) for name, function in functions.items()}

    def __call__(self, name: str, event: dict[str, Any]) -> Any:
        """Invoke one function. Return what its handler returns, and raise what it raises."""
        function = self._functions[name]
        context = LambdaContext(name, function.arn, function.memory, function.timeout, function.log_group)
        with running_as(function):
            return self._handlers[name](event, context)


def _handler(function: Function) -> Callable[[dict[str, Any], LambdaContext], Any]:
    handler: Callable[[dict[str, Any], LambdaContext], Any]
    handler = getattr(importlib.import_module(function.module), function.handler)
    return handler


def shared_environment(functions: Iterable[Function], overrides: Mapping[str, str]) -> dict[str, str]:
    """Return one environment for all functions, because they share one process. `overrides` are the twin's own values.

    Raise `Conflict` when two functions need different values of a variable that is not overridden.
    """
    shared: dict[str, str] = {}
    owners: dict[str, str] = {}
    for function in functions:
        for name, value in function.environment.items():
            if name not in overrides and shared.setdefault(name, value) != value:
                raise Conflict(f"{name}: {owners[name]} needs {shared[name]!r}, {function.name} needs {value!r}")
            owners.setdefault(name, function.name)
    return shared | dict(overrides)


def install_environment(variables: Mapping[str, str], *, instead_of: Iterable[str] = ()) -> None:
    """Set the variables in the environment of this process, and those that Lambda itself sets.

    `instead_of` are the names that were installed before. Those that are gone are removed.
    """
    for gone in set(instead_of) - variables.keys():
        os.environ.pop(gone, None)
    os.environ.update(variables)
    os.environ.update({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ACCOUNT_ID": ACCOUNT})
