"""`latchkey role`: what roles there are, and what they permit."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from infra.cli import records
from infra.cli.arguments import AsJson
from infra.cli.sign_in import connect

commands = typer.Typer(no_args_is_help=True, help="Roles: what they permit, and roles of your own.")

_ROLES = "/v1/admin/roles"
_COLUMNS = {"name": "Name", "built_in": "Built in", "permissions": "Permissions"}

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the role.")]


@commands.command("list")
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List all roles."""
    _, api = connect(ctx)
    answer = api.get(_ROLES)
    records.show_all(answer, "roles", _COLUMNS, as_json=as_json)


@commands.command()
def show(ctx: typer.Context, name: _Name, *, as_json: AsJson = False) -> None:
    """Show a role."""
    _, api = connect(ctx)
    records.show(api.get(_path(name)), _COLUMNS, as_json=as_json)


@commands.command("set")
def put(
    ctx: typer.Context,
    name: _Name,
    permissions: Annotated[list[str] | None, typer.Argument(help="All that the role is to permit.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a role, or replace what it permits."""
    _, api = connect(ctx)
    records.show(api.put(_path(name), {"permissions": permissions or []}), _COLUMNS, as_json=as_json)


@commands.command()
def delete(ctx: typer.Context, name: _Name, *, as_json: AsJson = False) -> None:
    """Delete a role. Who holds it may no more what it permitted, at once."""
    _, api = connect(ctx)
    api.delete(_path(name))
    records.say(f"The role {name} is deleted.", as_json=as_json)


def _path(name: str) -> str:
    return f"{_ROLES}/{quote(name, safe='')}"
