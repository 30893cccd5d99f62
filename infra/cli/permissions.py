"""`latchkey permission`: the permissions that a stack declares for its own APIs."""

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

permissions = Noun("Permissions, built in and your own. A permission is also a scope.")

_COLUMNS = Columns({"name": "Name", "built_in": "Built in"})
_LISTING = Listing(path_of("permissions"), "permissions", _COLUMNS)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the permission, such as orders:read.")]


@permissions.verb("list", example="latchkey permission list --local")
def list_permissions(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List all permissions."""
    show_whole(connect(ctx).get(_LISTING.path), _LISTING, as_json=as_json)


@permissions.verb("create", example="latchkey permission create orders:read --local")
def create(ctx: typer.Context, name: _Name, *, as_json: AsJson = False) -> None:
    """Declare a permission of your own.

    Only an admin may. Every admin holds it from then on.
    """
    show_record(connect(ctx).put(_path(name), {}), _COLUMNS, as_json=as_json)


@permissions.verb("delete", example="latchkey permission delete orders:read --local")
def delete(ctx: typer.Context, name: _Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a permission of your own.

    Only an admin may, and no role can have it any more. As a scope it is dropped from tokens.
    """
    path = _path(name)
    confirm(f"The permission {name} will be deleted, and tokens lose it as a scope.", yes=yes)
    connect(ctx).delete(path)
    say(f"The permission {name} is deleted.", as_json=as_json)


def _path(name: str) -> str:
    return path_of("permissions", name)
