"""Twins for the end-to-end tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.foreign_verifiers import FOLDER


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin for all tests, where attempts are not limited."""
    with start_twin(tmp_path_factory.mktemp("twin"), LIMITS="off") as running:
        yield running
        assert running.leaks() == []  # no password, token or secret of the whole run in any log line


@pytest.fixture(scope="session")
def limited_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin for all tests, where attempts are limited as in production."""
    with start_twin(tmp_path_factory.mktemp("limited-twin")) as running:
        yield running
        assert running.leaks() == []  # no password, token or secret of the whole run in any log line


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> None:
    """Install the Node packages, unless these versions are installed. Skip without Node, but never in CI."""
    if not (shutil.which("node") and shutil.which("npm")):
        reason = "Node verifiers were not run: node and npm are not on the path"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(reason)  # noqa: T201 - pytest itself names the reason only when asked
        pytest.skip(reason)
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".lock"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, timeout=120)
        shutil.copyfile(lock, installed)
