"""Lines of many threads do not mix."""

from __future__ import annotations

import io
from threading import Barrier, Thread

from infra.local.whole_lines import WholeLines


def test_a_line_is_passed_on_when_it_ends() -> None:
    """A line waits until its end, even when the stream is flushed."""
    behind = io.StringIO()
    lines = WholeLines(behind)
    lines.write("a")
    lines.flush()
    before = behind.getvalue()
    lines.write("b\nc")
    assert (before, behind.getvalue()) == ("", "ab\n")


def test_lines_of_two_threads_stay_apart() -> None:
    """When two threads have each begun a line, the lines come out one after the other."""
    behind = io.StringIO()
    lines = WholeLines(behind)
    begun = Barrier(2)

    def write(name: str) -> None:
        lines.write(name)
        begun.wait(timeout=10)
        lines.write(f"{name}\n")

    threads = [Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(behind.getvalue().split()) == ["aa", "bb"]
