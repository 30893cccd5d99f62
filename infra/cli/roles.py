"""`latchkey role`: the roles of a stack, and what they permit."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.grammar import Noun
from infra.cli.lists import Listing, show_whole
from infra.cli.options import AsJson, Yes
from infra.cli.results import say, show_record
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import confirm
from infra.cli.terminal.tables import Columns

roles = Noun("Roles, and the permissions that they give.")

_COLUMNS = Columns({"name": "Name", "built_in": "Built in", "permissions": "Permissions"}, spare=("built_in",))
_LISTING = Listing(path_of("roles"), "roles", _COLUMNS)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the role.")]


@roles.verb("list", example="latchkey role list --local")
def list_roles(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List all roles."""
    show_whole(connect(ctx).get(_LISTING.path), _LISTING, as_json=as_json)


@roles.verb("show", example="latchkey role show help_desk --local")
def show(ctx: typer.Context, name: _Name, *, as_json: AsJson = False) -> None:
    """Show a role."""
    show_record(connect(ctx).get(_path(name)), _COLUMNS, as_json=as_json)


@roles.verb("set", example="latchkey role set help_desk users:read users:write --local")
def put(
    ctx: typer.Context,
    name: _Name,
    permissions: Annotated[
        list[str] | None, typer.Argument(metavar="PERMISSION", help="All permissions of the role.")
    ] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Give the role no permission at all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create a role, or replace all permissions of a role."""
    if none == bool(permissions):
        raise typer.BadParameter("name the permissions, or give --none for a role without any", param_hint="set")
    answer = connect(ctx).put(_path(name), {"permissions": permissions or []})
    show_record(answer, _COLUMNS, as_json=as_json)


@roles.verb("delete", example="latchkey role delete help_desk --local")
def delete(ctx: typer.Context, name: _Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a role.

    Its holders lose its permissions at once.
    """
    path = _path(name)
    confirm(f"The role {name} will be deleted, and its holders lose its permissions at once.", yes=yes)
    connect(ctx).delete(path)
    say(f"The role {name} is deleted.", as_json=as_json)


def _path(name: str) -> str:
    return path_of("roles", name)
