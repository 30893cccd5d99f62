"""`latchkey user`: accounts."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from infra.cli import records
from infra.cli.api import Api
from infra.cli.arguments import AsJson, Limit, given
from infra.cli.errors import CommandError
from infra.cli.lists import show_list
from infra.cli.new_password import ask_new_password
from infra.cli.sign_in import connect

commands = typer.Typer(no_args_is_help=True, help="Accounts: list, open, disable, roles, sessions.")

_USERS = "/v1/admin/users"
_SUB = re.compile(r"usr_[a-z2-7]{26}")
_COLUMNS = {"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"}
_CARD = _COLUMNS | {"name": "Name", "locale": "Locale", "source": "Source", "permissions": "Permissions"}

_Who = Annotated[str, typer.Argument(metavar="LOGIN|SUB", help="The login of the account, or its id.")]


@commands.command("list")
def list_(
    ctx: typer.Context,
    *,
    login: Annotated[str | None, typer.Option(help="The one account with this login.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List accounts, oldest first."""
    _, api = connect(ctx)
    if login is None:
        show_list(api, _USERS, "users", _COLUMNS, limit=limit, as_json=as_json)
        return
    answer = api.get(f"{_USERS}?{urlencode({'login': login})}")
    records.show_all(answer, "users", _COLUMNS, as_json=as_json)


@commands.command()
def show(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Show an account."""
    _, api = connect(ctx)
    records.show(api.get(_path(api, who)), _CARD, as_json=as_json)


@commands.command()
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(help="An e-mail address or a user name.")],
    *,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    locale: Annotated[str | None, typer.Option(help="The language of mails, such as en or ru-RU.")] = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Let the owner set one by mail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open an account. The password is asked for, twice, and not shown."""
    _, api = connect(ctx)
    password = None if no_password else ask_new_password()
    members = given(login=login, password=password, roles=role, name=name, locale=locale)
    records.show(api.post(_USERS, members), _CARD, as_json=as_json)


@commands.command()
def disable(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Lock an account and end its sessions."""
    _change(ctx, who, {"status": "disabled"}, as_json=as_json)


@commands.command()
def enable(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Let an account sign in again."""
    _change(ctx, who, {"status": "active"}, as_json=as_json)


@commands.command()
def roles(
    ctx: typer.Context,
    who: _Who,
    *,
    add: Annotated[list[str] | None, typer.Option(help="A role to give; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A role to take; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give roles and take roles. They are in tokens from the next refresh on."""
    if not add and not remove:
        raise typer.BadParameter("name a role", param_hint="--add or --remove")
    _, api = connect(ctx)
    path = _path(api, who)
    held = _roles(api, path)
    wanted = sorted((held | set(add or ())) - set(remove or ()))
    records.show(api.patch(path, {"roles": wanted}), _CARD, as_json=as_json)


@commands.command("end-sessions")
def end_sessions(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """End every session of an account."""
    _, api = connect(ctx)
    api.delete(f"{_path(api, who)}/sessions")
    records.say("Every session of the account has ended.", as_json=as_json)


@commands.command("send-reset")
def send_reset(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Mail the owner of an account a code for a new password."""
    _, api = connect(ctx)
    api.post(f"{_path(api, who)}/password-reset", {})
    records.say("The mail is on its way.", as_json=as_json)


def _change(ctx: typer.Context, who: str, members: dict[str, str], *, as_json: bool) -> None:
    _, api = connect(ctx)
    records.show(api.patch(_path(api, who), members), _CARD, as_json=as_json)


def _path(api: Api, who: str) -> str:
    """Return the path of an account, looked up by its login unless an id is given."""
    return f"{_USERS}/{quote(who if _SUB.fullmatch(who) else _find(api, who), safe='')}"


def _find(api: Api, login: str) -> str:
    found = records.records(api.get(f"{_USERS}?{urlencode({'login': login})}"), "users")
    if not found:
        raise CommandError(f"There is no account with the login {login}.")
    return records.text(found[0], "id")


def _roles(api: Api, path: str) -> set[str]:
    held = api.get(path).members.get("roles")
    return {str(role) for role in held} if isinstance(held, list) else set()
