"""Serve HTTP/1.1 on a port, with one thread for each connection."""

from __future__ import annotations

import socket
import socketserver
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

from infra.local.gateway.messages import Refused, Response
from infra.local.gateway.reading import ConnectionEnded, RequestReader

if TYPE_CHECKING:
    from io import BufferedReader

    from infra.local.gateway.messages import Request

IDLE = 75.0
"""Seconds after which a connection without traffic is closed."""

LINGER = 2.0
"""Seconds for which a rejected client may go on sending. Closing at once could lose the response."""

_BLOCK = 65_536
_OWN_HEADERS = frozenset({"connection", "content-length", "date", "transfer-encoding", "keep-alive"})


class Application(Protocol):
    """Answers requests."""

    def __call__(self, request: Request) -> Response:
        """Answer one request."""

    def refuse(self, refused: Refused) -> Response:
        """Answer a client whose bytes are not a valid request."""


class PortInUse(OSError):
    """Another process listens on this port."""


class Server(socketserver.ThreadingTCPServer):
    """A server that binds its port at once and answers as soon as it has an application."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    # With the default of five, the sixth of a burst of connections waits for a whole second.
    request_queue_size = 1024

    def __init__(self, host: str, port: int) -> None:
        """Bind the port. A port of 0 means any free port. Raise `PortInUse`."""
        self.application: Application | None = None
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Connection)
        except OSError as error:
            raise PortInUse(error.errno, error.strerror) from error

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self.server_address[1])

    def serve(self, application: Application) -> None:
        """Answer requests with the application until `shutdown`."""
        self.application = application
        self.serve_forever(poll_interval=0.02)


class _Connection(socketserver.StreamRequestHandler):
    """One connection. Its requests are answered one after another."""

    timeout = IDLE
    disable_nagle_algorithm = True
    rbufsize = _BLOCK

    def handle(self) -> None:
        """Answer until the client ends the connection or sends a bad request."""
        reader = RequestReader(cast("BufferedReader", self.rfile), self.client_address[0], self.wfile.write)
        with suppress(ConnectionEnded, ConnectionError, TimeoutError):
            while self._answer_next(reader):
                pass

    @property
    def _application(self) -> Application:
        return cast("Application", cast("Server", self.server).application)

    def _answer_next(self, reader: RequestReader) -> bool:
        """Answer one request. Return whether the connection stays open."""
        try:
            request = reader.read()
        except Refused as refused:
            self._write(self._application.refuse(refused), keep=False, bodiless=False)
            self._linger()
            return False
        began = time.perf_counter()
        response = self._application(request)
        _log(request, response, time.perf_counter() - began)
        keep = _keeps_alive(request)
        self._write(response, keep=keep, bodiless=request.method == "HEAD")
        return keep

    def _write(self, response: Response, *, keep: bool, bodiless: bool) -> None:
        self.wfile.write(serialize(response, keep=keep, bodiless=bodiless))

    def _linger(self) -> None:
        """Discard what a client is still sending, so that it can read the response (RFC 9112 section 9.6)."""
        self.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER
        while (left := deadline - time.monotonic()) > 0:
            self.connection.settimeout(left)
            if not self.connection.recv(_BLOCK):
                break


def serialize(response: Response, *, keep: bool, bodiless: bool) -> bytes:
    """Return the bytes of a response."""
    has_body = response.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
    headers = [(name, value) for name, value in response.headers if name.lower() not in _OWN_HEADERS]
    headers.append(("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())))
    headers.append(("Connection", "keep-alive" if keep else "close"))
    if has_body:
        headers.append(("Content-Length", str(len(response.body))))
    lines = [f"HTTP/1.1 {response.status} {_reason(response.status)}", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head if bodiless or not has_body else head + response.body


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _keeps_alive(request: Request) -> bool:
    wishes = (request.header("Connection") or "").lower()
    return "keep-alive" in wishes if request.protocol == "HTTP/1.0" else "close" not in wishes


def _log(request: Request, response: Response, seconds: float) -> None:
    """Write one line to the terminal, without the query, because a query can hold a code."""
    sys.stderr.write(f"{request.method} {request.path} {response.status} {seconds * 1000:.0f} ms\n")
