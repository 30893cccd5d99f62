"""Call the HTTP API: one JSON object out, one back, over verified TLS."""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from infra.cli.answers import Answer, read_answer
from infra.cli.errors import BadAnswer, Unreachable
from infra.cli.service.problems import Refused, read_problem
from infra.cli.terminal.screen import WAITING, waiting
from latchkey.signing.base64url import b64url_decode
from latchkey.signing.strict_json import loads, string_member

if TYPE_CHECKING:
    import httpx

TIMEOUT = 30.0
"""Seconds without a byte; API Gateway itself gives up after 29."""

MAX_ANSWER = 10 * 1024 * 1024
"""Bytes of an answer at most: API Gateway hands on no more."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SUCCESS = range(200, 300)


class Api:
    """The API at one address, with or without an access token. Its calls share connections; threads may share it."""

    def __init__(self, address: str, *, quiet: bool = False) -> None:
        """Take an address with or without a path; raise `Unreachable` where a password would travel in the clear.

        A quiet API does not show that it waits: for callers that show more, and for threads.
        """
        scheme = urlsplit(address).scheme
        if scheme != "https" and not (scheme == "http" and is_loopback(address)):
            raise Unreachable(f"{address} is not an https address.")
        self._address = address.rstrip("/")
        self._authorization: Mapping[str, str] = {}
        self._client = _client(address)
        self._waiting: Callable[[str], AbstractContextManager[object]] = nullcontext if quiet else waiting

    def __enter__(self) -> Self:
        """Open nothing yet: the first call connects."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections, those of every API made by `with_token` too."""
        self._client.close()

    def with_token(self, token: str) -> Self:
        """Return this API, called with an access token over the same connections."""
        other = copy.copy(self)
        other._authorization = {"Authorization": f"Bearer {token}"}  # noqa: SLF001 - a copy of our own
        return other

    @property
    def caller(self) -> str:
        """The subject that the access token names, or nothing.

        The token is not verified, so this may decide whether to ask, and nothing else.
        """
        try:
            claims = loads(b64url_decode(self._authorization["Authorization"].split(".")[1]))
            return string_member(claims, "sub") if isinstance(claims, dict) else ""
        except (LookupError, ValueError):
            return ""

    def get(self, path: str, doing: str = WAITING) -> Answer:
        """Read; raise `Refused`, `Unreachable` or `BadAnswer`, as the others do. A terminal shows `doing` meanwhile."""
        return self._call("GET", path, None, doing)

    def post(self, path: str, members: Mapping[str, object]) -> Answer:
        """Create something, or act."""
        return self._call("POST", path, members)

    def patch(self, path: str, members: Mapping[str, object]) -> Answer:
        """Change the members that are named."""
        return self._call("PATCH", path, members)

    def put(self, path: str, members: Mapping[str, object]) -> Answer:
        """Create or replace something."""
        return self._call("PUT", path, members)

    def delete(self, path: str) -> Answer:
        """Delete something."""
        return self._call("DELETE", path, None)

    def _call(self, method: str, path: str, members: Mapping[str, object] | None, doing: str = WAITING) -> Answer:
        body = None if members is None else encoded(members)
        kind = {} if body is None else {"Content-Type": "application/json"}
        with self._waiting(doing):
            response, content = self._exchange(method, path, {**self._authorization, **kind}, body)
        if response.status_code not in _SUCCESS:
            raise Refused(read_problem(response.status_code, response.headers, content))
        return read_answer(content)

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[httpx.Response, bytes]:
        import httpx

        try:
            with self._client.stream(method, self._address + path, headers=headers, content=body) as response:
                return response, _bounded(response.iter_raw())
        except (httpx.TransportError, httpx.InvalidURL) as error:
            advice = " Is `make run` still running?" if is_loopback(self._address) else ""
            raise Unreachable(f"Cannot reach {self._address}: {str(error) or type(error).__name__}.{advice}") from None


def encoded(members: object) -> bytes:
    """Return JSON as it is sent: in as few bytes as possible."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def is_loopback(address: str) -> bool:
    """Say whether an address is on this machine."""
    return urlsplit(address).hostname in _LOOPBACK


def _client(address: str) -> httpx.Client:
    """Return a client with a pool of connections, which follows no redirect: a token goes to no other place."""
    import httpx  # a tenth of a second, which neither `--help` nor wrong usage should cost

    try:
        return httpx.Client(
            verify=_tls(address),
            proxy=_proxy(address),
            trust_env=False,
            timeout=TIMEOUT,
            follow_redirects=False,
            # Without an encoding: it would let a short answer grow beyond every bound.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "latchkey-cli"},
        )
    except (httpx.InvalidURL, ValueError):
        raise _bad_proxy() from None


def _tls(address: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities of this machine, or `SSL_CERT_FILE`, and no list of httpx's own."""
    secure = urlsplit(address).scheme == "https"
    # Without TLS nothing is verified; a context that trusts nothing takes no time to make.
    return ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(address: str) -> str | None:
    """Return the proxy that the environment names for an address; raise `Unreachable` for one of an unknown kind.

    A proxy would see the password of a service on this machine; of any other service it sees only the tunnel.
    """
    parts = urlsplit(address)
    if is_loopback(address) or proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
        raise _bad_proxy()
    return proxy or None


def _bad_proxy() -> Unreachable:
    # Its address may hold a password, so it is not repeated.
    return Unreachable("HTTPS_PROXY is not the address of an http or https proxy.")


def _bounded(chunks: Iterator[bytes]) -> bytes:
    """Return a body; raise `BadAnswer` as soon as it is longer than any answer of ours."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_ANSWER:
            raise BadAnswer(f"it is longer than {MAX_ANSWER} bytes")
    return bytes(content)
