"""What `make build` needs: it says first what is missing, and how to get it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.packaging import prerequisites, template
from infra.packaging.locks import ROOT


def command(folder: Path, version: str, *, pip: bool = True, fails: bool = False) -> str:
    """Make a command that answers as a Python of some version does."""
    path = folder / "python"
    failure = "echo 'no such version' >&2; exit 127" if fails else "true"
    asked_for_pip = f"exit {0 if pip else 1}"
    path.write_text(f'#!/bin/sh\n{failure}\n[ "$1" = -m ] && {{ echo pip 25; {asked_for_pip}; }}\necho {version}\n')
    path.chmod(0o755)
    return str(path)


def test_python_of_the_runtime_with_pip_is_all_that_is_needed(tmp_path: Path) -> None:
    """A machine that has it can build."""
    assert list(prerequisites.missing(command(tmp_path, prerequisites.VERSION))) == []


def test_missing_python_is_named_with_the_ways_to_get_it(tmp_path: Path) -> None:
    """A command that is not there is no riddle: the message has a line for each way to get it."""
    [text] = prerequisites.missing(str(tmp_path / "python"))
    assert "does not run" in text
    assert all(way in text for way in ("apt install", "brew install", "pyenv install", "uv python install"))


def test_command_that_fails_is_quoted(tmp_path: Path) -> None:
    """A version manager leaves a command that runs no Python; its own words help most."""
    [text] = prerequisites.missing(command(tmp_path, "", fails=True))
    assert "no such version" in text


def test_other_version_is_refused(tmp_path: Path) -> None:
    """Lambda would ignore the byte code of another version."""
    [text] = prerequisites.missing(command(tmp_path, "3.14"))
    assert "is Python 3.14" in text


def test_missing_pip_is_named(tmp_path: Path) -> None:
    """Debian has Python without pip."""
    [text] = prerequisites.missing(command(tmp_path, prerequisites.VERSION, pip=False))
    assert "has no pip" in text


def test_version_is_that_of_the_functions() -> None:
    """The template, the makefiles of the layers and the check name one version."""
    named = f"python{prerequisites.VERSION}"
    assert template.load()["Globals"]["Function"]["Runtime"] == named
    makefiles = sorted(ROOT.glob("layers/*/Makefile"))
    assert [f"RUNTIME_PYTHON ?= {named}\n" in path.read_text() for path in makefiles] == [True, True]


@pytest.mark.parametrize("target", ["build", "deploy"])
def test_check_comes_before_any_installation(target: str) -> None:
    """A missing Python is said before minutes are spent on the SAM CLI."""
    makefile = (ROOT / "Makefile").read_text()
    rules = dict(line.split(": ", 1) for line in makefile.splitlines() if ": " in line and line[0] not in "\t#@")
    needed = rules[target].partition("##")[0].split()
    first = needed[0] if needed[0] == "prerequisites" else rules[needed[0]].rpartition("| ")[2]
    assert first == "prerequisites"


ELSEWHERE = {
    "PIP_USER": "1",
    "PIP_TARGET": "/elsewhere",
    "PIP_PREFIX": "/elsewhere",
    "PIP_ROOT": "/elsewhere",
    "PIP_PYTHON": "/elsewhere/python",
    "PIP_DRY_RUN": "1",
    "PIP_CONSTRAINT": "/elsewhere/constraints.txt",
    "PIP_REQUIREMENT": "/elsewhere/requirements.txt",
    "PIP_EDITABLE": "/elsewhere",
    "PYTHONHOME": "/elsewhere",
}
"""What a machine may set, with which pip installs other packages, or elsewhere, or not at all."""


def of_recipes(makefile: Path) -> dict[str, str]:
    """Return those of the variables that a recipe of this makefile sees on such a machine."""
    mirror = {"PIP_INDEX_URL": "https://mirror.example/simple"}
    probe = ["make", "-f", str(makefile), "--eval=probe: ; @env", "probe", "ARCHITECTURE=arm64"]
    seen = subprocess.run(probe, env=os.environ | ELSEWHERE | mirror, capture_output=True, text=True, check=True)
    variables = dict(line.split("=", 1) for line in seen.stdout.splitlines() if "=" in line)
    return {name: variables[name] for name in (*ELSEWHERE, *mirror) if name in variables}


@pytest.mark.parametrize("makefile", ["Makefile", "layers/dependencies/Makefile"])
def test_pip_installs_into_its_own_folder_on_any_machine(makefile: str) -> None:
    """`PIP_USER=1 make run` works, as does a pip.conf with `user = true`. An index of the machine's own stays."""
    assert of_recipes(ROOT / makefile) == {"PIP_USER": "0", "PIP_INDEX_URL": "https://mirror.example/simple"}
