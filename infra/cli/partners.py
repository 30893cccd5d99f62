"""`latchkey partner`: outside systems whose tokens sign their users in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import quote

import typer
from rich.table import Table

from infra.cli import screen
from infra.cli.api import Answer, Api
from infra.cli.arguments import AsJson
from infra.cli.errors import CommandError
from infra.cli.key_pairs import PairAlgorithm, new_pair, write_private
from infra.cli.lists import pages
from infra.cli.records import plain, records
from infra.cli.sign_in import connect
from latchkey.signing.assertion_keys import AssertionAlgorithm, assertion_key_from_pem
from latchkey.signing.keys import PRIVATE_MEMBERS, thumbprint

commands = typer.Typer(no_args_is_help=True, help="Partners: systems whose tokens sign their users in.")

_PARTNERS = "/v1/admin/partners"

_Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="Its id, as `list` shows it.")]
_Many = Annotated[list[str] | None, typer.Option()]
_NONE = ["none"]
_Limit = Annotated[int | None, typer.Option(min=0, help="0 is no limit.")]


@commands.command("list")
def list_all(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List all partners."""
    found: list[dict[str, Any]] = []
    for answer in pages(_api(ctx), _PARTNERS, "partners", limit=None, narrowed={}):
        found += cast("list[dict[str, Any]]", records(answer, "partners"))
    if as_json:
        screen.write(json.dumps({"partners": found}))
        return
    table = Table("ID", "NAME", "STATE", "PROFILE", "KEYS", "ISSUER", box=None, pad_edge=False)
    for each in found:
        keys = each["jwks_uri"] or " ".join(key["kid"] for key in each["keys"])
        cells = each["id"], each["name"], each["state"], each["profile"], keys or "none", each["issuer"]
        table.add_row(*(plain(cell) for cell in cells))
    screen.show(table)


@commands.command()
def show(ctx: typer.Context, partner: _Partner, *, as_json: AsJson = False) -> None:
    """Show a partner."""
    _show(_api(ctx).get(_path(partner)), as_json=as_json)


