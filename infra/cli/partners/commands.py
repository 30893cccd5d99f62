"""`latchkey partner`: outside systems whose tokens sign their users in."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.grammar import Noun
from infra.cli.lists import Listing, Part, show_list
from infra.cli.options import AsJson, Cursor, Limit, Yes, changes, given
from infra.cli.partners.keys import keys
from infra.cli.partners.views import CARD, IN_LISTS, readable
from infra.cli.results import say, show_record
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal.questions import confirm

partners = Noun("Partners: outside systems whose tokens sign their users in.")
partners.add_typer(keys, name="key")

_LISTING = Listing(path_of("partners"), "partners", IN_LISTS, readable)

_Id = Annotated[str, typer.Argument(metavar="PARTNER_ID", help="The id of the partner (prt_…).")]
_Name = Annotated[str, typer.Option(metavar="TEXT", help="A name for people.")]
_OtherName = Annotated[str | None, typer.Option(metavar="TEXT", help="A name for people.")]
_Audience = Annotated[
    str | None, typer.Option(metavar="TEXT", help="The `aud` of its tokens; by default the issuer of this stack.")
]
_Tenant = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Its tenant or project, where the token profile has one.")
]
_Org = Annotated[str | None, typer.Option(metavar="TEXT", help="The `org` of the tokens that its users get.")]
_JwksUri = Annotated[str | None, typer.Option(metavar="URL", help="The address where it publishes its keys.")]
_Alg = Annotated[
    str | None,
    typer.Option(metavar="ALGORITHM", help="The algorithm of its published keys that name none, such as RS256."),
]
_RoleMap = Annotated[
    list[str] | None,
    typer.Option("--map-role", metavar="THEIRS=OURS", help="A role of theirs and ours; repeat it for several."),
]
_DefaultRoles = Annotated[
    list[str] | None,
    typer.Option("--default-role", metavar="ROLE", help="A role of each of its users; repeat it for several."),
]
_Clients = Annotated[
    list[str] | None,
    typer.Option("--client-id", metavar="CLIENT_ID", help="A client that its users may use; repeat it for several."),
]
_Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="SCOPE", help="A scope that its users may get; repeat it for several."),
]
_AllowMissing = Annotated[
    list[str] | None,
    typer.Option(metavar="CLAIM", help="A claim its tokens may lack: jti, iss, aud, kid, iat; repeat it."),
]
_TokensPerMinute = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="The most tokens to exchange in a minute; 0 is no limit.")
]
_MaxUsers = Annotated[int | None, typer.Option(min=0, metavar="N", help="The most users to create; 0 is no limit.")]
_ProfileUpdates = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Which tokens set name and locale: first or always."),
]
_Managed = Annotated[
    bool | None,
    typer.Option(
        "--managed/--not-managed", help="Whether its links stay when a password is reset by mail, as an employer's do."
    ),
]


@partners.verb("list", example="latchkey partner list --local")
def list_partners(ctx: typer.Context, *, limit: Limit = None, cursor: Cursor = None, as_json: AsJson = False) -> None:
    """List partners."""
    show_list(connect(ctx), _LISTING, Part(limit, cursor), as_json=as_json)


@partners.verb("show", example="latchkey partner show PARTNER_ID --local")
def show(ctx: typer.Context, partner_id: _Id, *, as_json: AsJson = False) -> None:
    """Show a partner."""
    show_record(connect(ctx).get(_path(partner_id)), CARD, as_json=as_json, readable=readable)


@partners.verb("create", example="latchkey partner create --local --name Shop --issuer https://shop.example")
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    name: _Name,
    issuer: Annotated[str, typer.Option(metavar="TEXT", help="The `iss` of its tokens.")],
    token_profile: Annotated[  # --profile is AWS's
        str | None, typer.Option(metavar="PROFILE", help="How its tokens are read: standard, nodul or activepieces.")
    ] = None,
    audience: _Audience = None,
    tenant: _Tenant = None,
    org: _Org = None,
    jwks_uri: _JwksUri = None,
    alg: _Alg = None,
    map_role: _RoleMap = None,
    default_roles: _DefaultRoles = None,
    clients: _Clients = None,
    scopes: _Scopes = None,
    allow_missing: _AllowMissing = None,
    tokens_per_minute: _TokensPerMinute = None,
    max_users: _MaxUsers = None,
    profile_updates: _ProfileUpdates = None,
    managed: _Managed = None,
    as_json: AsJson = False,
) -> None:
    """Create a partner.

    Then give it a key with `partner key create` or `partner key add`.
    """
    members = given(
        name=name,
        issuer=issuer,
        profile=token_profile,
        audience=audience,
        tenant=tenant,
        org=org,
        jwks_uri=jwks_uri,
        alg=alg,
        role_map=_role_map(map_role),
        default_roles=default_roles,
        clients=clients,
        scopes=scopes,
        allow_missing=allow_missing,
        tokens_per_minute=tokens_per_minute,
        max_users=max_users,
        profile_updates=profile_updates,
        managed=managed,
    )
    show_record(connect(ctx).post(_LISTING.path, members), CARD, as_json=as_json, readable=readable)


@partners.verb("set", example='latchkey partner set PARTNER_ID --local --max-users 500 --default-role ""')
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    partner_id: _Id,
    *,
    name: _OtherName = None,
    audience: _Audience = None,
    tenant: _Tenant = None,
    org: _Org = None,
    jwks_uri: _JwksUri = None,
    alg: _Alg = None,
    map_role: _RoleMap = None,
    default_roles: _DefaultRoles = None,
    clients: _Clients = None,
    scopes: _Scopes = None,
    allow_missing: _AllowMissing = None,
    tokens_per_minute: _TokensPerMinute = None,
    max_users: _MaxUsers = None,
    profile_updates: _ProfileUpdates = None,
    managed: _Managed = None,
    as_json: AsJson = False,
) -> None:
    """Change a partner.

    A list is replaced as a whole. An empty text ("") makes it empty.
    """
    members = changes(
        name=name,
        audience=audience,
        tenant=tenant,
        org=org,
        jwks_uri=jwks_uri,
        alg=alg,
        role_map=_role_map(map_role),
        default_roles=default_roles,
        clients=clients,
        scopes=scopes,
        allow_missing=allow_missing,
        tokens_per_minute=tokens_per_minute,
        max_users=max_users,
        profile_updates=profile_updates,
        managed=managed,
    )
    show_record(connect(ctx).patch(_path(partner_id), members), CARD, as_json=as_json, readable=readable)


@partners.verb("disable", example="latchkey partner disable PARTNER_ID --local")
def disable(ctx: typer.Context, partner_id: _Id, *, as_json: AsJson = False) -> None:
    """Stop accepting the tokens of a partner.

    The sessions of its users end at their next refresh.
    """
    _set_status(ctx, partner_id, "disabled", as_json=as_json)


@partners.verb("enable", example="latchkey partner enable PARTNER_ID --local")
def enable(ctx: typer.Context, partner_id: _Id, *, as_json: AsJson = False) -> None:
    """Accept the tokens of a partner again."""
    _set_status(ctx, partner_id, "active", as_json=as_json)


@partners.verb("delete", example="latchkey partner delete PARTNER_ID --local")
def delete(ctx: typer.Context, partner_id: _Id, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a partner.

    The accounts of its users stay, but its tokens do not sign them in any more.
    """
    path = _path(partner_id)
    confirm(f"The partner {partner_id} will be deleted: its users cannot sign in with it.", yes=yes, word=partner_id)
    connect(ctx).delete(path)
    say("The partner is deleted.", as_json=as_json)


def _set_status(ctx: typer.Context, partner_id: str, status: str, *, as_json: bool) -> None:
    answer = connect(ctx).patch(_path(partner_id), {"status": status})
    show_record(answer, CARD, as_json=as_json, readable=readable)


def _path(partner_id: str) -> str:
    return path_of("partners", partner_id)


def _role_map(texts: list[str] | None) -> dict[str, str] | None:
    """Return the role map of THEIRS=OURS texts, which one empty text leaves empty. The last = divides."""
    if not texts:
        return None
    if texts == [""]:
        return {}
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"{text!r} is not THEIRS=OURS", param_hint="--map-role")
    return {theirs: ours for theirs, _, ours in (text.rpartition("=") for text in texts)}
