"""`latchkey user`: accounts."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

import typer

from infra.cli.answers import printable_text, records
from infra.cli.errors import CommandError
from infra.cli.grammar import Noun
from infra.cli.lists import Listing, Part, show_list, show_whole
from infra.cli.options import AsJson, Cursor, Limit, Yes, changes, given
from infra.cli.results import say, show_record
from infra.cli.service.api import Api
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import ask_new_password, confirm
from infra.cli.terminal.tables import Columns
from latchkey.core.credentials.logins import trimmed

users = Noun("Accounts: their status, roles and sessions.")

_USERS = path_of("users")
_SUB = re.compile(r"usr_[a-z2-7]{26}")
_IN_LISTS = {"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"}
_LISTING = Listing(_USERS, "users", Columns(_IN_LISTS))
_CARD = Columns(_IN_LISTS | {"name": "Name", "locale": "Locale", "source": "Source", "permissions": "Permissions"})

_Who = Annotated[str, typer.Argument(metavar="LOGIN|ID", help="The login of the account, or its id (usr_…).")]


@users.verb("list", example="latchkey user list --local --limit 20")
def list_users(
    ctx: typer.Context,
    *,
    login: Annotated[str | None, typer.Option(metavar="LOGIN", help="Show only the account with this login.")] = None,
    limit: Limit = None,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    """List accounts, the oldest first."""
    if login is not None and cursor:
        raise typer.BadParameter("give one of them, not both", param_hint="--login and --cursor")
    api = connect(ctx)
    if login is None:
        show_list(api, _LISTING, Part(limit, cursor), as_json=as_json)
    else:
        show_whole(api.get(_by_login(login)), _LISTING, as_json=as_json)


@users.verb("show", example="latchkey user show ann@example.com --local")
def show(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Show an account."""
    api = connect(ctx)
    show_record(api.get(_path(api, who)), _CARD, as_json=as_json)


@users.verb("create", example="latchkey user create ann@example.com --local --role help_desk")
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="An e-mail address or a user name.")],
    *,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="A role; repeat it for several.")] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="The person's name.")] = None,
    locale: Annotated[
        str | None, typer.Option(metavar="TAG", help="The language of mails, such as en or ru-RU.")
    ] = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Let the owner set a password by mail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create an account.

    The command asks for the password twice and does not show it.
    """
    api = connect(ctx)
    password = None if no_password else ask_new_password()
    members = given(login=login, password=password, roles=role, name=name, locale=locale)
    show_record(api.post(_USERS, members), _CARD, as_json=as_json)


@users.verb("set", example="latchkey user set ann@example.com --local --add-role help_desk")
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    who: _Who,
    *,
    role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="All roles of the account; repeat it for several.")
    ] = None,
    add_role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="A role to add; repeat it for several.")
    ] = None,
    remove_role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="A role to remove; repeat it for several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the roles of an account.

    Tokens contain the new roles from the next refresh on.
    """
    if role and (add_role or remove_role):
        raise typer.BadParameter("give all roles, or those to add and remove", param_hint="--role")
    members = changes(roles=role) if not (add_role or remove_role) else {}
    api = connect(ctx)
    path = _path(api, who)
    if not members:
        members = {"roles": sorted((_roles(api, path) | set(add_role or ())) - set(remove_role or ()))}
    show_record(api.patch(path, members), _CARD, as_json=as_json)


@users.verb("disable", example="latchkey user disable ann@example.com --local")
def disable(ctx: typer.Context, who: _Who, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Stop an account from signing in, and end its sessions.

    The command asks before it disables your own account.
    """
    api = connect(ctx)
    path = _path(api, who)
    if api.caller and path == path_of("users", api.caller):
        confirm("This is your own account: you cannot enable it again.", yes=yes)
    _set_status(api, path, "disabled", as_json=as_json)


@users.verb("enable", example="latchkey user enable ann@example.com --local")
def enable(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Let an account sign in again."""
    api = connect(ctx)
    _set_status(api, _path(api, who), "active", as_json=as_json)


@users.verb("end-sessions", example="latchkey user end-sessions ann@example.com --local")
def end_sessions(ctx: typer.Context, who: _Who, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """End every session of an account.

    The owner must log in again on each device.
    """
    confirm(f"Every session of {who} will end.", yes=yes)
    api = connect(ctx)
    api.delete(f"{_path(api, who)}/sessions")
    say("Every session of the account has ended.", as_json=as_json)


@users.verb("forget-devices", example="latchkey user forget-devices ann@example.com --local")
def forget_devices(ctx: typer.Context, who: _Who, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget every known device of an account.

    Sessions go on. At its next sign-in, a forgotten device waits where strangers have guessed at the login.
    """
    confirm(f"Every known device of {who} will be forgotten.", yes=yes)
    api = connect(ctx)
    api.delete(f"{_path(api, who)}/devices")
    say("Every known device of the account is forgotten.", as_json=as_json)


@users.verb("reset-password", example="latchkey user reset-password ann@example.com --local")
def reset_password(ctx: typer.Context, who: _Who, *, as_json: AsJson = False) -> None:
    """Send the owner of an account a mail with a code to set a new password."""
    api = connect(ctx)
    api.post(f"{_path(api, who)}/password-reset", {})
    say("The mail will be sent.", as_json=as_json)


def _set_status(api: Api, path: str, status: str, *, as_json: bool) -> None:
    show_record(api.patch(path, {"status": status}), _CARD, as_json=as_json)


def _by_login(login: str) -> str:
    return f"{_USERS}?{urlencode({'login': login})}"


def _path(api: Api, who: str) -> str:
    """Return the path of an account, which is looked up by its login unless an id is given."""
    named = trimmed(who)
    return path_of("users", named if _SUB.fullmatch(named) else _find(api, named))


def _find(api: Api, login: str) -> str:
    found = records(api.get(_by_login(login)), "users")
    if not found:
        raise CommandError(f"There is no account with the login {login}.")
    return printable_text(found[0], "id")


def _roles(api: Api, path: str) -> set[str]:
    held = api.get(path).members.get("roles")
    return {str(role) for role in held} if isinstance(held, list) else set()
