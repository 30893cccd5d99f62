"""Paged lists: `?limit=` and `?cursor=` in, a part of the list and the next cursor out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from latchkey.core.errors import invalid_field
from latchkey.core.ports import Page
from latchkey.edge import bootstrap
from latchkey.edge.cursors import open_, seal
from latchkey.edge.forms import Members
from latchkey.edge.http import Request

MAX_PAGE = 100
_PAGE = "50"
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")

T = TypeVar("T")


def answer(  # noqa: PLR0913 - what is asked, where it is and how it looks
    request: Request,
    members: Members,
    fetch: Callable[[str, int], Page[T]],
    show: Callable[[T], dict[str, Any]],
    *,
    name: str,
    of: str = "",
) -> dict[str, Any]:
    """Return a part of a list under `name`, and `next_cursor` where there is more.

    `members` are those of the query, of which `limit` and `cursor` are left. A cursor is good for this route, this
    caller and `of`, what the list is narrowed to. Raises `INVALID_REQUEST`.
    """
    limit = int(members.shaped("limit", _NUMBER, longest=3) or _PAGE)
    cursor = members.optional("cursor")
    members.nothing_else()
    if limit > MAX_PAGE:
        raise invalid_field("limit", "too_large", f"At most {MAX_PAGE} at a time.")
    context = f"{request.path} {request.caller.get('sub')} {of}"
    keys = bootstrap.policies().policy().refresh_keys
    page = fetch(open_(cursor, context, keys).get("after", "") if cursor else "", limit)
    more = {"next_cursor": seal({"after": page.after}, context, keys)} if page.after else {}
    return {name: [show(item) for item in page.items], **more}
