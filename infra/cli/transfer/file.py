"""The file of an import: JSON Lines of any length, read a batch at a time."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from infra.cli.errors import CommandError
from infra.cli.service.api import encoded
from latchkey.signing.strict_json import StrictJsonError, loads

MAX_BODY = 16_384
"""Bytes of a request at most, as the server has it."""

MAX_RECORDS = 25
"""Accounts in a request at most, as the server has it."""

_FRAME = len(encoded({"users": [], "dry_run": False}))
_CHUNK = 1 << 20
_BEGINNING = 4096  # bytes by which the form of a file is judged
_LOGIN_NAMES = ("email", "login", "username")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # a file in UTF-32 begins with one of them, or with a NUL
_FIREBASE_NAMES = {
    "base64_signer_key": "signerKey",
    "base64_salt_separator": "saltSeparator",
    "rounds": "rounds",
    "mem_cost": "memCost",
}
_FIREBASE_SETTING = re.compile(
    r"[\"']?(base64_signer_key|base64_salt_separator|rounds|mem_cost)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/=_-]+)"
)

Account = dict[str, object]
"""An account as a line describes it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not imported, and the reason. It never contains the password hash."""

    line: int
    login: str
    code: str
    message: str


@dataclass(slots=True)
class Batch:
    """Lines that are sent together: the accounts, the number of each line, and the lines that cannot be sent.

    `offset` (bytes) and `line` are where the next batch begins.
    """

    offset: int
    line: int
    accounts: list[Account] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    size: int = _FRAME


def fingerprint(path: Path) -> str:
    """Return a digest of a file's content, which differs for any other content."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_firebase_config(path: Path) -> Account:
    """Return the password hash parameters of a project, from the text of the Firebase console or from JSON."""
    found = dict(_FIREBASE_SETTING.findall(path.read_text(errors="replace")))
    if missing := sorted(_FIREBASE_NAMES.keys() - found.keys()):
        raise CommandError(f"{path} lacks {', '.join(missing)}.")
    if not (found["rounds"].isdecimal() and found["mem_cost"].isdecimal()):
        raise CommandError(f"In {path}, rounds and mem_cost must be numbers.")
    numbers = {"rounds", "mem_cost"}
    return {_FIREBASE_NAMES[name]: int(value) if name in numbers else value for name, value in found.items()}


def batches(file: BinaryIO, *, offset: int, line: int, firebase: Mapping[str, object]) -> Iterator[Batch]:
    """Yield the batches of a file from an offset on, each as large as a request may be."""
    file.seek(offset)
    batch = Batch(offset, line)
    for text in iter(file.readline, b""):
        # Windows programs write a mark before the first line.
        account = _read(text if batch.offset else text.removeprefix(codecs.BOM_UTF8), batch.line + 1, firebase)
        size = len(encoded(account)) + 1 if isinstance(account, dict) else 0
        if batch.accounts and (batch.size + size > MAX_BODY or len(batch.accounts) == MAX_RECORDS):
            yield batch
            batch = Batch(batch.offset, batch.line)
        batch.offset, batch.line = batch.offset + len(text), batch.line + 1
        if isinstance(account, Refusal):
            batch.refused.append(account)
        elif account:
            batch.accounts.append(account)
            batch.lines.append(batch.line)
            batch.size += size
        if len(batch.refused) >= MAX_RECORDS:
            yield batch
            batch = Batch(batch.offset, batch.line)
    yield batch


def require_lines(path: Path) -> None:
    """Raise `CommandError` if a file is clearly something else than JSON Lines in UTF-8."""
    with path.open("rb") as file:
        begin = file.read(_BEGINNING)
    if begin.startswith(_UTF16) or b"\0" in begin[:4]:
        raise CommandError(f"{path} is not UTF-8, but UTF-16. Save it as UTF-8, one account a line.")
    if begin.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        raise CommandError(
            f"{path} is one JSON array. Write one account a line, as this does: jq -c '.[]' {path.name} > users.jsonl"
        )


def login_of(account: Mapping[str, object]) -> str:
    """Return the login of an account, or an empty text where it is none."""
    named = (account.get(name) for name in _LOGIN_NAMES)
    return next((value for value in named if isinstance(value, str)), "")


def _read(text: bytes, line: int, firebase: Mapping[str, object]) -> Account | Refusal:
    """Return the account of a line, an empty one for a blank line, or the reason why it cannot be sent."""
    if not text.strip():
        return {}
    try:
        account = loads(text)
    except StrictJsonError as error:
        return Refusal(line, "", error.code, "This line is not valid JSON.")
    if not isinstance(account, dict) or not account:
        return Refusal(line, "", "not_an_object", "This line is not a JSON object with members.")
    hashed = account.get("password_hash")
    if firebase and isinstance(hashed, dict) and "passwordHash" in hashed:
        account["password_hash"] = {**firebase, **hashed}
    if _FRAME + len(encoded(account)) > MAX_BODY:
        return Refusal(line, login_of(account)[:320], "payload_too_large", "This line is longer than a request may be.")
    return account
