"""What the accounts of a dry run would take: in earnest, a later batch would find it taken.

The server knows one batch at a time, and a dry run leaves nothing in its table. So it describes each account that it
would open by digests of its logins, its id and its hash, and here they are compared from batch to batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from infra.cli.errors import BadAnswer

_LOGINS = ("login", "username")
_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Planned:
    """An account that the server would open, by its place in the batch and the digests of what it takes."""

    index: int
    taken: Mapping[str, str]


def read_planned(each: object) -> Planned:
    """Return one entry of the server's answer. Raises `BadAnswer`."""
    if not isinstance(each, dict) or not isinstance(each.get("index"), int):
        raise BadAnswer("bad_member: planned")
    taken = {name: value for name, value in each.items() if name != "index"}
    if not taken.keys() >= {"login", "id", "password_hash"}:
        raise BadAnswer("bad_member: planned")
    if not all(isinstance(value, str) and len(value) == _LENGTH for value in taken.values()):
        raise BadAnswer("bad_member: planned")
    return Planned(each["index"], taken)


class Claims:
    """The digests of a dry run, in a temporary file: their number does not count towards the memory of the command."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # a file of SQLite's own, which ends with the connection
        self._file.execute(
            "CREATE TABLE claims (what TEXT, digest TEXT, id TEXT, hash TEXT, PRIMARY KEY (what, digest)) WITHOUT ROWID"
        )

    def take(self, planned: Planned, *, has_id: bool) -> str:
        """Claim what an account takes. Return the name of the member that an earlier account has, or an empty text.

        `present` means that the earlier account is this one. `has_id` says that the record names its id. The rule is
        that of the import in earnest.
        """
        taken = planned.taken
        holders = {name: held for name in _LOGINS if name in taken and (held := self._find("login", taken[name]))}
        if holders:
            own = [
                name for name, held in holders.items() if held[0] == taken["id"] or held[1] == taken["password_hash"]
            ]
            if own and len({held[0] for held in holders.values()}) == 1:
                return "present"
            return next((name for name in holders if name not in own), "login")
        if self._find("id", taken["id"]):
            return "id" if has_id else "present"
        claimed = [("login", taken[name]) for name in _LOGINS if name in taken] + [("id", taken["id"])]
        self._file.executemany(
            "INSERT INTO claims VALUES (?, ?, ?, ?)",
            [(what, digest, taken["id"], taken["password_hash"]) for what, digest in claimed],
        )
        return ""

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def _find(self, what: str, digest: str) -> tuple[str, str] | None:
        """Return the id and the hash of the account that has a login or an id."""
        found = self._file.execute("SELECT id, hash FROM claims WHERE what = ? AND digest = ?", (what, digest))
        row: tuple[str, str] | None = found.fetchone()
        return row
