"""`latchkey signing`: the signing policy and its keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer

from infra.cli import screen
from infra.cli.api import Answer, Api
from infra.cli.arguments import DURATION, AsJson
from infra.cli.errors import BadAnswer, CommandError
from infra.cli.problems import Problem, Refused
from infra.cli.sign_in import connect
from infra.cli.signing import views
from infra.cli.signing.policy import read_policy
from infra.cli.targets import Target
from latchkey.signing.keys import Algorithm
from latchkey.signing.strict_json import StrictJsonError, string_member

commands = typer.Typer(no_args_is_help=True, help="The signing policy: algorithm, lifetimes, keys.")

_POLICY = "/v1/admin/signing"
_ROTATE = f"{_POLICY}/rotate"
_RESET = f"{_POLICY}/reset"
_VALIDATION_KEY = f"{_POLICY}/validation-key"

_ALGORITHM_NOTES = {
    Algorithm.ES256: "API Gateway's own JWT authorizers take RS256 only.",
    Algorithm.EdDSA: "API Gateway's own JWT authorizers take RS256 only.",
    Algorithm.HS256: "Nothing is published: who verifies needs the secret, and who has the secret can mint tokens.",
}


@commands.command()
def show(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the settings and the keys."""
    _, api = connect(ctx)
    answer = api.get(_POLICY)
    if as_json:
        screen.write(answer.text)
    else:
        _show_policy(answer)


@commands.command("set")
def change(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    *,
    algorithm: Annotated[Algorithm | None, typer.Option(help="How the keys made from now on sign.")] = None,
    access_ttl: Annotated[int | None, typer.Option(help="How long an access token lives.", **DURATION)] = None,
    refresh_ttl: Annotated[int | None, typer.Option(help="How long a session lives at most.", **DURATION)] = None,
    refresh_idle_ttl: Annotated[int | None, typer.Option(help="How long an unused one lives.", **DURATION)] = None,
    retry_limit: Annotated[int | None, typer.Option(min=0, help="How many refreshes in a row may be late.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change settings. A DURATION is 900 (seconds), 15m, 24h or 30d."""
    wanted = {
        "algorithm": algorithm and str(algorithm),
        "access_ttl": access_ttl,
        "refresh_ttl": refresh_ttl,
        "refresh_idle_ttl": refresh_idle_ttl,
        "refresh_retry_limit": retry_limit,
    }
    members = {name: value for name, value in wanted.items() if value is not None}
    if not members:
        raise typer.BadParameter("name a setting and its new value", param_hint="set")
    if algorithm in _ALGORITHM_NOTES:
        screen.warn(_ALGORITHM_NOTES[algorithm])
    _change(ctx, members, as_json=as_json)


@commands.command()
def rotate(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Let the next key sign, as soon as every verifier has it."""
    _, api = connect(ctx)
    answer = api.post(_ROTATE, {})
    if as_json:
        screen.write(answer.text)
    else:
        policy, now = read_policy(answer.members), _now()
        screen.show(views.rotation(policy, now), "", views.keys_table(policy, now))


@commands.command()
def reset(
    ctx: typer.Context,
    *,
    end_sessions: Annotated[bool, typer.Option("--end-sessions", help="End every session as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke every key at once, after a leak. What they signed is accepted no more."""
    target, api = connect(ctx)
    confirmation = _announce(api, target, end_sessions=end_sessions)
    if not yes:
        _confirm(target)
    members = {"confirmation_token": confirmation, "understood": True, "end_sessions": end_sessions}
    answer = api.post(_RESET, members)
    if as_json:
        screen.write(answer.text)
    else:
        _show_policy(answer)


@commands.command()
def key(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Print what verifies tokens: the public key in PEM or, for HS256, the secret."""
    _, api = connect(ctx)
    answer = api.get(_VALIDATION_KEY)
    secret = "secret" in answer.members
    if secret:
        screen.warn("this is a secret. Who has it can mint tokens; keep it out of logs and shell history.")
    screen.write(answer.text if as_json else _text(answer.members, "secret" if secret else "pem"))


def _change(ctx: typer.Context, members: Mapping[str, object], *, as_json: bool) -> None:
    _, api = connect(ctx)
    before = api.get(_POLICY)
    answer = api.patch(_POLICY, members)
    if as_json:
        screen.write(answer.text)
    else:
        screen.show(views.changes(read_policy(before.members), read_policy(answer.members), _now()))


def _announce(api: Api, target: Target, *, end_sessions: bool) -> str:
    """Say what a reset will break, and return the token that confirms it."""
    problem = _ask_for_confirmation(api, end_sessions=end_sessions)
    effects = problem.members.get("impact")
    if not isinstance(effects, Mapping):
        raise BadAnswer("bad_member: impact")
    screen.note(views.impact(effects, target.name))
    return _text(problem.members, "confirmation_token")


def _ask_for_confirmation(api: Api, *, end_sessions: bool) -> Problem:
    try:
        api.post(_RESET, {"end_sessions": end_sessions})
    except Refused as refused:
        if refused.problem.code != "confirmation_required":
            raise
        return refused.problem
    raise BadAnswer("the keys were reset without a confirmation")


def _confirm(target: Target) -> None:
    """Ask for the target's name: a habit types `y`, and only who knows which one it is types its name."""
    if screen.ask(f"Type {target.name} to go on") != target.name:
        raise CommandError("Nothing has changed: the reset was not confirmed. --yes does not ask.")


def _show_policy(answer: Answer) -> None:
    screen.show(views.policy_view(read_policy(answer.members), _now()))


def _text(members: Mapping[str, object], name: str) -> str:
    try:
        return string_member(members, name)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def _now() -> int:
    return int(time.time())
