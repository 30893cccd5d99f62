"""Empty what a function keeps between its invocations, as AWS Lambda does in a new execution environment."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging.constants import LOGGER_ATTRIBUTE_PRECONFIGURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CODE = frozenset({"functions", "latchkey"})
"""The packages that run in AWS Lambda."""


def forget() -> None:
    """Clear the caches of all functions and their loggers.

    The builders with `@cache` are all that our modules keep: they have no other global state.
    """
    for clear in list(_caches()):
        clear()
    _forget_loggers()


def _caches() -> Iterator[Callable[[], Any]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _CODE:
            for member in list(vars(module).values()):
                if clear := getattr(member, "cache_clear", None):
                    yield clear


def _forget_loggers() -> None:
    """Let Powertools set up its loggers again: the standard library keeps them, with the level they had first."""
    loggers = logging.root.manager.loggerDict
    for name, each in list(loggers.items()):
        if getattr(each, LOGGER_ATTRIBUTE_PRECONFIGURED, False):
            del loggers[name]
