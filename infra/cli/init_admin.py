"""`latchkey init-admin`: the first admin of a stack, which no other admin can create."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.errors import CommandError
from infra.cli.options import AsJson
from infra.cli.results import show_record
from infra.cli.service.functions import find_function
from infra.cli.terminal.questions import ask, ask_new_password
from infra.cli.terminal.tables import Columns

FUNCTION = "InitAdminFunction"
"""The output of a stack that names the function, and the name of the function in a twin."""

_CARD = Columns({"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"})


def init_admin(
    ctx: typer.Context,
    *,
    login: Annotated[
        str | None,
        typer.Option(metavar="LOGIN", help="The admin's e-mail address or user name; by default it is asked for."),
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input, without the newline at its end."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the first admin of a stack.

    Your AWS credentials must allow lambda:InvokeFunction.
    """
    if password_stdin and not login:
        raise typer.BadParameter("give --login too", param_hint="--password-stdin")
    invoke = find_function(ctx, FUNCTION)  # before anyone types a password for it
    login = login or ask("Login of the first admin")
    if not login:
        raise CommandError("Nothing has changed: no login was typed.")
    password = _from_stdin() if password_stdin else ask_new_password()
    show_record(invoke({"login": login, "password": password}), _CARD, as_json=as_json)


def _from_stdin() -> str:
    password = typer.get_text_stream("stdin").read().removesuffix("\n").removesuffix("\r")
    if not password:
        raise typer.BadParameter("standard input is empty", param_hint="--password-stdin")
    return password
