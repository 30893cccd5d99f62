"""Measure what it takes to import many accounts into a twin: `make bench-import`. This is not a test.

Seconds of the clock depend on what else the machine does. The CPU milliseconds of each user are those of the twin,
which has the function and the table in one process, and of the command.

USERS is the number of accounts; with DATA=1 the twin stores them in a file.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from tests.e2e.client import RunningTwin, start_twin

_PEAK = re.compile(r"VmHWM:\s+([0-9]+) kB")


def main() -> None:
    """Import twice, and print the time, CPU and memory of each import."""
    users = int(os.environ.get("USERS", "10000"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_users(folder / "users.jsonl", users)
        with start_twin(folder, **({"DATA": str(folder / "twin.db")} if os.environ.get("DATA") else {})) as twin:
            for what in ("imported", "imported again"):
                before = cpu_of(twin.process.pid)
                seconds, command, peak = import_into(twin)
                spent = cpu_of(twin.process.pid) - before
                print(f"{users} users {what}: {seconds:.0f} s, {users / seconds:.0f} a second; {peak:.0f} MB")
                print(f"  CPU of each: twin {1000 * spent / users:.1f} ms, command {1000 * command / users:.1f} ms")
            print(f"the twin: {peak_of(twin.process.pid):.0f} MB")


def write_users(path: Path, users: int) -> None:
    """Write accounts with Django's hashes, which need not be computed to be imported."""
    with path.open("w") as file:
        for number in range(users):
            tag = base64.b64encode(sha256(str(number).encode()).digest()).decode()
            user = {
                "email": f"person{number}@example.com",
                "password_hash": f"pbkdf2_sha256$600000$salt{number:012}${tag}",
                "name": f"Person {number}",
                "locale": "en",
                "created_at": 1_700_000_000 + number,
            }
            file.write(json.dumps(user) + "\n")


def import_into(twin: RunningTwin) -> tuple[float, float, float]:
    """Run the command; return the seconds, the CPU seconds and the most memory in MB that it took."""
    begun = time.monotonic()
    command = [f"{sys.prefix}/bin/latchkey", "import", "--local", "users.jsonl"]
    child = os.posix_spawn(
        "/bin/sh", ["sh", "-c", 'cd "$0" && exec "$@"', str(twin.folder), *command], dict(os.environ)
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(1)
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def cpu_of(process: int) -> float:
    """Return the CPU seconds that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(process: int) -> float:
    """Return the most memory in MB that a process has had."""
    found = _PEAK.search(Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
