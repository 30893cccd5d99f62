"""People for the end-to-end tests: each test has its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.e2e.client import Response, RunningTwin

PASSWORD = "a quiet river at dawn"
_NUMBERS = count(1)


@dataclass(slots=True)
class Person:
    """A person with an account, and the newest tokens that they got."""

    twin: RunningTwin
    login: str
    tokens: dict[str, Any]

    @property
    def bearer(self) -> dict[str, str]:
        """The Authorization header."""
        return bearer(self.tokens["access_token"])

    def refresh(self) -> dict[str, Any]:
        """Refresh, keep the new tokens and return them."""
        answer = refresh(self.twin, self.tokens["refresh_token"])
        assert answer.status == 200, answer.body
        self.tokens = answer.json
        return self.tokens

    def me(self) -> Response:
        """Request the person's own account."""
        return self.twin.call("GET", "/v1/auth/me", headers=self.bearer)


def bearer(token: str) -> dict[str, str]:
    """Return an Authorization header."""
    return {"Authorization": f"Bearer {token}"}


def refresh(twin: RunningTwin, token: str) -> Response:
    """Present a refresh token."""
    return twin.call("POST", "/v1/auth/refresh", json={"refresh_token": token})


def new_login() -> str:
    """Return a login that is free."""
    return f"person{next(_NUMBERS)}@example.com"


def person(twin: RunningTwin) -> Person:
    """Register a new person and sign in."""
    login = new_login()
    registered = twin.call("POST", "/v1/user", json={"login": login, "password": PASSWORD})
    assert registered.status == 201, registered.body
    return sign_in(twin, login)


def sign_in(twin: RunningTwin, login: str, password: str = PASSWORD) -> Person:
    """Sign in with an account that is there."""
    answer = twin.call("POST", "/v1/auth/login", json={"login": login, "password": password})
    assert answer.status == 200, answer.body
    return Person(twin, login, answer.json)


def admin(twin: RunningTwin) -> Person:
    """Sign in as the seeded admin."""
    return sign_in(twin, twin.dev["admin"]["login"], twin.dev["admin"]["password"])
