"""Run one evaluated stack: its functions, the gateway in front of them, and the AWS services around them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.aws.logs import LogDelivery
from infra.local.aws.rights import Rights
from infra.local.aws.stream import Stream
from infra.local.gateway.authorizers import Authorizers
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
def run(stack: Stack, before: RunningStack | None = None) -> Iterator[RunningStack]:
    """Run a stack until the context ends. Its environment must be installed: the functions are imported here.

    `before` is the stack that this one replaces. Answers of its authorizers that are cached stay cached: API Gateway
    does not promise more.
    """
    functions = Functions(stack.api.functions)
    authorizers = Authorizers(functions, cached=before.gateway.authorizers.cached if before else None)
    running = RunningStack(
        functions,
        Gateway(stack.api, functions, authorizers),
        Invocations(stack.api, functions),
        Rights(stack.resolver),
        Stream(stack.resolver, functions),
        LogDelivery(stack.resolver, functions),
    )
    with running.logs, running.stream:  # the stream ends first, because its function writes to the logs
        yield running
