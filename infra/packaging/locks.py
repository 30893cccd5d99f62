"""Lock files: every package pinned by hash, made from pyproject.toml and provably in step with it.

`make lock` makes them; `make check` proves, without a network, that each was made from the lists that stand in
pyproject.toml now, that it holds no address, and that Lambda gets the very versions the tests ran with.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; [^\\]+)? \\")
_HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}(?: \\)?")
_UV_ARGUMENTS = (
    "--quiet",
    "--universal",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
)


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file: where it stands, which lists of pyproject.toml it comes from, and how uv is asked for it."""

    path: str
    inputs: tuple[str, ...]
    arguments: tuple[str, ...]


DEVELOPMENT = Lock(
    "requirements.txt",
    ("project.dependencies", "project.optional-dependencies"),
    ("pyproject.toml", "--all-extras"),
)
# Constrained by the first: what runs in Lambda is what was tested.
LAMBDA = Lock(
    "layers/dependencies/requirements.txt",
    ("project.dependencies",),
    ("pyproject.toml", "--python-version=3.13", "--constraints=requirements.txt"),
)
SAM = Lock(
    "infra/packaging/sam-requirements.txt",
    ("dependency-groups.sam",),
    ("--group=sam", "--python-version=3.11"),
)
PROOF = Lock(
    "infra/packaging/proof-requirements.txt",
    ("dependency-groups.proof",),
    ("--group=proof", "--python-version=3.11"),
)
LOCKS = (DEVELOPMENT, LAMBDA, SAM, PROOF)


def header(lock: Lock, project: dict[str, Any]) -> str:
    """Return the first line of a lock: what makes it, and the SHA-256 of the lists it is made from."""
    lists = [_list(project, name) for name in lock.inputs]
    digest = hashlib.sha256(json.dumps(lists, sort_keys=True).encode()).hexdigest()
    return f"# Made by `make lock` from {', '.join(lock.inputs)} of pyproject.toml: sha256:{digest}"


def faults(lock: Lock, text: str, project: dict[str, Any]) -> list[str]:
    """Return what is wrong with the text of a lock: made from other lists, or a line that is no hashed pin."""
    first, *lines = text.splitlines() or [""]
    found = [] if first == header(lock, project) else [f"{lock.path} is out of step with pyproject.toml: make lock"]
    return found + [
        f"{lock.path}: not a hashed pin: {line}" for line in lines if not (_PIN.match(line) or _HASH.fullmatch(line))
    ]


def pins(text: str) -> dict[str, str]:
    """Return the versions that a lock pins, by package."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _PIN.match(line))}


def strays(deployed: str, tested: str) -> list[str]:
    """Return the packages that Lambda would get in another version than the tests."""
    versions = pins(tested)
    return [f"{name} {version}" for name, version in pins(deployed).items() if versions.get(name) != version]


def check(root: Path = ROOT) -> list[str]:
    """Return every fault of every lock."""
    project = _project(root)
    texts = {lock: (root / lock.path).read_text() for lock in LOCKS}
    found = [fault for lock, text in texts.items() for fault in faults(lock, text, project)]
    return found + [f"{LAMBDA.path}: untested {stray}" for stray in strays(texts[LAMBDA], texts[DEVELOPMENT])]


def make(*options: str, root: Path = ROOT) -> None:
    """Write every lock again. Locked versions stay unless `--upgrade` is among the options."""
    project = _project(root)
    for lock in LOCKS:
        command = [sys.executable, "-m", "uv", "pip", "compile", *_UV_ARGUMENTS, *options, *lock.arguments]
        subprocess.run([*command, f"--output-file={lock.path}"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        path = root / lock.path
        path.write_text(f"{header(lock, project)}\n{path.read_text()}")


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def _list(project: dict[str, Any], name: str) -> Any:
    found: Any = project
    for key in name.split("."):
        found = found[key]
    return found


def main(arguments: list[str]) -> int:
    """Make the locks, or with `--check` name their faults; return the exit code."""
    if arguments != ["--check"]:
        make(*arguments)
        return 0
    found = check()
    print("\n".join(found) or "Locks are in step.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
