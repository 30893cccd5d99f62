"""`latchkey issuer`: the `iss` of a stack's tokens, shown and moved with AWS credentials in place of a token."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from infra.cli.errors import BadAnswer
from infra.cli.grammar import Noun
from infra.cli.options import AsJson, Yes
from infra.cli.service.functions import find_function
from infra.cli.service.targets import Options
from infra.cli.terminal import screen
from infra.cli.terminal.durations import human, moment
from infra.cli.terminal.questions import confirm, require_confirmable
from latchkey.signing.strict_json import StrictJsonError, integer_member, string_member

FUNCTION = "IssuerFunction"
"""The output of a stack that names the function, and the name of the function in a twin."""

issuer = Noun("The issuer: what tokens say under iss, and the address of metadata and keys.")


@issuer.verb("show", example="latchkey issuer show --stack auth")
def show(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show which issuer tokens name, which comes next, and which others are still accepted.

    Your AWS credentials must allow lambda:InvokeFunction.
    """
    answer = find_function(ctx, FUNCTION)({})
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(_described(_issuers(answer.members), _now()))


@issuer.verb("move", example="latchkey issuer move https://auth.example.com --stack auth")
def move(
    ctx: typer.Context,
    iss: Annotated[str, typer.Argument(metavar="ISSUER", help="The address that tokens will name.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move to another address, at which the stack answers already.

    No one is signed out. Your AWS credentials must allow lambda:InvokeFunction; no token is needed.
    """
    require_confirmable(yes=yes)
    options: Options = ctx.obj
    name = options.require_target()
    invoke = find_function(ctx, FUNCTION)
    confirm(*_effects(name, iss, invoke({}).members), yes=yes, warning="Metadata and keys must be served there.")
    answer = invoke({"iss": iss})
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(_described(_issuers(answer.members), _now()))


@dataclass(frozen=True, slots=True)
class _Issuers:
    """What the function says. Times are in seconds since the epoch."""

    current: str
    planned: tuple[str, int, int] | None
    previous: tuple[tuple[str, int], ...]


def _effects(target: str, iss: str, members: Mapping[str, object]) -> Iterator[str]:
    """Return what a move will do, before it is carried out. Raises `BadAnswer`."""
    current = _issuers(members).current
    try:
        lead = human(integer_member(members, "publish_lead"))
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None
    yield f"Tokens of {target} name {current}."
    yield f"  - every verifier learns {iss} first; tokens name it in {lead}"
    yield f"  - {current} is accepted until the last token that names it has expired"
    yield "  - programs that compare iss with a value of their own must accept both until then"


def _described(issuers: _Issuers, now: int) -> Text:
    """Return in words which issuer counts when."""
    lines = [f"Tokens name {issuers.current}."]
    if issuers.planned:
        iss, at, until = issuers.planned
        lines.append(f"They name {iss} from {moment(at, now)}.")
        lines.append(f"{issuers.current} is accepted until {moment(until, now)}.")
    lines += [f"{iss} is accepted until {moment(until, now)}." for iss, until in issuers.previous]
    return Text("\n".join(lines))


def _issuers(members: Mapping[str, object]) -> _Issuers:
    """Return the issuers in a document; ignore unknown members, which a newer stack may send. Raises `BadAnswer`."""
    planned, previous = members.get("next_issuer"), members.get("previous_issuers")
    try:
        return _Issuers(
            current=_printable(members, "issuer"),
            planned=None if planned is None else _planned(_object(planned)),
            previous=tuple(_previous(_object(each)) for each in _list(previous)),
        )
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def _planned(members: Mapping[str, object]) -> tuple[str, int, int]:
    return _printable(members, "iss"), integer_member(members, "at"), integer_member(members, "previous_until")


def _previous(members: Mapping[str, object]) -> tuple[str, int]:
    return _printable(members, "iss"), integer_member(members, "until")


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise StrictJsonError("bad_member", "issuers")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise StrictJsonError("bad_member", "previous_issuers")
    return value


def _printable(members: Mapping[str, object], name: str) -> str:
    """Return a string without control characters, which a terminal would obey."""
    value = string_member(members, name)
    if not value.isprintable():
        raise StrictJsonError("bad_member", name)
    return value


def _now() -> int:
    return int(time.time())
