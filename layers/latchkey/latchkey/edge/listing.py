"""Paged lists: they take `?limit=` and `?cursor=`, and return a page and the next cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from latchkey.core.paging import Page
from latchkey.core.policy import SealSource
from latchkey.edge.cursors import open_, seal
from latchkey.edge.forms import Members
from latchkey.edge.http import Request

T = TypeVar("T")


class Fetch(Protocol[T]):
    """Reads a page of a list."""

    def __call__(self, *, after: str, limit: int) -> Page[T]:
        """Return at most `limit` entries that come after the position `after`."""


def page(  # noqa: PLR0913 - what is asked for, where it comes from and how it looks
    request: Request,
    members: Members,
    seals: SealSource,
    fetch: Fetch[T],
    show: Callable[[T], dict[str, Any]],
    *,
    name: str,
    of: str = "",
) -> dict[str, Any]:
    """Return a page of a list under `name`, and `cursor`, which is null on the last page.

    `members` are those of the query: `limit` and `cursor` are left to take. A cursor is valid for this route, this
    caller and this `of`, the filter of the list. Raises `INVALID_REQUEST`.
    """
    limit = members.page_size()
    cursor = members.optional("cursor")
    members.nothing_else()
    context = f"{request.path} {request.caller.get('sub')} {of}"
    found = fetch(after=open_(cursor, context, seals).get("after", "") if cursor else "", limit=limit)
    return {
        name: [show(item) for item in found.items],
        "cursor": seal({"after": found.after}, context, seals) if found.after else None,
    }
