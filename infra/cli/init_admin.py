"""`latchkey init-admin`: the first admin of a stack, whom no admin can make."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Annotated

import typer

from infra.cli import records, screen
from infra.cli.api import Answer, Api, read_answer
from infra.cli.arguments import AsJson
from infra.cli.errors import BadAnswer, CommandError
from infra.cli.new_password import ask_new_password
from infra.cli.problems import Refused, read_problem
from infra.cli.targets import LOCAL, Options, find_target

FUNCTION = "InitAdminFunction"
"""The output of a stack that names the function; what the function is called in a twin."""

_SUCCESS = range(200, 300)
_CARD = {"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"}

_Invoke = Callable[[Mapping[str, object]], Mapping[str, object]]


def init_admin(
    ctx: typer.Context,
    *,
    login: Annotated[str | None, typer.Option(help="The admin's e-mail address or user name; else asked for.")] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input, less the last newline."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the first admin of a stack, once. Your AWS credentials must allow lambda:InvokeFunction."""
    if password_stdin and not login:
        raise typer.BadParameter("name the login too", param_hint="--password-stdin")
    invoke = _find_function(ctx.obj)
    login = login or screen.ask("Login of the first admin")
    if not login:
        raise CommandError("Nothing has changed: nobody has typed a login.")
    password = _from_stdin() if password_stdin else ask_new_password()
    records.show(_read(invoke(_event(login, password))), _CARD, as_json=as_json)


def _find_function(options: Options) -> _Invoke:
    """Find the function before anybody types a password for it."""
    if options.local:
        api = Api(find_target(options).address)
        return lambda event: api.post(f"/2015-03-31/functions/{FUNCTION}/invocations", event).members
    if options.stack is None:
        raise typer.BadParameter("name one", param_hint=f"--{LOCAL} or --stack NAME")
    from infra.cli.stacks import find_function  # boto3 takes longer to import than most commands take

    return find_function(options.stack, FUNCTION, options.profile, options.region)


def _from_stdin() -> str:
    password = typer.get_text_stream("stdin").read().removesuffix("\n").removesuffix("\r")
    if not password:
        raise typer.BadParameter("there is no password in standard input", param_hint="--password-stdin")
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
        raise BadAnswer("not an answer of this function")
    if status not in _SUCCESS:
        raise Refused(read_problem(status, Message(), body.encode()))
    return read_answer(body.encode())
