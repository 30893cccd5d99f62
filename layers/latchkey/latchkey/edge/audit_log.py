"""The route of the audit log: what it takes, and what it shows."""

from __future__ import annotations

import re
from datetime import date
from functools import partial

from latchkey.core.errors import invalid_field
from latchkey.core.events import AuditStore
from latchkey.core.policy import PolicySource
from latchkey.edge import callers, listing
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.operators import permitted

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SUBJECT = re.compile(r"(usr|cli)_[A-Za-z0-9_-]{1,64}")


def answer(request: Request, store: AuditStore, policies: PolicySource) -> Response:
    """Return a page of `?day=` or of `?user=`, newest first. Raises `FORBIDDEN` without the route's permission."""
    permitted(request)
    members = Members.of_query(request)
    day, user = _asked_for(members)
    read = partial(store.events_of_day, day) if day else partial(store.events_of, user or "")
    fetch = partial(read, now=request.now)
    page = listing.page(request, members, policies, fetch, callers.event, name="events", of=day or user or "")
    return Response(200, page)


def _asked_for(members: Members) -> tuple[str | None, str | None]:
    """Take the day or the user: one of them, and only one."""
    day = members.shaped("day", _DAY, longest=10)
    user = members.shaped("user", _SUBJECT, longest=68)
    if day is None and user is None:
        raise invalid_field("day", "required", "One of day, user is required.")
    if day is not None and user is not None:
        raise invalid_field("user", "ambiguous", "Give one of day, user, not both.")
    if day is not None:
        _require_date(day)
    return day, user


def _require_date(day: str) -> None:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise invalid_field("day", "bad_value", "There is no such day.") from None
