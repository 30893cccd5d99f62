"""A twin whose clock can be put forward: `python -m tests.e2e.moved_clock`.

It has the options of `python -m infra.local`. The file `clock` in its folder holds by how many seconds.
"""

from __future__ import annotations

import runpy
import struct
import time
from mmap import ACCESS_READ, mmap
from pathlib import Path

FILE = "clock"
FORMAT = "d"


def put_forward(folder: Path, seconds: float) -> None:
    """Let the clock of the twin in this folder be ahead by this much."""
    packed = struct.pack(FORMAT, seconds)
    with (folder / FILE).open("r+b" if (folder / FILE).exists() else "wb") as file:
        file.write(packed)


def main() -> None:
    """Run the twin with `time.time` ahead by what the file says."""
    with Path(FILE).open("rb") as file:
        ahead, real = mmap(file.fileno(), 0, access=ACCESS_READ), time.time
    time.time = lambda: real() + struct.unpack_from(FORMAT, ahead)[0]
    runpy.run_module("infra.local", run_name="__main__")


if __name__ == "__main__":
    main()
