"""Twins for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.client import RunningTwin, start_twin


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin for all tests, where attempts are not slowed down."""
    with start_twin(tmp_path_factory.mktemp("twin"), LIMITS="off") as running:
        yield running
        assert running.leaks() == []  # no password, token or secret of the whole run in any log line


@pytest.fixture(scope="session")
def limited_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin for all tests, where attempts are slowed down as in the field."""
    with start_twin(tmp_path_factory.mktemp("limited-twin")) as running:
        yield running
        assert running.leaks() == []  # no password, token or secret of the whole run in any log line
