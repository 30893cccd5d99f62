"""The audit log: security events, by day or by user."""

import re
from datetime import date
from functools import partial

from latchkey.core.errors import invalid_field
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap, documents, listing
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes

routes = Routes("The audit log")
handler = routes.handler

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SUBJECT = re.compile(r"(usr|cli)_[A-Za-z0-9_-]{1,64}")


@routes("GET /v1/admin/audit", needs="audit:read")
def list_events(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of the events of `?day=` or of `?user=`, newest first."""
    members, store = Members.of_query(request), bootstrap.store()
    day, user = _asked_for(members)
    read = partial(store.events_of_day, day) if day else partial(store.events_of, user or "")
    fetch = partial(read, now=request.now)
    of = day or user or ""
    return Response(
        200, listing.page(request, members, bootstrap.seals(), fetch, documents.event, name="events", of=of)
    )


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
