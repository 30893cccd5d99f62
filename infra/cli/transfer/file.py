"""The file of an import: JSON Lines, read a batch at a time, however long it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from infra.cli.api import encoded
from infra.cli.errors import CommandError
from latchkey.signing.strict_json import StrictJsonError, loads

MAX_BODY = 16_384
"""Bytes that the server takes at once."""

MAX_RECORDS = 100
"""Accounts that the server takes at once."""

_FRAME = len(encoded({"users": [], "dry_run": False}))
_CHUNK = 1 << 20
_LOGIN_NAMES = ("login", "username", "email")
_FIREBASE_NAMES = {
    "base64_signer_key": "signerKey",
    "base64_salt_separator": "saltSeparator",
    "rounds": "rounds",
    "mem_cost": "memCost",
}
_FIREBASE_SETTING = re.compile(
    r"[\"']?(base64_signer_key|base64_salt_separator|rounds|mem_cost)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/=_-]+)"
)

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not imported, and why; never the hash in it."""

    line: int
    login: str
    code: str
    message: str


@dataclass(slots=True)
class Batch:
    """Lines that are sent together: the records, where each stands, and the lines that cannot be sent at all.

    `offset` and `line` are where the next batch begins.
    """

    offset: int
    line: int
    records: list[Record] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    size: int = _FRAME


def fingerprint(path: Path) -> str:
    """Return what tells a file from any other, and from itself after a change."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_firebase_config(path: Path) -> Record:
    """Return the password hash parameters of a project: as the Firebase console shows them, or as JSON."""
    found = dict(_FIREBASE_SETTING.findall(path.read_text(errors="replace")))
    if missing := sorted(_FIREBASE_NAMES.keys() - found.keys()):
        raise CommandError(f"{path} lacks {', '.join(missing)}.")
    if not (found["rounds"].isdecimal() and found["mem_cost"].isdecimal()):
        raise CommandError(f"In {path}, rounds and mem_cost must be numbers.")
    numbers = {"rounds", "mem_cost"}
    return {_FIREBASE_NAMES[name]: int(value) if name in numbers else value for name, value in found.items()}


def batches(file: BinaryIO, *, offset: int, line: int, firebase: Mapping[str, object]) -> Iterator[Batch]:
    """Yield what the server takes at once, from a place of the file on."""
    file.seek(offset)
    batch = Batch(offset, line)
    for text in iter(file.readline, b""):
        record = _read(text, batch.line + 1, firebase)
        size = len(encoded(record)) + 1 if isinstance(record, dict) else 0
        if batch.records and (batch.size + size > MAX_BODY or len(batch.records) == MAX_RECORDS):
            yield batch
            batch = Batch(batch.offset, batch.line)
        batch.offset, batch.line = batch.offset + len(text), batch.line + 1
        if isinstance(record, Refusal):
            batch.refused.append(record)
        elif record:
            batch.records.append(record)
            batch.lines.append(batch.line)
            batch.size += size
        if len(batch.refused) >= MAX_RECORDS:
            yield batch
            batch = Batch(batch.offset, batch.line)
    yield batch


def login_of(record: Mapping[str, object]) -> str:
    """Return what a record is called by, if that is a text."""
    named = (record.get(name) for name in _LOGIN_NAMES)
    return next((value for value in named if isinstance(value, str)), "")


def _read(text: bytes, line: int, firebase: Mapping[str, object]) -> Record | Refusal:
    """Return the record of a line, an empty one for a blank line, or why it cannot be sent."""
    if not text.strip():
        return {}
    try:
        record = loads(text)
    except StrictJsonError as error:
        return Refusal(line, "", error.code, "This line is not JSON that can be read.")
    if not isinstance(record, dict) or not record:
        return Refusal(line, "", "not_an_object", "This line is no JSON object with members.")
    hashed = record.get("password_hash")
    if firebase and isinstance(hashed, dict) and "passwordHash" in hashed:
        record["password_hash"] = {**firebase, **hashed}
    if _FRAME + len(encoded(record)) > MAX_BODY:
        return Refusal(line, login_of(record)[:320], "payload_too_large", "This line is longer than a request may be.")
    return record
