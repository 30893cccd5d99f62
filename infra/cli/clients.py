"""`latchkey client`: OAuth clients and services, and their secrets."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.grammar import Noun
from infra.cli.lists import Listing, Part, show_list
from infra.cli.options import AsJson, Cursor, Limit, Yes, changes, given
from infra.cli.results import say, show_record, show_with_secret
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import confirm
from infra.cli.terminal.tables import Columns
from latchkey.core.model import ClientKind, Grant

clients = Noun("OAuth clients and services.")
secrets = Noun("The secrets of a client.")
clients.add_typer(secrets, name="secret")

_CLIENTS = path_of("clients")
_IN_LISTS = {
    "id": "Id",
    "kind": "Kind",
    "name": "Name",
    "status": "Status",
    "roles": "Roles",
    "created_at": "Created",
}
_LISTING = Listing(_CLIENTS, "clients", Columns(_IN_LISTS, spare=("created_at", "roles", "kind", "status")))
_CARD = Columns(
    _IN_LISTS
    | {
        "first_party": "First-party",
        "redirect_uris": "Redirect URIs",
        "scopes": "Scopes",
        "grants": "Grants",
        "secrets": "Secrets (fingerprints)",
    }
)

_OF_THE_TEAM = "An app of your own team: its tokens may do all that their users may do."

_Id = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="The id of the client (cli_…).")]
_Name = Annotated[str, typer.Option(metavar="TEXT", help="A name for people.")]
_OtherName = Annotated[str | None, typer.Option(metavar="TEXT", help="A name for people.")]
_RedirectUris = Annotated[
    list[str] | None, typer.Option("--redirect-uri", metavar="URI", help="A redirect URI; repeat it for several.")
]
_Scopes = Annotated[list[str] | None, typer.Option("--scope", metavar="SCOPE", help="A scope; repeat it for several.")]
_Grants = Annotated[
    list[str] | None,
    typer.Option("--grant", metavar="GRANT", help=f"One of {', '.join(Grant)}; repeat it for several."),
]
_Roles = Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="A role; repeat it for several.")]


@clients.verb("list", example="latchkey client list --local")
def list_clients(ctx: typer.Context, *, limit: Limit = None, cursor: Cursor = None, as_json: AsJson = False) -> None:
    """List clients."""
    show_list(connect(ctx), _LISTING, Part(limit, cursor), as_json=as_json)


@clients.verb("show", example="latchkey client show CLIENT_ID --local")
def show(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Show a client."""
    show_record(connect(ctx).get(_path(client_id)), _CARD, as_json=as_json)


@clients.verb("create", example="latchkey client create --local --kind service --name Reports --role service")
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    kind: Annotated[ClientKind, typer.Option(help="An app without a secret, a server, or a machine.")],
    name: _Name,
    redirect_uris: _RedirectUris = None,
    scopes: _Scopes = None,
    grants: _Grants = None,
    roles: _Roles = None,
    first_party: Annotated[bool, typer.Option("--first-party", help=_OF_THE_TEAM)] = False,
    as_json: AsJson = False,
) -> None:
    """Create a client.

    Its secret, if it has one, is shown only this once.
    """
    lists = given(redirect_uris=redirect_uris, scopes=scopes, grants=grants, roles=roles)
    ours = {"first_party": True} if first_party else {}
    answer = connect(ctx).post(_CLIENTS, {"kind": str(kind), "name": name, **lists, **ours})
    if "client_secret" in answer.members:
        show_with_secret(answer, "client_secret", _CARD, as_json=as_json)
    else:
        show_record(answer, _CARD, as_json=as_json)


@clients.verb("set", example='latchkey client set CLIENT_ID --local --name Reports --scope ""')
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    client_id: _Id,
    *,
    name: _OtherName = None,
    redirect_uris: _RedirectUris = None,
    scopes: _Scopes = None,
    grants: _Grants = None,
    roles: _Roles = None,
    first_party: Annotated[bool | None, typer.Option("--first-party/--no-first-party", help=_OF_THE_TEAM)] = None,
    as_json: AsJson = False,
) -> None:
    """Change a client.

    A list is replaced as a whole. An empty text ("") makes it empty.
    """
    lists = {"redirect_uris": redirect_uris, "scopes": scopes, "grants": grants, "roles": roles}
    members = changes(name=name, first_party=first_party, **lists)
    show_record(connect(ctx).patch(_path(client_id), members), _CARD, as_json=as_json)


@clients.verb("disable", example="latchkey client disable CLIENT_ID --local")
def disable(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Stop a client from getting tokens."""
    _set_status(ctx, client_id, "disabled", as_json=as_json)


@clients.verb("enable", example="latchkey client enable CLIENT_ID --local")
def enable(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Let a client get tokens again."""
    _set_status(ctx, client_id, "active", as_json=as_json)


@clients.verb("delete", example="latchkey client delete CLIENT_ID --local")
def delete(ctx: typer.Context, client_id: _Id, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a client and its API keys."""
    path = _path(client_id)
    confirm(f"The client {client_id} and all its API keys will be deleted.", yes=yes, word=client_id)
    connect(ctx).delete(path)
    say("The client and its API keys are deleted.", as_json=as_json)


@secrets.verb("create", example="latchkey client secret create CLIENT_ID --local > new.secret")
def create_secret(ctx: typer.Context, client_id: _Id, *, as_json: AsJson = False) -> None:
    """Create another secret for a client.

    It is shown only this once. The other secrets of the client stay valid.
    """
    answer = connect(ctx).post(path_of("clients", client_id, "secrets"), {})
    show_with_secret(answer, "client_secret", _CARD, as_json=as_json)


@secrets.verb("delete", example="latchkey client secret delete CLIENT_ID FINGERPRINT --local")
def delete_secret(
    ctx: typer.Context,
    client_id: _Id,
    fingerprint: Annotated[str, typer.Argument(metavar="FINGERPRINT", help="As `client show` lists it.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete a secret of a client.

    The last secret cannot be deleted.
    """
    path = path_of("clients", client_id, "secrets", fingerprint)
    confirm(f"The secret {fingerprint} of the client {client_id} will be deleted.", yes=yes)
    connect(ctx).delete(path)
    say("The secret is deleted.", as_json=as_json)


def _set_status(ctx: typer.Context, client_id: str, status: str, *, as_json: bool) -> None:
    show_record(connect(ctx).patch(_path(client_id), {"status": status}), _CARD, as_json=as_json)


def _path(client_id: str) -> str:
    return path_of("clients", client_id)
