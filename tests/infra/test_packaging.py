"""The checks of `make check` that are our own: locks in step, and no trace of a machine."""

from __future__ import annotations

from typing import Any

import pytest

from infra.packaging import locks, tidiness
from infra.packaging.locks import LAMBDA

PROJECT: dict[str, Any] = {"project": {"dependencies": ["idna>=3.20"], "optional-dependencies": {}}}
HASH = "    --hash=sha256:" + 64 * "a"
PINS = f"idna==3.20 \\\n{HASH} \\\n{HASH}\nsix==1.17.0 ; python_version < '4' \\\n{HASH}\n"
LOCK = f"{locks.header(LAMBDA, PROJECT)}\n{PINS}"


def test_locks_are_in_step_with_the_project() -> None:
    """Each lock was made from the lists of pyproject.toml as they stand."""
    assert locks.check() == []


def test_well_made_lock_has_no_fault() -> None:
    """The lock that the flaws below are planted in is itself right."""
    assert locks.faults(LAMBDA, LOCK, PROJECT) == []


def test_lock_of_other_dependencies_is_noticed() -> None:
    """A dependency added to pyproject.toml puts the lock out of step."""
    changed = {"project": {"dependencies": ["idna>=3.20", "six"], "optional-dependencies": {}}}
    assert len(locks.faults(LAMBDA, LOCK, changed)) == 1


@pytest.mark.parametrize(
    "flaw",
    [
        "idna==3.20",
        "idna>=3.20 \\",
        "--extra-index-url https://packages.example/simple",
        "idna @ https://packages.example/idna.whl \\",
        "-e .",
        "    --hash=md5:" + 32 * "a",
    ],
)
def test_line_that_is_no_hashed_pin_is_noticed(flaw: str) -> None:
    """A lock holds hashed pins and nothing else, least of all an address."""
    assert len(locks.faults(LAMBDA, f"{LOCK}{flaw}\n", PROJECT)) == 1


def test_version_that_was_never_tested_is_noticed() -> None:
    """Lambda gets the versions that the tests ran with."""
    assert locks.strays("idna==3.20 \\\nsix==1.16.0 \\\n", "idna==3.20 \\\nsix==1.17.0 \\\n") == ["six 1.16.0"]


def test_tree_holds_no_trace_of_a_machine() -> None:
    """No file names a path of one machine or the address of a registry."""
    assert tidiness.check() == []


@pytest.mark.parametrize(
    "flaw", ["/{}/someone/x".format("home"), "file:" + "///opt/x", "https://py" + "pi.example/simple"]
)
def test_trace_of_a_machine_is_noticed(flaw: str) -> None:
    """The check finds a planted trace."""
    assert tidiness.traces(f"see {flaw} for more".encode()) != []
