"""Sign in for the length of one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Lock

import typer

from infra.cli.answers import Answer, required_text
from infra.cli.errors import CommandError, NotSignedIn
from infra.cli.service.api import Api
from infra.cli.service.problems import Refused
from infra.cli.service.targets import LOCAL, TOKEN_VARIABLE, Credentials, Target, find_target
from infra.cli.terminal.questions import ask

_DEVICE = "latchkey command"
"""The name of the session in a list of sessions."""

_LOGIN, _LOGOUT, _REFRESH = "/v1/auth/login", "/v1/auth/logout", "/v1/auth/refresh"


def connect(ctx: typer.Context) -> Api:
    """Return the API of a command's target, signed in until the command ends."""
    return ctx.with_resource(signed_in(find_target(ctx.obj)))


@contextmanager
def signed_in(target: Target) -> Iterator[Api]:
    """Yield the API of a target with an access token: the one given, or that of a session that ends here."""
    with Api(target.address) as api:
        if target.token:
            yield api.with_token(target.token)
            return
        tokens = _login(api, target.credentials or _ask_credentials(target))
        session = api.with_token(required_text(tokens.members, "access_token"))
        try:
            yield session
        finally:
            # The outcome of the command matters more; a session that cannot be ended expires.
            with suppress(CommandError):
                session.post(_LOGOUT, {})


class LastingSession:
    """A sign-in for a command that may outlive its access token. Threads may share it.

    Raises `NotSignedIn` where the token was given and has expired: the command cannot renew that.
    """

    def __init__(self, target: Target, api: Api) -> None:
        """Sign in, or take the token that was given."""
        self._anonymous = api
        self._lock = Lock()
        self._credentials = None if target.token else target.credentials or _ask_credentials(target)
        self._refresh_token = ""
        self._api = api.with_token(target.token) if target.token else api
        self.sign_in_again()

    def sign_in_again(self) -> None:
        """Replace the session by a new one, for routes that require a fresh sign-in; a given token stays."""
        if self._credentials is not None:
            self.end()
            self._take(_login(self._anonymous, self._credentials))

    def call(self, do: Callable[[Api], Answer]) -> Answer:
        """Make a call, and once more with a new token if the present one has expired."""
        api = self._api
        try:
            return do(api)
        except Refused as refused:
            if refused.problem.status != HTTPStatus.UNAUTHORIZED:
                raise
        self._renew(api)
        return do(self._api)

    def end(self) -> None:
        """End the session if this command has begun it. A session that cannot be ended expires."""
        if self._refresh_token:
            with suppress(CommandError):
                self._api.post(_LOGOUT, {})

    def _renew(self, expired: Api) -> None:
        with self._lock:
            if self._api is not expired:
                return  # another thread was faster
            if self._credentials is None:
                raise NotSignedIn(f"{TOKEN_VARIABLE} has expired or was revoked. Set a new one, and run this again.")
            self._take(self._anonymous.post(_REFRESH, {"refresh_token": self._refresh_token}))

    def _take(self, tokens: Answer) -> None:
        self._refresh_token = required_text(tokens.members, "refresh_token")
        self._api = self._anonymous.with_token(required_text(tokens.members, "access_token"))


@contextmanager
def lasting(target: Target) -> Iterator[LastingSession]:
    """Yield a session that lasts as long as the command."""
    with Api(target.address, quiet=True) as api:
        session = LastingSession(target, api)
        try:
            yield session
        finally:
            session.end()


def _login(api: Api, credentials: Credentials) -> Answer:
    members = {"login": credentials.login, "password": credentials.password, "device": _DEVICE}
    return api.post(_LOGIN, members)


def _ask_credentials(target: Target) -> Credentials:
    login = ask(f"Login at {target.name}")
    password = ask("Password", hidden=True) if login else None
    if not login or not password:
        way = f"set {TOKEN_VARIABLE}" if target.name != LOCAL else "create an admin with `latchkey init-admin --local`"
        raise NotSignedIn(f"You are not signed in: type login and password, or {way}.")
    return Credentials(login, password)
