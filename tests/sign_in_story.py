"""What `sam local` must be able to do: register, log in, show the account, refresh, be refused, rotate the keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

ANN = {"login": "ann@example.com", "password": "a quiet river at dawn"}


class Answer(NamedTuple):
    """A status and a JSON document."""

    status: int
    json: Any


class Send(Protocol):
    """Sends one request to the API, with a Bearer token if there is one."""

    def __call__(self, route: str, body: Mapping[str, Any] | None = None, token: str = "") -> Answer:
        """Return the answer to a route such as `POST /v1/auth/login`."""


def tell(send: Send, admin: Mapping[str, str], issuer: str, *, refused: int = 401) -> None:
    """Live through the story, and assert each step. `refused` is the status of a token that is not valid."""
    assert send("POST /v1/user", ANN).status == 201
    tokens = _tokens(send("POST /v1/auth/login", ANN))
    assert send("GET /v1/auth/me", token=tokens["access_token"]).json["login"] == ANN["login"]
    assert send("GET /v1/auth/me", token=_spoilt(tokens["access_token"])).status == refused
    renewed = _tokens(send("POST /v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}))
    assert send("GET /.well-known/openid-configuration").json["issuer"] == issuer
    _rotate(send, admin)
    assert send("GET /v1/hello", token=renewed["access_token"]).status == 200


def _rotate(send: Send, admin: Mapping[str, str]) -> None:
    keys = len(send("GET /.well-known/jwks.json").json["keys"])
    token = _tokens(send("POST /v1/auth/login", admin))["access_token"]
    assert send("POST /v1/admin/signing/rotate", {}, token=token).status == 200
    assert len(send("GET /.well-known/jwks.json").json["keys"]) > keys


def _tokens(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer
    return dict(answer.json)


def _spoilt(token: str) -> str:
    """Return a token with another signature."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature[::-1]}"
