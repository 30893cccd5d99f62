"""`latchkey client`: OAuth clients and services."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from infra.cli import records
from infra.cli.arguments import AsJson, Limit, given
from infra.cli.lists import show_list
from infra.cli.sign_in import connect
from latchkey.core.model import ClientKind, Grant

commands = typer.Typer(no_args_is_help=True, help="OAuth clients and services: register, change, secrets.")

_CLIENTS = "/v1/admin/clients"
_COLUMNS = {
    "client_id": "Client id",
    "kind": "Kind",
    "name": "Name",
    "enabled": "Enabled",
    "roles": "Roles",
    "created_at": "Created",
}
_CARD = _COLUMNS | {
    "redirect_uris": "Redirect URIs",
    "scopes": "Scopes",
    "grants": "Grants",
    "secrets": "Fingerprints of secrets",
}

_Id = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="The id of the client.")]
_RedirectUris = Annotated[list[str] | None, typer.Option("--redirect-uri", help="May be repeated.")]
_Scopes = Annotated[list[str] | None, typer.Option("--scope", help="May be repeated.")]
_Grants = Annotated[list[str] | None, typer.Option("--grant", help=f"{', '.join(Grant)}; may be repeated.")]
_Roles = Annotated[list[str] | None, typer.Option("--role", help="May be repeated.")]


@commands.command("list")
def list_(ctx: typer.Context, *, limit: Limit = None, as_json: AsJson = False) -> None:
    """List clients."""
    _, api = connect(ctx)
    show_list(api, _CLIENTS, "clients", _COLUMNS, limit=limit, as_json=as_json)


@commands.command()
def show(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Show a client."""
    _, api = connect(ctx)
    records.show(api.get(_path(client_id)), _CARD, as_json=as_json)


@commands.command()
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    kind: Annotated[ClientKind, typer.Option(help="An app without a secret, a server, or a machine.")],
    name: Annotated[str, typer.Option(help="What people call it.")],
    redirect_uris: _RedirectUris = None,
    scopes: _Scopes = None,
    grants: _Grants = None,
    roles: _Roles = None,
    as_json: AsJson = False,
) -> None:
    """Register a client. Its secret, where it has one, is shown this once."""
    _, api = connect(ctx)
    lists = given(redirect_uris=redirect_uris, scopes=scopes, grants=grants, roles=roles)
    answer = api.post(_CLIENTS, {"kind": str(kind), "name": name, **lists})
    if "client_secret" in answer.members:
        records.show_with_secret(answer, "client_secret", _CARD, as_json=as_json)
    else:
        records.show(answer, _CARD, as_json=as_json)


@commands.command("set")
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    client_id: _Id,
    *,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    redirect_uris: _RedirectUris = None,
    scopes: _Scopes = None,
    grants: _Grants = None,
    roles: _Roles = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is let in.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a client. A list is replaced as a whole; an empty text ("") leaves it empty."""
    members = given(name=name, redirect_uris=redirect_uris, scopes=scopes, grants=grants, roles=roles, enabled=enabled)
    if not members:
        raise typer.BadParameter("name what is to change", param_hint="set")
    _, api = connect(ctx)
    records.show(api.patch(_path(client_id), members), _CARD, as_json=as_json)


@commands.command()
def delete(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Delete a client and its API keys."""
    _, api = connect(ctx)
    api.delete(_path(client_id))
    records.say("The client and its API keys are deleted.", as_json=as_json)


@commands.command("add-secret")
def add_secret(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Give a client a second secret, shown this once, to change over to."""
    _, api = connect(ctx)
    answer = api.post(f"{_path(client_id)}/secrets", {})
    records.show_with_secret(answer, "client_secret", _CARD, as_json=as_json)


@commands.command("remove-secret")
def remove_secret(
    ctx: typer.Context,
    client_id: _Id,
    fingerprint: Annotated[str, typer.Argument(help="As `client show` has it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Take a secret from a client. The last one stays."""
    _, api = connect(ctx)
    api.delete(f"{_path(client_id)}/secrets/{quote(fingerprint, safe='')}")
    records.say("The secret is good for nothing any more.", as_json=as_json)


def _path(client_id: str) -> str:
    return f"{_CLIENTS}/{quote(client_id, safe='')}"
