"""`latchkey init-admin`: the first admin of a stack, which no other admin can create."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from infra.cli.answers import Answer, read_answer
from infra.cli.errors import BadAnswer, CommandError
from infra.cli.options import AsJson
from infra.cli.results import show_record
from infra.cli.service.api import Api
from infra.cli.service.problems import Refused, read_problem
from infra.cli.service.targets import Options, find_target
from infra.cli.terminal.questions import ask, ask_new_password
from infra.cli.terminal.tables import Columns

FUNCTION = "InitAdminFunction"
"""The output of a stack that names the function, and the name of the function in a twin."""

_SUCCESS = range(200, 300)
_CARD = Columns({"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"})

_Invoke = Callable[[Mapping[str, object]], Mapping[str, object]]


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
    invoke = _find_function(ctx)
    login = login or ask("Login of the first admin")
    if not login:
        raise CommandError("Nothing has changed: no login was typed.")
    password = _from_stdin() if password_stdin else ask_new_password()
    show_record(_read(invoke(_event(login, password))), _CARD, as_json=as_json)


def _find_function(ctx: typer.Context) -> _Invoke:
    """Find the function before anyone types a password for it."""
    options: Options = ctx.obj
    name = options.require_target()
    if options.local:
        api = ctx.with_resource(Api(find_target(options).address))
        return lambda event: api.post(f"/2015-03-31/functions/{FUNCTION}/invocations", event).members
    from infra.cli.service.stacks import find_function  # boto3 takes longer to import than most commands take

    return find_function(name, FUNCTION, options.profile, options.region)


def _from_stdin() -> str:
    password = typer.get_text_stream("stdin").read().removesuffix("\n").removesuffix("\r")
    if not password:
        raise typer.BadParameter("standard input is empty", param_hint="--password-stdin")
    return password


def _event(login: str, password: str) -> dict[str, object]:
    """Return the event of a proxy integration, which every function of Latchkey reads."""
    return {
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "requestContext": {"requestId": str(uuid.uuid4())},
        "body": json.dumps({"login": login, "password": password}),
    }


def _read(answer: Mapping[str, object]) -> Answer:
    """Return the document in the answer of a proxy integration; raise `Refused` or `BadAnswer`."""
    status, body = answer.get("statusCode"), answer.get("body")
    if not isinstance(status, int) or not isinstance(body, str):
        raise BadAnswer("it is not an answer of this function")
    if status not in _SUCCESS:
        raise Refused(read_problem(status, {}, body.encode()))
    return read_answer(body.encode())
