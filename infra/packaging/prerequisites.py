"""What the build needs: the Python of the functions, with pip. `make build` asks for it before it installs anything.

It needs the standard library alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

VERSION = "3.13"
"""The version of the functions' runtime. Byte code of another one is of no use to it."""

_HOW = f"""\
The functions run on Python {VERSION}, and the layers hold its byte code, so the build needs a {{python}}. To get it:
  Debian 13:  apt install python{VERSION} python3-pip
  macOS:      brew install python@{VERSION}
  pyenv:      pyenv install {VERSION}, then set PYENV_VERSION={VERSION} for make
  uv:         uv python install {VERSION}"""
_HOW_PIP = "{python} has no pip. To get it: {python} -m ensurepip, or on Debian: apt install python3-pip"


def missing(python: str) -> Iterator[str]:
    """Yield what is missing, and how to get it. `python` is the command that should be the Python of the functions."""
    version, problem = _run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    if version != VERSION:
        found = f"{python} is Python {version}." if version else f"{python} does not run. {problem}"
        yield f"{found}\n{_HOW.format(python=python)}"
    elif not _run(python, "-m", "pip", "--version")[0]:
        yield _HOW_PIP.format(python=python)


def _run(*command: str) -> tuple[str, str]:
    """Return what a command prints, which is empty if it fails, and its complaint."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return "", str(error.strerror)
    return "" if done.returncode else done.stdout.strip(), done.stderr.strip()


def main() -> int:
    """Name what is missing. Return 1 if anything is."""
    found = list(missing(f"python{VERSION}"))
    for text in found:
        sys.stderr.write(f"{text}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
