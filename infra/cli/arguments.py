"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.durations import parse_duration

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's document as it is.")]
Limit = Annotated[int | None, typer.Option(min=1, help="How many to show at most; all unless given.")]


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


DURATION = {"parser": _seconds, "metavar": "DURATION"}
"""What makes an option take 900 (seconds), 15m, 24h or 30d."""


def given(**members: object) -> dict[str, object]:
    """Return the members that the command line names. A list of one empty text is the empty list."""
    named = {name: value for name, value in members.items() if value is not None and value != []}
    return {name: [] if value == [""] else value for name, value in named.items()}
