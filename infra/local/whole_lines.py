"""Keep the lines of threads apart: the twin runs many requests at once, and `print` writes a line in two steps."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Lock, local
from typing import TextIO


class WholeLines(io.TextIOBase):
    """A text stream that passes on only whole lines, so that no thread writes into a line of another thread.

    `observe` gets each line, in the thread that wrote it.
    """

    def __init__(self, stream: TextIO, observe: Callable[[str], None] | None = None) -> None:
        self._stream = stream
        self._observe = observe
        self._lock = Lock()
        self._begun = local()

    def write(self, text: str) -> int:
        """Keep what this thread writes until the line ends, then pass the line on."""
        whole, end, rest = (getattr(self._begun, "text", "") + text).rpartition("\n")
        self._begun.text = rest
        if end:
            with self._lock:
                self._stream.write(whole + end)
            if self._observe is not None:
                for line in whole.split("\n"):
                    self._observe(line)
        return len(text)

    def flush(self) -> None:
        """Flush the whole lines."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the stream."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding
