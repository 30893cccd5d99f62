"""Nothing in the tree may know the machine it was written on: no path of it, no address of a package registry."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_TRACE = re.compile(
    rb"""
      (?<![\w.$}])/(?:home|root|Users|work|tmp)/\w           # a path of one machine
    | \bfile:///(?:opt|srv|mnt|var)/                         # the same, as an address
    | ://[^\s/"']*(?:pypi|pythonhosted|npmjs|artifactory)    # a package registry
    """,
    re.VERBOSE,
)
_GENERATED = frozenset(
    {
        ".git",
        ".venv",
        ".venv-sam",
        ".venv-proof",
        ".aws-sam",
        ".latchkey",
        ".hypothesis",
        "__pycache__",
        "node_modules",
        "dist",
    }
)


def traces(text: bytes) -> list[str]:
    """Return what in the text gives a machine away."""
    return [match[0].decode(errors="replace") for match in _TRACE.finditer(text)]


def check(root: Path = ROOT) -> list[str]:
    """Return the traces in every file of the tree that is not generated."""
    return [f"{path.relative_to(root)}: {trace}" for path in _files(root) for trace in traces(path.read_bytes())]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in _GENERATED and not path.name.endswith("_cache"):
            yield from _files(path)
        elif path.is_file():
            yield path


if __name__ == "__main__":
    found = check()
    print("\n".join(found) or "No trace of a machine.")
    sys.exit(1 if found else 0)
