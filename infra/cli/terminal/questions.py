"""Questions to the person at the terminal. They go to stderr, so that a pipe gets the result alone."""

from __future__ import annotations

import sys
from getpass import GetPassWarning
from warnings import catch_warnings, simplefilter

import typer

from infra.cli.errors import CommandError, NotConfirmable
from infra.cli.terminal import screen

YES = "yes"
"""The word that confirms a change of one thing."""


def ask(question: str, *, hidden: bool = False) -> str | None:
    """Return what is typed, or `None` at the end of the input. A hidden answer is not shown on the terminal."""
    typer.echo(f"{question}: ", nl=False, err=True)
    try:
        with catch_warnings():
            if not _on_terminal():  # nothing is echoed where there is no terminal
                simplefilter("ignore", GetPassWarning)
            # The prompt is written above, since this would put a part of it among the results.
            return str(typer.prompt("", prompt_suffix="", hide_input=hidden, err=True))
    except typer.Abort:
        typer.echo(err=True)
        return None


def ask_new_password() -> str:
    """Return a password that is typed twice. Raises `CommandError` if none is typed, or if the two differ.

    It is never an option: other users of the machine and the shell's history would see it.
    """
    password = ask("New password", hidden=True)
    again = ask("New password again", hidden=True) if password else None
    if not password or again is None:
        raise CommandError("Nothing has changed: no password was typed.")
    if password != again:
        raise CommandError("Nothing has changed: the two passwords differ.")
    return password


def require_confirmable(*, yes: bool) -> None:
    """Refuse a command that would have to ask without a terminal. Raises `NotConfirmable`."""
    if not yes and not _on_terminal():
        raise NotConfirmable(
            "Nothing has changed: this command asks for a confirmation, and standard input is not a terminal. "
            "Add --yes to confirm it."
        )


UNDONE = "This cannot be undone."


def confirm(*effects: str, yes: bool, word: str = YES, warning: str = UNDONE) -> None:
    """Say what will happen, and continue only if `word` is typed; `yes` skips the question.

    Let people type the name of what they change where more than one thing is affected: `yes` can be a habit.
    Raises `NotConfirmable` without a terminal, `CommandError` for any other answer.
    """
    if yes:
        return
    require_confirmable(yes=yes)
    screen.note(*effects)
    if ask(f"{warning} Type {word} to continue") != word:
        raise CommandError("Nothing has changed: it was not confirmed.")


def _on_terminal() -> bool:
    return sys.stdin.isatty()
