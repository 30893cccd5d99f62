"""`latchkey audit`: what has happened, by day or by user."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.text import Text

from infra.cli.answers import Record
from infra.cli.errors import BadAnswer
from infra.cli.lists import Listing, Part, read_list, show_entries
from infra.cli.options import AsJson, Cursor
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal import screen
from infra.cli.terminal.durations import distance
from infra.cli.terminal.tables import Columns
from latchkey.signing.strict_json import StrictJsonError, integer_member

_MOST = 100_000
_COLUMNS = Columns(
    {
        "time": "Time",
        "event": "Event",
        "sub": "Subject",
        "client_id": "Client",
        "actor": "By",
        "address": "Address",
        "count": "Times",
        "reason": "Reason",
    },
    spare=("client_id", "actor", "address", "count", "reason"),
)


def show(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    day: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="A day in UTC; by default today, unless --user is given.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="The id of a user or of a client: usr_… or cli_….")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, metavar="N", help="The most events to show.")] = 50,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    """Show what has happened, the newest first."""
    wanted = _wanted(day, user)
    document = read_list(connect(ctx), _listing(), Part(limit, cursor, wanted))
    events = document["events"]
    if as_json:
        screen.write(json.dumps(document, ensure_ascii=False))
    elif events:
        show_entries(events, _listing())
    else:
        screen.show(Text("No events are recorded."))
    if document["cursor"] and not as_json:
        screen.note(Text("There are more events: use a higher --limit.", "dim"))


def _wanted(day: str | None, user: str | None) -> dict[str, str]:
    """Return the query of the request."""
    if day is not None and user is not None:
        raise typer.BadParameter("give one of them, not both", param_hint="--day and --user")
    if user is not None:
        return {"user": user}
    if day is None:
        return {"day": datetime.now(UTC).date().isoformat()}
    try:
        return {"day": date.fromisoformat(day).isoformat()}
    except ValueError:
        raise typer.BadParameter("this is not a day as YYYY-MM-DD", param_hint="--day") from None


def _listing() -> Listing:
    """Return the list of events. On a terminal the time is how long ago, in a pipe it is exact."""
    said = _exact if screen.width() is None else _ago
    return Listing(
        path_of("audit"), "events", _COLUMNS, lambda event: {**event, "time": said(event), "count": _times(event)}
    )


def _times(event: Record) -> str:
    """Return how many refusals alike an event stands for, if it is more than one."""
    count = event.get("count", 1)
    return "" if count == 1 else str(count)


def _ago(event: Record) -> str:
    return distance(_milliseconds(event) // 1000, int(time.time()))


def _exact(event: Record) -> str:
    try:
        moment = datetime.fromtimestamp(_milliseconds(event) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise BadAnswer("bad_member: time") from None
    return moment.astimezone().isoformat(timespec="milliseconds")


def _milliseconds(event: Record) -> int:
    try:
        return integer_member(event, "time")
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None
