"""Simulate the policies of refreshing and write the results to `docs/`: `make bench-refresh`. This is no test.

SCALE is the part of the whole run to simulate, such as 0.1 for a preview, which is printed and not written.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.refresh.experiment import Size, run
from tests.bench.refresh.report import markdown, write

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Run, print the tables, and write them."""
    begun = time.process_time()
    scale = float(os.environ.get("SCALE", "1"))
    results = run(Size(scale))
    print(markdown(results))
    if scale == 1:
        write(results, ROOT)
    print(f"\n{time.process_time() - begun:.0f} s of CPU time")


if __name__ == "__main__":
    main()
