"""Sign in for the length of one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Lock

import typer

from infra.cli.api import Answer, Api
from infra.cli.errors import BadAnswer, CommandError, NotSignedIn
from infra.cli.problems import Refused
from infra.cli.screen import ask
from infra.cli.targets import LOCAL, TOKEN_VARIABLE, Credentials, Target, find_target
from latchkey.signing.strict_json import StrictJsonError, string_member

_DEVICE = "latchkey command"
"""What the session is called in a list of sessions."""


def connect(ctx: typer.Context) -> tuple[Target, Api]:
    """Return the target of a command and its API, signed in until the command ends."""
    target = find_target(ctx.obj)
    return target, ctx.with_resource(signed_in(target))


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


class LastingSession:
    """A sign-in for a command that may outlive its access token; threads share it.

    Raise `NotSignedIn` where the token was given and has died: nobody here can renew it.
    """

    def __init__(self, target: Target) -> None:
        """Sign in, or take the token that was given."""
        self._target = target
        self._lock = Lock()
        self._credentials = None if target.token else target.credentials or _ask_credentials(target)
        self._refresh_token = ""
        self._api = Api(target.address, target.token, quiet=True)
        self.sign_in_anew()

    def sign_in_anew(self) -> None:
        """Begin another session in place of this one, as what wants a fresh sign-in asks; a given token stays."""
        if self._credentials is not None:
            self.end()
            self._take(_login(self._target, self._credentials))

    def call(self, do: Callable[[Api], Answer]) -> Answer:
        """Do something, and once more with another token if the present one has died."""
        api = self._api
        try:
            return do(api)
        except Refused as refused:
            if refused.problem.status != HTTPStatus.UNAUTHORIZED:
                raise
        self._renew(api)
        return do(self._api)

    def end(self) -> None:
        """End the session, if it is one of ours. One that cannot be ended expires."""
        if self._refresh_token:
            with suppress(CommandError):
                self._api.post("/v1/auth/logout", {})

    def _renew(self, dead: Api) -> None:
        with self._lock:
            if self._api is not dead:
                return  # another thread was faster
            if self._credentials is None:
                raise NotSignedIn(f"{TOKEN_VARIABLE} has expired or was revoked. Set a fresh one, and begin again.")
            tokens = Api(self._target.address, quiet=True).post(
                "/v1/auth/refresh", {"refresh_token": self._refresh_token}
            )
            self._take(tokens)

    def _take(self, tokens: Answer) -> None:
        self._refresh_token = _member(tokens, "refresh_token")
        self._api = Api(self._target.address, _member(tokens, "access_token"), quiet=True)


@contextmanager
def lasting(target: Target) -> Iterator[LastingSession]:
    """Yield a session that lasts as long as the command."""
    session = LastingSession(target)
    try:
        yield session
    finally:
        session.end()


def _sign_in(target: Target) -> str:
    return _member(_login(target, target.credentials or _ask_credentials(target)), "access_token")


def _login(target: Target, credentials: Credentials) -> Answer:
    members = {"login": credentials.login, "password": credentials.password, "device": _DEVICE}
    return Api(target.address).post("/v1/auth/login", members)


def _member(answer: Answer, name: str) -> str:
    try:
        return string_member(answer.members, name)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def _ask_credentials(target: Target) -> Credentials:
    login = ask(f"Login at {target.name}")
    password = ask("Password", hidden=True) if login else None
    if not login or not password:
        way = f"set {TOKEN_VARIABLE}" if target.name != LOCAL else "make an admin by `latchkey init-admin --local`"
        raise NotSignedIn(f"Nobody has signed in: give login and password, or {way}.")
    return Credentials(login, password)
