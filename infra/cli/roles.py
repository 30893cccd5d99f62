"""`latchkey role`: the roles of a stack, and what they permit."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.answers import Answer
from infra.cli.grammar import Noun
from infra.cli.lists import Listing, show_whole
from infra.cli.options import AsJson, Yes
from infra.cli.results import say, show_record
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import confirm
from infra.cli.terminal.tables import Columns

roles = Noun("Roles, and the permissions that they give.")
customer = Noun("The roles that operators may give to people although they lack their permissions.")
roles.add_typer(customer, name="customer")

_COLUMNS = Columns({"name": "Name", "built_in": "Built in", "permissions": "Permissions"}, spare=("built_in",))
_CUSTOMER_CARD = Columns({"roles": "Customer roles"})
_LISTING = Listing(path_of("roles"), "roles", _COLUMNS)

_CUSTOMER_ROLES = path_of("customer-roles")

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


@customer.verb("show", example="latchkey role customer show --local")
def show_customer_roles(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the customer roles."""
    _show_customer_roles(connect(ctx).get(_CUSTOMER_ROLES), as_json=as_json)


@customer.verb("set", example="latchkey role customer set user --local")
def set_customer_roles(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="All customer roles.")] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Have no customer role at all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace the customer roles.

    Only an admin may. None of the roles can have an operator's permission.
    """
    if none == bool(names):
        raise typer.BadParameter("name the roles, or give --none for no customer role", param_hint="set")
    _show_customer_roles(connect(ctx).put(_CUSTOMER_ROLES, {"roles": names or []}), as_json=as_json)


def _show_customer_roles(answer: Answer, *, as_json: bool) -> None:
    show_record(
        answer, _CUSTOMER_CARD, as_json=as_json, readable=lambda record: {"roles": record.get("roles") or "none"}
    )


def _path(name: str) -> str:
    return path_of("roles", name)
