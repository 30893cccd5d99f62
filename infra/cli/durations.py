"""Durations and moments as people write and read them."""

from __future__ import annotations

import re
from datetime import datetime

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NAMES = {"d": "d", "h": "h", "m": "min", "s": "s"}
_WRITTEN = re.compile(r"([0-9]{1,9})([dhms]?)")


def parse_duration(text: str) -> int:
    """Return the seconds of `900`, `900s`, `15m`, `24h` or `30d`; raise `ValueError` for anything else."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise ValueError(f"{text!r} is not a duration: 900 (seconds), 15m, 24h or 30d")
    return int(written[1]) * _UNITS[written[2] or "s"]


def human(seconds: int, parts: int = len(_UNITS)) -> str:
    """Return `1 d 2 h 3 min 4 s`: exact, or cut off after so many parts."""
    said, rest = [], seconds
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            said.append(f"{count} {_NAMES[unit]}")
    return " ".join(said[:parts]) or "0 s"


def iso(epoch: int) -> str:
    """Return a moment in local time, as ISO 8601 writes it; one beyond every calendar as the number that it is."""
    try:
        return datetime.fromtimestamp(epoch).astimezone().isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(epoch)


def moment(epoch: int, now: int) -> str:
    """Return a moment in local time, and how far away it is."""
    local = datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M")
    distance = human(abs(epoch - now), parts=1)
    return f"{local} (in {distance})" if epoch > now else f"{local} ({distance} ago)"
