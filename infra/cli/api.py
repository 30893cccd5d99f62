"""Call the HTTP API: one JSON object out, one back, over verified TLS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPErrorProcessor, HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from infra.cli.errors import BadAnswer, Unreachable
from infra.cli.problems import Refused, read_problem
from infra.cli.screen import WAITING, waiting
from latchkey.signing.strict_json import StrictJsonError, loads

TIMEOUT = 30.0
"""Seconds without a byte; API Gateway itself gives up after 29."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object, as the server wrote it and as Python reads it."""

    text: str
    members: Mapping[str, object]


class Api:
    """The API at one address, with or without an access token."""

    def __init__(self, address: str, token: str | None = None, *, quiet: bool = False) -> None:
        """Take an address with or without a path; raise `Unreachable` where a password would travel in the clear.

        A quiet one does not show that it waits: for callers that show more, and for threads.
        """
        scheme = urlsplit(address).scheme
        if scheme != "https" and not (scheme == "http" and is_loopback(address)):
            raise Unreachable(f"{address} is not an https address.")
        self._address = address.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = _opener(address)
        self._waiting: Callable[[str], AbstractContextManager[object]] = nullcontext if quiet else waiting

    def get(self, path: str, doing: str = WAITING) -> Answer:
        """Read; raise `Refused`, `Unreachable` or `BadAnswer`, as the others do. A terminal shows `doing` meanwhile."""
        return self._call("GET", path, None, doing)

    def post(self, path: str, members: Mapping[str, object]) -> Answer:
        """Do something."""
        return self._call("POST", path, members)

    def patch(self, path: str, members: Mapping[str, object]) -> Answer:
        """Change the members that are named."""
        return self._call("PATCH", path, members)

    def put(self, path: str, members: Mapping[str, object]) -> Answer:
        """Make or replace something."""
        return self._call("PUT", path, members)

    def delete(self, path: str) -> Answer:
        """Take something away."""
        return self._call("DELETE", path, None)

    def _call(self, method: str, path: str, members: Mapping[str, object] | None, doing: str = WAITING) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "latchkey-cli"} | self._authorization
        body = None if members is None else encoded(members)
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(  # noqa: S310 - the constructor has looked at the scheme
            self._address + path, body, headers, method=method
        )
        with self._waiting(doing):
            response, content = self._exchange(request)
        if response.status not in _SUCCESS:
            raise Refused(read_problem(response.status, response.headers, content))
        return read_answer(content)

    def _exchange(self, request: Request) -> tuple[HTTPResponse, bytes]:
        try:
            with cast("HTTPResponse", self._opener.open(request, timeout=TIMEOUT)) as response:
                return response, response.read()
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise Unreachable(f"Cannot reach {self._address}: {reason or type(reason).__name__}") from None


def encoded(members: object) -> bytes:
    """Return JSON as it is sent: in as few bytes as there can be."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


class _AnyStatus(HTTPErrorProcessor):
    """Hand over every answer as it is: errors are ours to read, and a token follows no redirect."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002 - its signature
        """Return the answer."""
        return response

    def https_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        """Return the answer."""
        return self.http_response(request, response)


def is_loopback(address: str) -> bool:
    """Say whether an address is on this machine."""
    return urlsplit(address).hostname in _LOOPBACK


def _opener(address: str) -> OpenerDirector:
    """Return an opener that knows the address's scheme and no other."""
    # A proxy from the environment would see the password of a service on this machine; of any other, only the tunnel.
    proxies: dict[str, str] | None = {} if is_loopback(address) else None
    secure = urlsplit(address).scheme == "https"
    opener = OpenerDirector()
    opener.add_handler(ProxyHandler(proxies))
    opener.add_handler(HTTPSHandler(context=ssl.create_default_context()) if secure else HTTPHandler())
    opener.add_handler(_AnyStatus())
    return opener


def read_answer(content: bytes) -> Answer:
    """Return the object in a body, or an empty one; raise `BadAnswer`."""
    if not content:
        return Answer("", {})
    try:
        members = loads(content)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None
    if not isinstance(members, dict):
        raise BadAnswer("not an object")
    return Answer(content.decode(), members)
