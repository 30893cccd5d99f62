"""The terminal: results on stdout, everything else on stderr, colours and spinners only where somebody looks."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from getpass import GetPassWarning
from warnings import catch_warnings, simplefilter

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

_WIDTH_OF_FILES = 200
"""Columns where nobody looks: no line of a table is folded for `grep` to miss."""


def show(*parts: RenderableType) -> None:
    """Print a result."""
    console = _console(stderr=False)
    for part in parts:
        console.print(part)


def write(text: str) -> None:
    """Print a result for another program, exactly as it is, with one newline at its end."""
    typer.echo(text.removesuffix("\n"))


def note(*parts: RenderableType) -> None:
    """Say something beside the result."""
    console = _console(stderr=True)
    for part in parts:
        console.print(part)


def warn(message: str) -> None:
    """Say something that must not be overlooked, in one line."""
    _say_in_one_line(f"Warning: {message}", "yellow")


def fail(message: str) -> None:
    """Say in one line why the command ends."""
    _say_in_one_line(f"latchkey: {message}", "red")


def ask(question: str, *, hidden: bool = False) -> str | None:
    """Return what is typed, unseen if `hidden`, or `None` when nobody is there to type."""
    typer.echo(f"{question}: ", nl=False, err=True)
    try:
        with catch_warnings():
            if not sys.stdin.isatty():  # nothing is echoed where there is no terminal
                simplefilter("ignore", GetPassWarning)
            # The prompt is written above, since this would put a part of it among the results.
            return str(typer.prompt("", prompt_suffix="", hide_input=hidden, err=True))
    except typer.Abort:
        typer.echo(err=True)
        return None


def waiting(what: str = WAITING) -> AbstractContextManager[object]:
    """Show, on a terminal, that something goes on."""
    return _console(stderr=True).status(what)


def progress() -> Progress:
    """Return a bar of bytes with rate and time left, on a terminal; elsewhere it shows nothing."""
    console = _console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    said = TextColumn("{task.description}")
    return Progress(said, *columns, console=console, transient=True, disable=not console.is_terminal)


def _console(*, stderr: bool) -> Console:
    # Made anew each time: what stdout and stderr are is looked up when a console is made.
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def _say_in_one_line(message: str, style: str) -> None:
    """Say something without line breaks and control characters, whole: part of it may be a server's words."""
    plain = "".join(character if character.isprintable() else " " for character in message)
    _console(stderr=True).print(Text(" ".join(plain.split()), style), soft_wrap=True)
