"""Records as tables and cards. What a server says is text here, and never a command to the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table

from infra.cli.answers import Record
from infra.cli.terminal.durations import distance, iso, moment

_MOMENTS = frozenset({"created_at", "expires_at"})
_SENTENCES = frozenset({"name", "reason"})
"""Members that may be long texts, and may be folded."""

_GAP = 2
_NARROW, _NARROWEST = 16, 8
"""The widths below which a long text takes the place of other columns, or gives up its own."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Headings by the names of members, in the order in which they are shown; the first identifies a record.

    A narrow terminal goes without the columns in `spare`, beginning with its first. The others stay as long as the
    terminal can hold more than the identifier.
    """

    headings: Mapping[str, str]
    spare: tuple[str, ...] = ()

    def leaving_out(self) -> tuple[str, ...]:
        """Return the names of the columns in the order in which a narrow terminal loses them."""
        return self.spare or tuple(reversed(list(self.headings)[2:]))


def table(found: Sequence[Record], columns: Columns, *, width: int, now: int) -> Table:
    """Return records, one a row, for a terminal of so many columns.

    An identifier is never cut. A column without a text is left out. A moment is how far away it is.
    """
    cells = {
        name: [_cell(record, name, lambda epoch: distance(epoch, now)) for record in found] for name in columns.headings
    }
    others = list(columns.headings)[1:]
    foldable = {name for name in others if name in _SENTENCES or _has_lists(found, name)}
    kept = _kept(columns, cells, foldable, width)
    if _least(kept, columns, cells, foldable) > width:
        kept, foldable = _crowded(kept, columns, cells, width)
    shown = new_table()
    for name in kept:
        shown.add_column(columns.headings[name], overflow="fold", no_wrap=name not in foldable)
    for row in zip(*(cells[name] for name in kept), strict=True):
        shown.add_row(*row)
    return shown


def table_for_pipe(found: Sequence[Record], columns: Columns) -> str:
    """Return records, one a line, with every column and with moments in ISO 8601."""
    rows = [[_cell(record, name, iso) for name in columns.headings] for record in found]
    return _aligned([list(columns.headings.values()), *rows])


def card(record: Record, columns: Columns, *, now: int) -> Table:
    """Return one record for a terminal, a member a row, without the members that are empty."""
    shown = new_table()
    shown.show_header = False
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for row in _rows_of_card(record, columns, lambda epoch: moment(epoch, now)):
        shown.add_row(*row)
    return shown


def card_for_pipe(record: Record, columns: Columns) -> str:
    """Return one record, a member a line, without the members that are empty; moments are in ISO 8601."""
    return _aligned(_rows_of_card(record, columns, iso))


def new_table() -> Table:
    """Return a table without lines, as every table of this command is."""
    return Table(box=None, pad_edge=False, header_style="dim")


def plain(value: object) -> str:
    """Return a value as text, without the characters that a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in str(value))


def _rows_of_card(record: Record, columns: Columns, said: Callable[[int], str]) -> list[list[str]]:
    rows = [[heading, _cell(record, name, said)] for name, heading in columns.headings.items()]
    return [row for row in rows if row[1]]


def _aligned(rows: list[list[str]]) -> str:
    """Return lines whose columns begin at the same place. Rich would take a hundred times as long."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    padded = ([text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join((" " * _GAP).join(row).rstrip() for row in padded)


def _kept(columns: Columns, cells: Mapping[str, list[str]], foldable: set[str], width: int) -> list[str]:
    """Return the columns that fit, without those that are empty."""
    identifier, *others = columns.headings
    kept = [identifier, *(name for name in others if any(cells[name]) or not cells[name])]
    for name in columns.leaving_out():
        if _least(kept, columns, cells, foldable) <= width:
            break
        if name in kept:
            kept.remove(name)
    return kept


def _crowded(
    kept: list[str], columns: Columns, cells: Mapping[str, list[str]], width: int
) -> tuple[list[str], set[str]]:
    """Return the columns for a terminal that is too narrow for all that should stay, and those that are folded."""
    identifier, *others = kept
    room = width - _least([identifier], columns, cells, set()) - _GAP
    if room < _NARROWEST:
        return [identifier], {identifier} if room < -_GAP else set()
    return kept, set(others)


def _least(kept: list[str], columns: Columns, cells: Mapping[str, list[str]], foldable: set[str]) -> int:
    """Return how many columns of a terminal a table needs at least."""
    needed = 0
    for name in kept:
        natural = max(cell_len(text) for text in (columns.headings[name], *cells[name]))
        needed += min(natural, _NARROW) if name in foldable else natural
    return needed + _GAP * (len(kept) - 1)


def _has_lists(found: Sequence[Record], name: str) -> bool:
    return any(isinstance(record.get(name), list | tuple) for record in found)


def _cell(record: Record, name: str, said: Callable[[int], str]) -> str:
    """Return a member as text; `said` puts a moment into words."""
    value = record.get(name)
    if name in _MOMENTS and isinstance(value, int) and not isinstance(value, bool):
        return said(value)
    return _text(value)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(plain(each) for each in value)
        case _:
            return plain(value)
