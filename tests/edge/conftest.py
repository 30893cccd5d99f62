"""The environment of a function, as the template sets it."""

from __future__ import annotations

import logging

import pytest

from latchkey.edge import cors, telemetry


@pytest.fixture(autouse=True)
def function_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that every function has, and clear what an earlier test cached."""
    for name, value in {
        "POWERTOOLS_SERVICE_NAME": "latchkey",
        "POWERTOOLS_METRICS_NAMESPACE": "Latchkey",
        "POWERTOOLS_LOGGER_LOG_EVENT": "false",
        "LATCHKEY_AUDIENCE": "latchkey",
    }.items():
        monkeypatch.setenv(name, value)
    for cached in (cors.allowed_origins, telemetry.logger):
        cached.cache_clear()
    logging.Logger.manager.loggerDict.pop("latchkey", None)  # its handler holds the standard output of an earlier test
