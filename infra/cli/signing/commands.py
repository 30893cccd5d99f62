"""`latchkey signing`: the signing policy and its keys."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated

import typer

from infra.cli.answers import Answer, required_object, required_text
from infra.cli.errors import BadAnswer, NotSignedIn
from infra.cli.grammar import Noun
from infra.cli.options import DURATION, AsJson, Yes, changes
from infra.cli.service.api import Api
from infra.cli.service.paths import path_of
from infra.cli.service.problems import Problem, Refused
from infra.cli.service.sign_in import connect
from infra.cli.service.targets import Options
from infra.cli.signing import views
from infra.cli.signing.policy import read_policy
from infra.cli.terminal import screen
from infra.cli.terminal.questions import confirm, require_confirmable
from latchkey.signing.keys import Algorithm

signing = Noun("The signing policy: algorithm, lifetimes and keys.")

_POLICY, _ROTATE, _RESET = path_of("signing"), path_of("signing", "rotate"), path_of("signing", "reset")
_VALIDATION_KEY = path_of("signing", "validation-key")

_ALGORITHM_NOTES = {
    Algorithm.ES256: "API Gateway's own JWT authorizers accept only RS256.",
    Algorithm.EdDSA: "API Gateway's own JWT authorizers accept only RS256.",
    Algorithm.HS256: "no key is published: verifiers need the secret, and anyone with the secret can mint tokens.",
}


@signing.verb("show", example="latchkey signing show --local")
def show(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the settings and the keys."""
    answer = connect(ctx).get(_POLICY)
    if as_json:
        screen.write(answer.text)
    else:
        _show_policy(answer)


@signing.verb("set", example="latchkey signing set --local --access-ttl 10m")
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    algorithm: Annotated[Algorithm | None, typer.Option(help="The algorithm of the keys created from now on.")] = None,
    access_ttl: Annotated[int | None, typer.Option(help="The life of an access token, at most 1h.", **DURATION)] = None,
    refresh_ttl: Annotated[int | None, typer.Option(help="The longest life of a session.", **DURATION)] = None,
    refresh_idle_ttl: Annotated[int | None, typer.Option(help="The life of an unused session.", **DURATION)] = None,
    retry_limit: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="How many refreshes in a row may be late.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change settings.

    A DURATION is 900 (seconds), 15m, 24h or 30d.
    """
    members = changes(
        algorithm=algorithm and str(algorithm),
        access_ttl=access_ttl,
        refresh_ttl=refresh_ttl,
        refresh_idle_ttl=refresh_idle_ttl,
        refresh_retry_limit=retry_limit,
    )
    if algorithm in _ALGORITHM_NOTES:
        screen.warn(_ALGORITHM_NOTES[algorithm])
    _change(ctx, members, as_json=as_json)


@signing.verb("rotate", example="latchkey signing rotate --local")
def rotate(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Let the next key sign, as soon as every verifier has it."""
    answer = connect(ctx).post(_ROTATE, {})
    if as_json:
        screen.write(answer.text)
    else:
        policy, now = read_policy(answer.members), _now()
        screen.show(views.rotation(policy, now), "", views.keys_table(policy, now, screen.width()))


@signing.verb("reset", example="latchkey signing reset --local --end-sessions")
def reset(
    ctx: typer.Context,
    *,
    end_sessions: Annotated[bool, typer.Option("--end-sessions", help="End every session as well.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Revoke every key at once, after a leak.

    Tokens signed with them are not accepted any more.
    """
    require_confirmable(yes=yes)
    options: Options = ctx.obj
    name = options.require_target()
    api = connect(ctx)
    token = _announce(api, name, end_sessions=end_sessions)
    confirm(yes=yes, word=name)
    members = {"confirmation_token": token, "understood": True, "end_sessions": end_sessions}
    answer = api.post(_RESET, members)
    if as_json:
        screen.write(answer.text)
    else:
        _show_policy(answer)


@signing.verb("validation-key", example="latchkey signing validation-key --local > key.pem")
def validation_key(
    ctx: typer.Context,
    *,
    following: Annotated[bool, typer.Option("--next", help="The key that signs after the next rotation.")] = False,
    as_jwk: Annotated[bool, typer.Option("--jwk", help="As a JWK, in place of PEM or text.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the key that verifies tokens: the public key in PEM or, for HS256, the secret.

    The secret is a text whose bytes are the key: give it to a JWT library as it is, without decoding it. For libraries
    that ask for a JWK, use --jwk. --json prints the keys of now and of the next rotation, in both forms.
    """
    answer = connect(ctx).get(_VALIDATION_KEY)
    key = required_object(answer.members, "next") if following else answer.members
    if _is_shared(key) and "jwk" not in key:
        raise NotSignedIn("The next key is a secret, and you lack the permission signing:read_secret.")
    if as_json:
        text, shown = answer.text, [answer.members, answer.members.get("next")]
    elif as_jwk:
        text, shown = json.dumps(required_object(key, "jwk")), [key]
    else:
        text, shown = required_text(key, "secret" if _is_shared(key) else "pem"), [key]
    if any(map(_is_shared, shown)):
        screen.warn("this is a secret. Anyone with it can mint tokens: keep it out of logs and shell history.")
    screen.write(text)


def _is_shared(key: object) -> bool:
    """Say whether a key, as the API shows it, is a shared secret."""
    return isinstance(key, Mapping) and key.get("alg") == Algorithm.HS256


def _change(ctx: typer.Context, members: Mapping[str, object], *, as_json: bool) -> None:
    api = connect(ctx)
    before = api.get(_POLICY)
    answer = api.patch(_POLICY, members)
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(views.changes(read_policy(before.members), read_policy(answer.members), _now()))


def _announce(api: Api, name: str, *, end_sessions: bool) -> str:
    """Say what a reset will break, and return the token that confirms it."""
    problem = _ask_for_confirmation(api, end_sessions=end_sessions)
    effects = problem.members.get("impact")
    if not isinstance(effects, Mapping):
        raise BadAnswer("bad_member: impact")
    screen.note(views.impact(effects, name))
    return required_text(problem.members, "confirmation_token")


def _ask_for_confirmation(api: Api, *, end_sessions: bool) -> Problem:
    try:
        api.post(_RESET, {"end_sessions": end_sessions})
    except Refused as refused:
        if refused.problem.code != "confirmation_required":
            raise
        return refused.problem
    raise BadAnswer("the keys were reset without a confirmation")


def _show_policy(answer: Answer) -> None:
    screen.show(views.policy_view(read_policy(answer.members), _now(), screen.width()))


def _now() -> int:
    return int(time.time())
