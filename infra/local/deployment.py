"""Create a stack, and update it while it runs: the same data, and the template evaluated again."""

from __future__ import annotations

import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infra.local import dev_file
from infra.local.aws import resources
from infra.local.in_flight import InFlight
from infra.local.running import RunningStack, run
from infra.local.stack.evaluate import evaluate
from infra.local.stack.execution import forget
from infra.local.stack.functions import install_environment, shared_environment
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.aws.mirror import Mirror
    from infra.local.stack.evaluate import Stack

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class Evaluated(NamedTuple):
    """A stack, and the environment of its functions."""

    stack: Stack
    environment: Mapping[str, str]


class Deployment:
    """The stack that runs: `create` it once, `update` it as often as you like, and `close` it.

    `running` is `None` before the stack is created. `overrides` returns the environment variables of a stack that only
    the twin knows.
    """

    def __init__(self, parameters: Mapping[str, str], overrides: Callable[[Stack], Mapping[str, str]]) -> None:
        self.in_flight = InFlight()
        self.running: RunningStack | None = None
        self._parameters = dict(parameters)
        self._overrides = overrides
        self._names: Mapping[str, str] = {}
        self._evaluated: Evaluated | None = None
        self._ends = ExitStack()

    def create(self, clients: resources.Clients, mirror: Mirror | None) -> Evaluated:
        """Create the resources and run the functions. Raise `BadTemplate`, `Conflict` or `Unresolvable`."""
        template = expand(TEMPLATE, dev_file.FOLDER, self._parameters)
        self._names = resources.create(Resolver(template, {}, self._parameters), clients, mirror)
        evaluated = self._evaluate(self._parameters)
        self._run(evaluated)
        return evaluated

    def update(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Give the stack other values of these parameters, and return the values of all that are set.

        Requests in progress finish on the old stack. Raise `BadTemplate`, `Conflict` or `Unresolvable` before anything
        changes.
        """
        parameters = self._parameters | dict(changes)
        evaluated, before = self._evaluate(parameters), self._evaluated
        with self.in_flight.alone():
            self._ends.close()  # delivers what still waits for the old functions
            self._run(evaluated)
            self._parameters = parameters
        if before and before.stack.rotation_rules != evaluated.stack.rotation_rules:
            self._rotate_now()
        return dict(parameters)

    def rotate(self) -> None:
        """Rotate the signing secret. Raise what the function raises."""
        if self.running is None or self._evaluated is None:
            raise RuntimeError("the stack is not created yet")
        resources.rotate(self._evaluated.stack, self.running.functions)

    def close(self) -> None:
        """Stop delivering records and log lines."""
        self._ends.close()

    def _evaluate(self, parameters: Mapping[str, str]) -> Evaluated:
        stack = evaluate(expand(TEMPLATE, dev_file.FOLDER, parameters), parameters, self._names)
        return Evaluated(stack, shared_environment(stack.api.functions.values(), self._overrides(stack)))

    def _run(self, evaluated: Evaluated) -> None:
        old = self._evaluated.environment if self._evaluated else {}
        install_environment(evaluated.environment, instead_of=old)
        forget()
        self.running = self._ends.enter_context(run(evaluated.stack, self.running))
        self._evaluated = evaluated

    def _rotate_now(self) -> None:
        """Rotate the secret, as Secrets Manager does when its schedule changes. A failure is logged, as in AWS."""
        try:
            self.rotate()
        except Exception as error:  # noqa: BLE001 - Lambda itself is this boundary
            traceback.print_exception(error, file=sys.stderr)
