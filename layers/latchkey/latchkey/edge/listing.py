"""Paged lists: `?limit=` and `?cursor=` in, a part of the list and the next cursor out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from latchkey.core.paging import Page
from latchkey.core.policy import PolicySource
from latchkey.edge.cursors import open_, seal
from latchkey.edge.forms import Members
from latchkey.edge.http import Request

T = TypeVar("T")


class Fetch(Protocol[T]):
    """What reads a part of a list."""

    def __call__(self, *, after: str, limit: int) -> Page[T]:
        """Return at most `limit` entries from behind the position `after`."""


def page(  # noqa: PLR0913 - what is asked, where it is and how it looks
    request: Request,
    members: Members,
    policies: PolicySource,
    fetch: Fetch[T],
    show: Callable[[T], dict[str, Any]],
    *,
    name: str,
    of: str = "",
) -> dict[str, Any]:
    """Return a part of a list under `name`, and `cursor`, which is null where there is no more.

    `members` are those of the query, of which `limit` and `cursor` are left. A cursor is good for this route, this
    caller and `of`, what the list is narrowed to. Raises `INVALID_REQUEST`.
    """
    limit = members.page_size()
    cursor = members.optional("cursor")
    members.nothing_else()
    context = f"{request.path} {request.caller.get('sub')} {of}"
    keys = policies.policy().refresh_keys
    found = fetch(after=open_(cursor, context, keys).get("after", "") if cursor else "", limit=limit)
    return {
        name: [show(item) for item in found.items],
        "cursor": seal({"after": found.after}, context, keys) if found.after else None,
    }