@commands.command()
def create(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    issuer: Annotated[str, typer.Option(help="What its tokens say under iss.")],
    *,
    token_profile: Annotated[str | None, typer.Option(help="standard, nodul, activepieces; --profile is AWS's")] = None,
    audience: Annotated[str | None, typer.Option(help="What its tokens say under aud; by default our issuer.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Its tenant or project, where the profile has one.")] = None,
    org: Annotated[str | None, typer.Option(help="What our tokens say under org.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="Where it publishes its keys.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="THEIRS=OURS; may be repeated.")] = None,
    default_role: _Many = None,
    client: _Many = None,
    scope: _Many = None,
    allow_missing: Annotated[list[str] | None, typer.Option(help="jti, iss, aud, kid or iat.")] = None,
    tokens_per_minute: _Limit = None,
    max_users: _Limit = None,
    profile_updates: Annotated[str | None, typer.Option(help="first or always.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register a partner; give it a key with `keygen` or `add-key`."""
    wanted = {
        "name": name,
        "issuer": issuer,
        "profile": token_profile,  # --profile is AWS's
        "audience": audience,
        "tenant": tenant,
        "org": org,
        "jwks_uri": jwks_uri,
        "role_map": _pairs(role),
        "default_roles": default_role,
        "clients": client,
        "scopes": scope,
        "allow_missing": allow_missing,
        "tokens_per_minute": tokens_per_minute,
        "max_users": max_users,
        "profile_updates": profile_updates,
    }
    _show(_api(ctx).post(_PARTNERS, _given(wanted)), as_json=as_json)


@commands.command("set")
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    partner: _Partner,
    *,
    name: Annotated[str | None, typer.Option()] = None,
    audience: Annotated[str | None, typer.Option()] = None,
    tenant: Annotated[str | None, typer.Option()] = None,
    org: Annotated[str | None, typer.Option()] = None,
    jwks_uri: Annotated[str | None, typer.Option()] = None,
    role: Annotated[list[str] | None, typer.Option(help="THEIRS=OURS; all of them, as they are to be.")] = None,
    default_role: _Many = None,
    client: _Many = None,
    scope: _Many = None,
    allow_missing: Annotated[list[str] | None, typer.Option(help="jti, iss, aud, kid, iat.")] = None,
    tokens_per_minute: _Limit = None,
    max_users: _Limit = None,
    profile_updates: Annotated[str | None, typer.Option(help="first or always.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change settings; a list that is given replaces the one before, and `none` empties it."""
    wanted = {
        "name": name,
        "audience": audience,
        "tenant": tenant,
        "org": org,
        "jwks_uri": jwks_uri,
        "role_map": {} if role == _NONE else _pairs(role),
        "default_roles": _listed(default_role),
        "clients": _listed(client),
        "scopes": _listed(scope),
        "allow_missing": _listed(allow_missing),
        "tokens_per_minute": tokens_per_minute,
        "max_users": max_users,
        "profile_updates": profile_updates,
    }
    members = _given(wanted)
    if not members:
        raise typer.BadParameter("name a setting and its new value", param_hint="set")
    _show(_api(ctx).patch(_path(partner), members), as_json=as_json)


@commands.command()
def keygen(
    ctx: typer.Context,
    partner: _Partner,
    *,
    alg: Annotated[PairAlgorithm, typer.Option(help="How the partner is to sign.")] = PairAlgorithm.ES256,
    kid: Annotated[str | None, typer.Option(help="The key's id; by default its thumbprint.")] = None,
    out: Annotated[Path | None, typer.Option(help="New file for the private key; by default it is printed.")] = None,
) -> None:
    """Make a pair of keys here, register the public half, and hand out the private one once."""
    private, public = new_pair(alg)
    key = assertion_key_from_pem(public, kid=kid or "unnamed", alg=alg)
    key = replace(key, kid=kid or thumbprint(key.to_jwk()))
    if out is not None:
        write_private(out, private)  # first: a registered key that nobody has would be of no use
    try:
        _api(ctx).post(f"{_path(partner)}/keys", {"jwk": key.to_jwk()})
    except CommandError:
        if out is not None:
            out.unlink()
        raise
    screen.note(f"The key {key.kid} is registered. Its private half is kept nowhere else.")
    if out is None:
        screen.write(private)


@commands.command("add-key")
def add_key(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    partner: _Partner,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The public key: PEM, or a JWK.")],
    *,
    alg: Annotated[AssertionAlgorithm | None, typer.Option(help="How it signs; a JWK may say so itself.")] = None,
    kid: Annotated[str | None, typer.Option(help="Its id; by default its own, or its thumbprint.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register a public key. Several live side by side while a partner goes from one to the next."""
    members = _given({"alg": alg and str(alg), "kid": kid}) | _key_in(file.read_text())
    _show(_api(ctx).post(f"{_path(partner)}/keys", members), as_json=as_json)


@commands.command("remove-key")
def remove_key(ctx: typer.Context, partner: _Partner, kid: Annotated[str, typer.Argument()]) -> None:
    """Take a key away: what it signs is accepted no more."""
    _api(ctx).delete(f"{_path(partner)}/keys/{quote(kid, safe='')}")


@commands.command()
def disable(ctx: typer.Context, partner: _Partner) -> None:
    """Accept no more of its tokens; its sessions end at their next refresh."""
    _api(ctx).patch(_path(partner), {"state": "disabled"})


@commands.command()
def enable(ctx: typer.Context, partner: _Partner) -> None:
    """Accept its tokens again."""
    _api(ctx).patch(_path(partner), {"state": "enabled"})


@commands.command()
def delete(
    ctx: typer.Context,
    partner: _Partner,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a partner for good. Its users stay, without a way in of their own."""
    if not yes and screen.ask(f"Type {partner} to go on") != partner:
        raise CommandError("Nothing has changed: the deletion was not confirmed. --yes does not ask.")
    _api(ctx).delete(_path(partner))


def _api(ctx: typer.Context) -> Api:
    return connect(ctx)[1]


def _path(partner: str) -> str:
    return f"{_PARTNERS}/{quote(partner, safe='')}"


def _given(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _listed(texts: list[str] | None) -> list[str] | None:
    return [] if texts == _NONE else texts


def _pairs(texts: list[str] | None) -> dict[str, str] | None:
    if texts is None:
        return None
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"{text} is not THEIRS=OURS", param_hint="--role")
    return {theirs: ours for theirs, _, ours in (text.rpartition("=") for text in texts)}


def _key_in(text: str) -> dict[str, object]:
    """Return the member that a file is: a JWK where it begins as JSON does, else PEM."""
    if not text.lstrip().startswith("{"):
        _require_public("PRIVATE KEY" not in text)
        return {"pem": text}
    try:
        jwk = json.loads(text)
    except ValueError:
        raise typer.BadParameter("neither PEM nor a JWK", param_hint="FILE") from None
    _require_public(jwk.keys().isdisjoint(PRIVATE_MEMBERS))
    return {"jwk": jwk}


def _require_public(is_public: object) -> None:
    if not is_public:
        raise typer.BadParameter("a private key: the partner keeps that, and it is not sent", param_hint="FILE")


def _show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        screen.write(answer.text)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in answer.members.items():
        table.add_row(plain(name), plain(_in_words(name, value)))
    screen.show(table)


def _in_words(name: str, value: object) -> str:
    match value:
        case list() if name == "keys":
            return ", ".join(f"{key['kid']} ({key['alg']})" for key in value) or "none"
        case list():
            return " ".join(map(str, value)) or "none"
        case dict():
            return " ".join(f"{theirs}={ours}" for theirs, ours in value.items()) or "none"
        case _:
            return str(value)
