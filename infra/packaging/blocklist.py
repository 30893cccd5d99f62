"""Make the block list of common passwords from public lists.

The packaged list was made from two, most common first, both under permissive licences:

- `common-passwords.txt.gz` of Django 5.2.19 (PyPI), `django/contrib/auth/`; BSD-3-Clause
- `passwords.json` of @zxcvbn-ts/language-common 4.1.3 (npm), `src/`; MIT

Entries shorter than any password may be are left out. Few public entries are long, so the most common ones of the first
list are also joined two by two: a stack that asks for 15 characters then has a list of that length too.

    python infra/packaging/blocklist.py common-passwords.txt.gz passwords.json --out common-passwords.bin
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

from latchkey.core.credentials.passwords import MIN_LENGTH_FLOOR, WeakPassword, fingerprint, normalise

JOINED_ENTRIES = 100
JOINED_LENGTH = 15
"""What NIST SP 800-63B-4 section 3.1.1.2 asks of a password that is the only factor."""


def read_list(path: Path) -> list[str]:
    """Return the entries of a list in its order: a JSON array, or one per line, gzipped or not, as the name ends."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    entries = json.loads(text) if path.suffix == ".json" else text.split("\n")
    return [entry for entry in entries if entry]


def joined(entries: Sequence[str]) -> Iterator[str]:
    """Yield the most common entries joined two by two, where that makes a long password."""
    pairs = (first + second for first, second in product(entries[:JOINED_ENTRIES], repeat=2))
    return (pair for pair in pairs if len(pair) >= JOINED_LENGTH)


def fingerprints(passwords: Iterable[str]) -> bytes:
    """Return the block list of what could be set as a password: sorted fingerprints, without repeats."""
    return b"".join(sorted({fingerprint(password) for password in passwords if could_be_set(password)}))


def could_be_set(password: str) -> bool:
    """Say whether a password gets as far as the block list."""
    try:
        return len(normalise(password)) >= MIN_LENGTH_FLOOR
    except WeakPassword:
        return False


def build(sources: Sequence[Path]) -> bytes:
    """Return the block list made from `sources`; the same files always give the same bytes."""
    lists = [read_list(source) for source in sources]
    return fingerprints([*(entry for entries in lists for entry in entries), *joined(lists[0])])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the block list of common passwords.")
    parser.add_argument("sources", nargs="+", type=Path, help="lists, most common entries first: .json, .txt or .gz")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    options = parser.parse_args(arguments)
    options.out.write_bytes(build(options.sources))


if __name__ == "__main__":
    main()
