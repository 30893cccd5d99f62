"""Options that several commands have, and what they mean."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.terminal.durations import parse_duration

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]
Yes = Annotated[bool, typer.Option("--yes", help="Confirm: do not ask.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="The most entries to show; by default all.")]
Cursor = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", help="Continue behind an earlier list: the `cursor` of its --json output."),
]


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


DURATION = {"parser": _seconds, "metavar": "DURATION"}
"""Settings of an option that takes 900 (seconds), 15m, 24h or 30d."""


def given(**members: object) -> dict[str, object]:
    """Return the members that the command line names. A list of one empty text is the empty list."""
    named = {name: value for name, value in members.items() if value is not None and value != []}
    return {name: [] if value == [""] else value for name, value in named.items()}


def changes(**members: object) -> dict[str, object]:
    """Return the members that a `set` command names; raise `typer.BadParameter` if it names none."""
    named = given(**members)
    if not named:
        raise typer.BadParameter("name at least one setting and its new value", param_hint="set")
    return named
