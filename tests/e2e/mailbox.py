"""The twin's mail, as its readers see it."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.e2e.client import RunningTwin

PATIENCE = 60.0
"""Seconds that a mail may take on a busy machine."""

_DIGITS = re.compile(r"^ {4}([0-9]{6})$", re.MULTILINE)
_LINK_CODE = re.compile(r"/v1/user/confirm/(lkc_drf_[a-z2-7]+\.[a-z2-7]+)$", re.MULTILINE)
_CODE = re.compile(r"^ {4}(lkc_[a-z2-7]+)$", re.MULTILINE)


def letters(twin: RunningTwin, to: str) -> list[dict[str, Any]]:
    """Return the letters to an address, oldest first."""
    caught = twin.call("GET", "/_local/mail", headers={"Accept": "application/json"}).json
    return [letter for letter in caught if letter["to"] == [to]]


def wait_for(twin: RunningTwin, to: str, count: int = 1) -> dict[str, Any]:
    """Return the last letter to an address, once there are that many."""
    deadline = time.monotonic() + PATIENCE
    while len(found := letters(twin, to)) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} letters to {to}"
        time.sleep(0.02)
    assert len(found) == count
    return found[-1]


def digits_in(letter: dict[str, Any]) -> str:
    """Return the six digits in a letter."""
    [digits] = _DIGITS.findall(letter["text"])
    return str(digits)


def registration_in(twin: RunningTwin, letter: dict[str, Any]) -> tuple[str, str]:
    """Return the digits and the code of the link in a registration's letter; the logs are searched for the latter."""
    [code] = _LINK_CODE.findall(letter["text"])
    twin.secrets.add(code)
    return digits_in(letter), str(code)


def code_in(twin: RunningTwin, letter: dict[str, Any]) -> str:
    """Return the one code in a letter, and have the twin's logs searched for it in the end."""
    [code] = _CODE.findall(letter["text"])
    twin.secrets.add(code)
    return str(code)
