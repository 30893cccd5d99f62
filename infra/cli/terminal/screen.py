"""The terminal: results on stdout, everything else on stderr; colours and spinners only on a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from io import TextIOWrapper

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

WAITING = "Waiting for the server …"

_WIDTH_OF_FILES = 1_000_000
"""Columns of a pipe or a file: no line is folded or cut, so that `grep` finds what is there."""


def escape_what_cannot_be_printed() -> None:
    """Let stdout and stderr write escapes for characters that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def width() -> int | None:
    """Return the columns of the terminal that results go to; `None` for a pipe or a file."""
    console = _console(stderr=False)
    return console.width if console.is_terminal else None


def show(*parts: RenderableType) -> None:
    """Print a result."""
    console = _console(stderr=False)
    for part in parts:
        console.print(part)


def write(text: str) -> None:
    """Print a result for another program: unchanged, with one newline at its end."""
    typer.echo(text.removesuffix("\n"))


def note(*parts: RenderableType) -> None:
    """Print a remark that is not part of the result."""
    console = _console(stderr=True)
    for part in parts:
        console.print(part)


def warn(message: str) -> None:
    """Print a warning in one line."""
    _say_in_one_line(f"Warning: {message}", "yellow")


def fail(message: str) -> None:
    """Print in one line why the command ends."""
    _say_in_one_line(f"latchkey: {message}", "red")


def waiting(what: str = WAITING) -> AbstractContextManager[object]:
    """Show on a terminal that the command is waiting."""
    return _console(stderr=True).status(what)


def progress() -> Progress:
    """Return a bar with bytes, rate and time left; it shows nothing unless stderr is a terminal."""
    console = _console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    said = TextColumn("{task.description}")
    return Progress(said, *columns, console=console, transient=True, disable=not console.is_terminal)


def _console(*, stderr: bool) -> Console:
    # Made for each call: a console looks up what stdout and stderr are when it is made.
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def _say_in_one_line(message: str, style: str) -> None:
    """Print a message whole, without line breaks and control characters: part of it may be a server's words."""
    plain = "".join(character if character.isprintable() else " " for character in message)
    _console(stderr=True).print(Text(" ".join(plain.split()), style), soft_wrap=True)
