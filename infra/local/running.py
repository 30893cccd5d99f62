"""Run one evaluated stack: its functions, the gateway in front of them, and the AWS services around them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.aws.logs import LogDelivery
from infra.local.aws.rights import Rights
from infra.local.aws.stream import Stream
from infra.local.gateway.dispatch import Gateway
from infra.local.gateway.invocations import Invocations
from infra.local.stack.functions import Functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.stack.evaluate import Stack


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Everything that depends on the template and its parameters. The data are not in it."""

    functions: Functions
    gateway: Gateway
    invocations: Invocations
    rights: Rights
    stream: Stream
    logs: LogDelivery


@contextmanager
def run(stack: Stack) -> Iterator[RunningStack]:
    """Run a stack until the context ends. Its environment must be installed: the functions are imported here."""
    functions = Functions(stack.api.functions)
    running = RunningStack(
        functions,
        Gateway(stack.api, functions),
        Invocations(stack.api, functions),
        Rights(stack.resolver),
        Stream(stack.resolver, functions),
        LogDelivery(stack.resolver, functions),
    )
    with running.stream, running.logs:
        yield running
