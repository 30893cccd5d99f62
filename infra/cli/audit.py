"""`latchkey audit`: what has happened, by day or by user."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from infra.cli import screen
from infra.cli.api import Api
from infra.cli.errors import BadAnswer
from infra.cli.lists import pages
from infra.cli.records import records
from infra.cli.sign_in import connect
from latchkey.signing.strict_json import StrictJsonError, integer_member

_AUDIT = "/v1/admin/audit"
_MOST = 100_000
_COLUMNS = {
    "event": "Event",
    "sub": "Subject",
    "client_id": "Client",
    "actor": "By",
    "address": "Address",
    "reason": "Reason",
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Members = Mapping[str, object]


def show(
    ctx: typer.Context,
    *,
    day: Annotated[str | None, typer.Option(help="A day in UTC, as YYYY-MM-DD; without --user, today.")] = None,
    user: Annotated[str | None, typer.Option(help="A user's or a client's id: usr_… or cli_….")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="Events at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as the server gives them.")] = False,
) -> None:
    """Show what has happened, newest first."""
    wanted = _wanted(day, user)
    _, api = connect(ctx)
    events, more = _events(api, wanted, limit)
    if as_json:
        screen.write(json.dumps({"events": events}, ensure_ascii=False))
        return
    screen.show(_table(events) if events else Text("Nothing is recorded."))
    if more:
        screen.note(Text("There is more; --limit shows it.", "dim"))


def _wanted(day: str | None, user: str | None) -> dict[str, str]:
    """Return what is asked for, as the server calls it."""
    if day is not None and user is not None:
        raise typer.BadParameter("give one, not both", param_hint="--day and --user")
    if user is not None:
        return {"user": user}
    if day is None:
        return {"day": datetime.now(UTC).date().isoformat()}
    try:
        return {"day": date.fromisoformat(day).isoformat()}
    except ValueError:
        raise typer.BadParameter("not a day, as YYYY-MM-DD", param_hint="--day") from None


def _events(api: Api, wanted: Mapping[str, str], limit: int) -> tuple[list[Members], bool]:
    """Return the events of page after page, `limit` at most, and whether there are more."""
    events: list[Members] = []
    more = False
    for answer in pages(api, _AUDIT, "events", limit=limit, narrowed=wanted):
        events += records(answer, "events")
        more = bool(answer.members.get("cursor"))
    return events[:limit], more


def _table(events: list[Members]) -> Table:
    """Return the events, one a row; times are local."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("Time", *_COLUMNS.values()):
        table.add_column(heading, overflow="fold")
    for each in events:
        table.add_row(_time(each), *(_text(each, column) for column in _COLUMNS))
    return table


def _time(event: Members) -> str:
    try:
        moment = datetime.fromtimestamp(integer_member(event, "time") / 1000, UTC)
    except (StrictJsonError, OverflowError, ValueError, OSError):
        raise BadAnswer("bad_member: time") from None
    return moment.astimezone().isoformat(timespec="milliseconds")


def _text(members: Members, name: str) -> str:
    """Return a text of the server's, without what a terminal would obey."""
    value = members.get(name)
    return _UNPRINTABLE.sub(" ", value) if isinstance(value, str) else ""
