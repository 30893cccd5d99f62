"""`latchkey api-key`: API keys of services."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

import typer

from infra.cli import records
from infra.cli.arguments import DURATION, AsJson, Limit, given
from infra.cli.lists import show_list
from infra.cli.sign_in import connect

commands = typer.Typer(no_args_is_help=True, help="API keys of services: make, rotate, revoke.")

_KEYS = "/v1/admin/api-keys"
_COLUMNS = {
    "id": "Id",
    "client_id": "Client id",
    "name": "Name",
    "roles": "Roles",
    "created_at": "Created",
    "expires_at": "Expires",
    "last_used_on": "Last used",
}
_CARD = _COLUMNS | {"prefix": "Begins with", "scopes": "Scopes", "successor": "Successor"}

_Id = Annotated[str, typer.Argument(metavar="KEY_ID", help="The id of the key.")]


@commands.command("list")
def list_(
    ctx: typer.Context,
    *,
    client_id: Annotated[str | None, typer.Option(help="The keys of one client.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List keys, expired ones too."""
    _, api = connect(ctx)
    narrowed = {"client_id": client_id} if client_id else None
    show_list(api, _KEYS, "api_keys", _COLUMNS, limit=limit, as_json=as_json, narrowed=narrowed)


@commands.command()
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    client_id: Annotated[str, typer.Option(help="The client that the key belongs to.")],
    name: Annotated[str, typer.Option(help="What people call it.")],
    role: Annotated[list[str] | None, typer.Option(help="May be repeated; all of the client's unless given.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="May be repeated; all of the client's unless given.")] = None,
    expires_in: Annotated[int | None, typer.Option(help="How long it lives; else for ever.", **DURATION)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, which is shown this once."""
    _, api = connect(ctx)
    expires_at = None if expires_in is None else int(time.time()) + expires_in
    members = given(client_id=client_id, name=name, roles=role, scopes=scope, expires_at=expires_at)
    records.show_with_secret(api.post(_KEYS, members), "api_key", _CARD, as_json=as_json)


@commands.command()
def rotate(
    ctx: typer.Context,
    key_id: _Id,
    *,
    overlap: Annotated[int | None, typer.Option(help="How long the old key lives on, 7d at most.", **DURATION)] = None,
    as_json: AsJson = False,
) -> None:
    """Make the key that follows a key, which is shown this once. Without an overlap the old one ends at once."""
    _, api = connect(ctx)
    answer = api.post(f"{_path(key_id)}/rotate", given(overlap_seconds=overlap))
    records.show_with_secret(answer, "api_key", _CARD, as_json=as_json)


@commands.command()
def revoke(ctx: typer.Context, key_id: _Id, *, as_json: AsJson = False) -> None:
    """Revoke a key at once."""
    _, api = connect(ctx)
    api.delete(_path(key_id))
    records.say("The key is revoked.", as_json=as_json)


def _path(key_id: str) -> str:
    return f"{_KEYS}/{quote(key_id, safe='')}"
