"""Print what a command has to show: a record of the server, a secret, or one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.cli.answers import Answer, Record, printable_text
from infra.cli.terminal import screen
from infra.cli.terminal.tables import Columns, card, card_for_pipe, table, table_for_pipe


def show_record(
    answer: Answer, columns: Columns, *, as_json: bool, readable: Callable[[Record], Record] | None = None
) -> None:
    """Print the record that the server answered with; `readable` puts members into words before they are shown."""
    if as_json:
        screen.write(answer.text)
    else:
        _show_card(readable(answer.members) if readable else answer.members, columns)


def show_with_secret(answer: Answer, member: str, columns: Columns, *, as_json: bool) -> None:
    """Print a secret that is shown only once. It is alone on stdout, so that a pipe gets nothing else."""
    if as_json:
        screen.write(answer.text)
        return
    secret = printable_text(answer.members, member)
    screen.note(card(answer.members, columns, now=_now()), "", "Store this secret now: it cannot be shown again.")
    screen.write(secret)


def show_table(found: list[Record], columns: Columns) -> None:
    """Print records, one a row."""
    width = screen.width()
    if width is None:
        screen.write(table_for_pipe(found, columns))
    else:
        screen.show(table(found, columns, width=width, now=_now()))


def say(done: str, *, as_json: bool) -> None:
    """Say what is done where the server has no document to show."""
    if not as_json:
        screen.show(done)


def _show_card(record: Record, columns: Columns) -> None:
    if screen.width() is None:
        screen.write(card_for_pipe(record, columns))
    else:
        screen.show(card(record, columns, now=_now()))


def _now() -> int:
    return int(time.time())
