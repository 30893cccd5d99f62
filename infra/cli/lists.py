"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from infra.cli import screen
from infra.cli.api import Answer, Api
from infra.cli.records import Columns, Record, records, table

_PAGE = 100
"""The most that the server gives at once."""


def show_list(  # noqa: PLR0913 - what to ask for, and how to show it
    api: Api,
    path: str,
    name: str,
    columns: Columns,
    *,
    limit: int | None,
    as_json: bool,
    narrowed: Mapping[str, str] | None = None,
) -> None:
    """Print a list, `limit` at most: one table, or each page's document on lines of its own as it comes."""
    found: list[Record] = []
    for answer in pages(api, path, name, limit=limit, narrowed=narrowed or {}):
        found += records(answer, name)
        if as_json:
            screen.write(answer.text)
    if not as_json:
        screen.show(table(found, columns))


def pages(api: Api, path: str, name: str, *, limit: int | None, narrowed: Mapping[str, str]) -> Iterator[Answer]:
    """Yield the pages of a list until it ends, or `limit` entries have come."""
    cursor: object = None
    seen = 0
    while True:
        size = _PAGE if limit is None else min(_PAGE, limit - seen)
        query = {**narrowed, "limit": str(size)} | ({"cursor": str(cursor)} if cursor else {})
        answer = api.get(f"{path}?{urlencode(query)}", f"Reading; {seen} so far …")
        yield answer
        seen += len(records(answer, name))
        cursor = answer.members.get("cursor")
        if not cursor or (limit is not None and seen >= limit):
            return
