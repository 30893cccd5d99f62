"""Durations and moments, as people write and read them."""

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
    """Return `1 d 2 h 3 min 4 s`: exact, or the first so many parts of it."""
    said, rest = [], seconds
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            said.append(f"{count} {_NAMES[unit]}")
    return " ".join(said[:parts]) or "0 s"


def distance(epoch: int, now: int) -> str:
    """Return how far away a moment is: `2 min ago`, `in 3 d` or `now`."""
    away = human(abs(epoch - now), parts=1)
    if epoch == now:
        return "now"
    return f"in {away}" if epoch > now else f"{away} ago"


def iso(epoch: int) -> str:
    """Return a moment in local time in ISO 8601; a moment that no calendar holds stays a number."""
    local = _local(epoch)
    return local.isoformat(timespec="seconds") if local else str(epoch)


def moment(epoch: int, now: int) -> str:
    """Return a moment in local time, and how far away it is: `2026-11-28 18:27 (2 min ago)`."""
    local = _local(epoch)
    return f"{local.strftime('%Y-%m-%d %H:%M')} ({distance(epoch, now)})" if local else str(epoch)


def _local(epoch: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(epoch).astimezone()
    except (OverflowError, ValueError, OSError):
        return None
