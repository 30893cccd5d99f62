"""How long the command takes to import many accounts into a twin: `make bench-import`, and no test.

Say with USERS how many, with DATA=1 that the twin keeps them in a file.
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
    """Import, import again, and print what each took."""
    users = int(os.environ.get("USERS", "100000"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_users(folder / "users.jsonl", users)
        with start_twin(folder, **({"DATA": str(folder / "twin.db")} if os.environ.get("DATA") else {})) as twin:
            for what in ("imported", "imported again"):
                seconds, peak = import_into(twin)
                print(f"{users} users {what}: {seconds:.0f} s, {users / seconds:.0f} a second; {peak:.0f} MB")
            print(f"the twin: {peak_of(twin.process.pid):.0f} MB")


def write_users(path: Path, users: int) -> None:
    """Write that many accounts with hashes of Django's, which nobody has to compute to import them."""
    with path.open("w") as file:
        for number in range(users):
            tag = base64.b64encode(sha256(str(number).encode()).digest()).decode()
            user = {
                "email": f"person{number}@example.com",
                "password_hash": f"pbkdf2_sha256$600000$salt{number}${tag}",
                "name": f"Person {number}",
                "locale": "en",
                "created_at": 1_700_000_000 + number,
            }
            file.write(json.dumps(user) + "\n")


def import_into(twin: RunningTwin) -> tuple[float, float]:
    """Run the command, and return how many seconds and how many MB at most it took."""
    begun = time.monotonic()
    command = [f"{sys.prefix}/bin/latchkey", "import", "--local", "users.jsonl"]
    child = os.posix_spawn(
        "/bin/sh", ["sh", "-c", 'cd "$0" && exec "$@"', str(twin.folder), *command], dict(os.environ)
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(1)
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def peak_of(process: int) -> float:
    """Return how many MB a process has had at most."""
    found = _PEAK.search(Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
