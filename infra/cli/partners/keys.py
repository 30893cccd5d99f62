"""`latchkey partner key`: the keys that a partner signs its tokens with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import CommandError
from infra.cli.grammar import Noun
from infra.cli.options import AsJson, Yes, given
from infra.cli.partners.key_pairs import PairAlgorithm, new_pair, write_private
from infra.cli.partners.views import CARD, readable
from infra.cli.results import say, show_record
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import connect
from infra.cli.terminal import screen
from infra.cli.terminal.questions import confirm
from latchkey.signing.assertion_keys import AssertionAlgorithm, assertion_key_from_pem
from latchkey.signing.keys import PRIVATE_MEMBERS, thumbprint

keys = Noun("The keys that a partner signs its tokens with.")

_Id = Annotated[str, typer.Argument(metavar="PARTNER_ID", help="The id of the partner (prt_…).")]


@keys.verb("create", example="latchkey partner key create PARTNER_ID --local --out partner.pem")
def create(
    ctx: typer.Context,
    partner_id: _Id,
    *,
    alg: Annotated[PairAlgorithm, typer.Option(help="The algorithm that the partner signs with.")] = (
        PairAlgorithm.ES256
    ),
    kid: Annotated[
        str | None, typer.Option(metavar="KID", help="The id of the key; by default its thumbprint.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file for the private key; by default it is printed.")
    ] = None,
) -> None:
    """Create a key pair on this machine and register its public half.

    The private half is shown only this once.
    """
    path = _path(partner_id)
    private, public = new_pair(alg)
    key = assertion_key_from_pem(public, kid=kid or "unnamed", alg=alg)
    key = replace(key, kid=kid or thumbprint(key.to_jwk()))
    api = connect(ctx)
    if out is not None:
        write_private(out, private)  # first: a registered key whose private half is lost would be of no use
    try:
        api.post(path, {"jwk": key.to_jwk()})
    except CommandError:
        if out is not None:
            out.unlink()
        raise
    screen.note(f"The key {key.kid} is registered. Its private half is stored nowhere else.")
    if out is None:
        screen.write(private)


@keys.verb("add", example="latchkey partner key add PARTNER_ID public.pem --local --alg ES256")
def add(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    partner_id: _Id,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="The public key, as PEM or as a JWK.")
    ],
    *,
    alg: Annotated[
        AssertionAlgorithm | None, typer.Option(help="The algorithm that it signs with, if the JWK does not say so.")
    ] = None,
    kid: Annotated[
        str | None, typer.Option(metavar="KID", help="The id of the key; by default the JWK's own, or its thumbprint.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register a public key that the partner has created.

    A partner can have several keys, so that it can change from one to the next.
    """
    path = _path(partner_id)
    members = given(alg=alg and str(alg), kid=kid) | _key_in(file.read_text(errors="replace"))
    show_record(connect(ctx).post(path, members), CARD, as_json=as_json, readable=readable)


@keys.verb("delete", example="latchkey partner key delete PARTNER_ID KID --local")
def delete(
    ctx: typer.Context,
    partner_id: _Id,
    kid: Annotated[str, typer.Argument(metavar="KID", help="As `partner show` lists it.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete a key.

    Tokens signed with it are not accepted any more.
    """
    path = path_of("partners", partner_id, "keys", kid)
    confirm(f"The key {kid} of the partner {partner_id} will be deleted.", yes=yes)
    connect(ctx).delete(path)
    say("The key is deleted.", as_json=as_json)


def _path(partner_id: str) -> str:
    return path_of("partners", partner_id, "keys")


def _key_in(text: str) -> dict[str, object]:
    """Return the member of the request that a file holds: a JWK if it begins as JSON does, else PEM."""
    if not text.lstrip().startswith("{"):
        _require_public("PRIVATE KEY" not in text)
        return {"pem": text}
    try:
        jwk = json.loads(text)
    except ValueError:
        raise typer.BadParameter("it is neither PEM nor a JWK", param_hint="FILE") from None
    _require_public(jwk.keys().isdisjoint(PRIVATE_MEMBERS))
    return {"jwk": jwk}


def _require_public(is_public: object) -> None:
    if not is_public:
        raise typer.BadParameter("it holds a private key, which the partner keeps; it was not sent", param_hint="FILE")
