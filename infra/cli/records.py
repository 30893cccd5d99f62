"""Records of the admin API on a terminal, where a server's words are text and never commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from infra.cli import screen
from infra.cli.api import Answer
from infra.cli.durations import iso
from infra.cli.errors import BadAnswer
from latchkey.signing.strict_json import StrictJsonError, string_member

Record = Mapping[str, object]
Columns = Mapping[str, str]
"""Headings by the names of members, in the order in which they are shown."""

_MOMENTS = frozenset({"created_at", "expires_at"})


def text(record: Record, name: str) -> str:
    """Return a member that must be a text fit for a terminal; raise `BadAnswer`."""
    try:
        value = string_member(record, name)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None
    if not value.isprintable():
        raise BadAnswer(f"bad_member: {name}")
    return value


def records(answer: Answer, name: str) -> list[Record]:
    """Return the list under a name; raise `BadAnswer`."""
    found = answer.members.get(name)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise BadAnswer(f"bad_member: {name}")
    return found


def table(found: Sequence[Record], columns: Columns) -> Table:
    """Return records, one a row."""
    shown = _table(*columns.values())
    for record in found:
        shown.add_row(*(_cell(record, name) for name in columns))
    return shown


def card(record: Record, columns: Columns) -> Table:
    """Return one record, a member a row; what it has not is left out."""
    shown = _table("", "")
    shown.show_header = False
    for name, heading in columns.items():
        if cell := _cell(record, name):
            shown.add_row(heading, cell)
    return shown


def show(answer: Answer, columns: Columns, *, as_json: bool) -> None:
    """Print the record that the server answered with."""
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(card(answer.members, columns))


def show_all(answer: Answer, name: str, columns: Columns, *, as_json: bool) -> None:
    """Print a list that came whole."""
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(table(records(answer, name), columns))


def show_with_secret(answer: Answer, member: str, columns: Columns, *, as_json: bool) -> None:
    """Print a secret that is shown this once, alone on stdout so that a pipe gets nothing else."""
    if as_json:
        screen.write(answer.text)
        return
    secret = text(answer.members, member)
    screen.note(card(answer.members, columns), "", "Keep this secret now: nobody can show it again.")
    screen.write(secret)


def say(done: str, *, as_json: bool) -> None:
    """Say what is done where the server has no document to show."""
    if not as_json:
        screen.show(done)


def _table(*headings: str) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    return shown


def _cell(record: Record, name: str) -> str:
    value = record.get(name)
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if name in _MOMENTS:
            return iso(value)
        case list():
            return ", ".join(plain(each) for each in value)
        case _:
            return plain(value)


def plain(value: object) -> str:
    """Return a value as text, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in str(value))
