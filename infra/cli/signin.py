"""Sign in for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from infra.cli.api import Api
from infra.cli.errors import BadAnswer, CommandError, NotSignedIn
from infra.cli.screen import ask
from infra.cli.targets import TOKEN_VARIABLE, Credentials, Target
from latchkey.signing.strictjson import StrictJsonError, string_member

_DEVICE = "latchkey command"
"""What the session is called in a list of sessions."""


@contextmanager
def signed_in(target: Target) -> Iterator[Api]:
    """Yield the API of a target, called with an access token: the one given, or one of a session that ends here."""
    if target.token:
        yield Api(target.address, target.token)
        return
    api = Api(target.address, _sign_in(target))
    try:
        yield api
    finally:
        # Whatever became of the command matters more; a session that cannot be ended expires.
        with suppress(CommandError):
            api.post("/v1/auth/logout", {})


def _sign_in(target: Target) -> str:
    credentials = target.credentials or _ask_credentials(target)
    members = {"login": credentials.login, "password": credentials.password, "device": _DEVICE}
    answer = Api(target.address).post("/v1/auth/login", members)
    try:
        return string_member(answer.members, "access_token")
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def _ask_credentials(target: Target) -> Credentials:
    login = ask(f"Login at {target.name}")
    password = ask("Password", hidden=True) if login else None
    if not login or not password:
        raise NotSignedIn(f"Nobody has signed in: give login and password, or set {TOKEN_VARIABLE}.")
    return Credentials(login, password)
