"""`latchkey api-key`: API keys of services."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from infra.cli.grammar import Noun
from infra.cli.lists import Listing, Part, show_list
from infra.cli.options import DURATION, AsJson, Cursor, Limit, Yes, changes, given
from infra.cli.results import say, show_record, show_with_secret
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import confirm
from infra.cli.terminal.tables import Columns

api_keys = Noun("API keys of services.")

_KEYS = path_of("api-keys")
_IN_LISTS = {
    "id": "Id",
    "name": "Name",
    "client_id": "Client id",
    "status": "Status",
    "roles": "Roles",
    "expires_at": "Expires",
    "last_used_on": "Last used",
    "created_at": "Created",
}
_LISTING = Listing(
    _KEYS,
    "api_keys",
    Columns(_IN_LISTS, spare=("created_at", "roles", "last_used_on", "expires_at", "client_id", "status")),
)
_CARD = Columns(_IN_LISTS | {"prefix": "Begins with", "scopes": "Scopes", "successor": "Replaced by"})

_Id = Annotated[str, typer.Argument(metavar="KEY_ID", help="The id of the key.")]
_Client = Annotated[str, typer.Option(metavar="CLIENT_ID", help="The client that the key belongs to (cli_…).")]
_OneClient = Annotated[str | None, typer.Option(metavar="CLIENT_ID", help="Show only the keys of this client.")]
_Name = Annotated[str, typer.Option(metavar="TEXT", help="A name for people.")]
_OtherName = Annotated[str | None, typer.Option(metavar="TEXT", help="A name for people.")]


@api_keys.verb("list", example="latchkey api-key list --local --client-id CLIENT_ID")
def list_keys(
    ctx: typer.Context,
    *,
    client_id: _OneClient = None,
    limit: Limit = None,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    """List keys, including expired ones."""
    narrowed = {"client_id": client_id} if client_id else None
    show_list(connect(ctx), _LISTING, Part(limit, cursor, narrowed), as_json=as_json)


@api_keys.verb("show", example="latchkey api-key show KEY_ID --local")
def show(ctx: typer.Context, key_id: _Id, *, as_json: AsJson = False) -> None:
    """Show a key, without its secret part."""
    show_record(connect(ctx).get(_path(key_id)), _CARD, as_json=as_json)


@api_keys.verb("create", example="latchkey api-key create --local --client-id CLIENT_ID --name nightly > nightly.key")
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    client_id: _Client,
    name: _Name,
    role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="Repeat it for several; by default all of the client's.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Repeat it for several; by default all of the client's.")
    ] = None,
    expires_in: Annotated[
        int | None, typer.Option(help="The life of the key, such as 90d; by default it does not expire.", **DURATION)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key.

    It is shown only this once.
    """
    expires_at = None if expires_in is None else int(time.time()) + expires_in
    members = given(client_id=client_id, name=name, roles=role, scopes=scope, expires_at=expires_at)
    show_with_secret(connect(ctx).post(_KEYS, members), "api_key", _CARD, as_json=as_json)


@api_keys.verb("set", example="latchkey api-key set KEY_ID --local --name nightly")
def change(ctx: typer.Context, key_id: _Id, *, name: _OtherName = None, as_json: AsJson = False) -> None:
    """Change the name of a key."""
    members = changes(name=name)
    show_record(connect(ctx).patch(_path(key_id), members), _CARD, as_json=as_json)


@api_keys.verb("disable", example="latchkey api-key disable KEY_ID --local")
def disable(ctx: typer.Context, key_id: _Id, *, as_json: AsJson = False) -> None:
    """Stop accepting a key."""
    _set_status(ctx, key_id, "disabled", as_json=as_json)


@api_keys.verb("enable", example="latchkey api-key enable KEY_ID --local")
def enable(ctx: typer.Context, key_id: _Id, *, as_json: AsJson = False) -> None:
    """Accept a key again."""
    _set_status(ctx, key_id, "active", as_json=as_json)


@api_keys.verb("rotate", example="latchkey api-key rotate KEY_ID --local --overlap 24h > nightly.key")
def rotate(
    ctx: typer.Context,
    key_id: _Id,
    *,
    overlap: Annotated[
        int | None,
        typer.Option(help="How long the old key stays valid: 7d at most, by default not at all.", **DURATION),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one.

    The new key is shown only this once. Without --overlap the old key ends at once.
    """
    path = path_of("api-keys", key_id, "rotate")
    if not overlap:
        confirm(f"The key {key_id} will end at once. --overlap keeps it valid for a while.", yes=yes)
    answer = connect(ctx).post(path, given(overlap_seconds=overlap))
    show_with_secret(answer, "api_key", _CARD, as_json=as_json)


@api_keys.verb("delete", example="latchkey api-key delete KEY_ID --local")
def delete(ctx: typer.Context, key_id: _Id, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a key.

    It is not accepted any more.
    """
    path = _path(key_id)
    confirm(f"The key {key_id} will be deleted.", yes=yes)
    connect(ctx).delete(path)
    say("The key is deleted.", as_json=as_json)


def _set_status(ctx: typer.Context, key_id: str, status: str, *, as_json: bool) -> None:
    show_record(connect(ctx).patch(_path(key_id), {"status": status}), _CARD, as_json=as_json)


def _path(key_id: str) -> str:
    return path_of("api-keys", key_id)
