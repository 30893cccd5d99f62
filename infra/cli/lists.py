"""Lists that come in pages, printed as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from infra.cli.answers import Answer, Record, records
from infra.cli.results import show_table
from infra.cli.service.api import Api
from infra.cli.terminal import screen
from infra.cli.terminal.tables import Columns

_PAGE = 100
"""The most entries that the server gives at once."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the admin API: its path, the member that holds the entries, and how an entry is shown.

    `readable` puts the members of an entry into words before they are shown.
    """

    path: str
    name: str
    columns: Columns
    readable: Callable[[Record], Record] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list to read: `limit` entries at most, from behind `cursor`, narrowed by a query."""

    limit: int | None = None
    cursor: str | None = None
    narrowed: Mapping[str, str] | None = None


def show_list(api: Api, listing: Listing, part: Part, *, as_json: bool) -> None:
    """Print a part of a list: one table, or one document with the cursor that continues it."""
    document = read_list(api, listing, part)
    if as_json:
        screen.write(json.dumps(document, ensure_ascii=False))
    else:
        show_entries(document[listing.name], listing)


def show_whole(answer: Answer, listing: Listing, *, as_json: bool) -> None:
    """Print a list that came in one answer."""
    if as_json:
        screen.write(answer.text)
    else:
        show_entries(records(answer, listing.name), listing)


def show_entries(found: list[Record], listing: Listing) -> None:
    """Print entries as a table."""
    show_table([listing.readable(each) for each in found] if listing.readable else found, listing.columns)


def read_list(api: Api, listing: Listing, part: Part) -> dict[str, Any]:
    """Return pages joined into one document. Its `cursor` continues the list, and is null at the end."""
    document: dict[str, Any] = {}
    found: list[Record] = []
    for answer in _pages(api, listing, part):
        found += records(answer, listing.name)
        document = dict(answer.members)
    return document | {listing.name: found, "cursor": document.get("cursor")}


def _pages(api: Api, listing: Listing, part: Part) -> Iterator[Answer]:
    """Yield pages until the list ends or `limit` entries have come."""
    cursor: object = part.cursor
    seen = 0
    while True:
        size = _PAGE if part.limit is None else min(_PAGE, part.limit - seen)
        query = {**(part.narrowed or {}), "limit": str(size)} | ({"cursor": str(cursor)} if cursor else {})
        answer = api.get(f"{listing.path}?{urlencode(query)}", f"Reading; {seen} so far …")
        yield answer
        seen += len(records(answer, listing.name))
        cursor = answer.members.get("cursor")
        if not cursor or (part.limit is not None and seen >= part.limit):
            return
