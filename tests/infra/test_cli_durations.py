"""Durations and moments."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from infra.cli.terminal.durations import human, iso, moment, parse_duration

NOW = 1_780_000_000  # 2026-05-28 20:26:40 UTC


@pytest.fixture
def _in_tokyo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("900", 900), ("0", 0), ("45s", 45), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000), (" 1d ", 86_400)],
)
def test_duration_is_read(text: str, seconds: int) -> None:
    """A number is seconds; a letter means minutes, hours or days."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "1.5h", "1h30m", "15 m", "15M", "1w", "1e3", "٣", "9999999999"])
def test_anything_else_is_no_duration(text: str) -> None:
    """A text that could mean something else is rejected."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (900, "15 min"), (901, "15 min 1 s"), (5_400, "1 h 30 min"), (7_776_000, "90 d")],
)
def test_duration_is_written_exactly(seconds: int, text: str) -> None:
    """A setting is shown to the second."""
    assert human(seconds) == text


def test_duration_is_cut_off_after_as_many_parts_as_asked_for() -> None:
    """An age is shown without its seconds."""
    assert human(90_061, parts=2) == "1 d 1 h"


@pytest.mark.parametrize(("epoch", "distance"), [(NOW - 90, "(1 min ago)"), (NOW + 480, "(in 8 min)")])
def test_moment_says_how_far_away_it_is(epoch: int, distance: str) -> None:
    """A past moment is so long ago, a future moment is in so long."""
    assert moment(epoch, NOW).endswith(distance)


def test_moment_of_right_now_is_now() -> None:
    """A moment without distance is `now`, and not `0 s ago`."""
    assert moment(NOW, NOW).endswith("(now)")


@pytest.mark.usefixtures("_in_tokyo")
def test_moment_is_in_local_time() -> None:
    """Moments are in the operator's time zone: in Tokyo this one is on the next morning."""
    assert moment(NOW, NOW + 60).startswith("2026-05-29 05:26 ")


def test_moment_beyond_the_calendar_is_its_number() -> None:
    """A time that no date can hold does not break a list."""
    assert iso(86_400 * 999_999_999) == "86399999913600"
