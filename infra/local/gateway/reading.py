"""Read HTTP/1.1 requests with h11, within API Gateway's limits.

h11 accepts a few things that another server may read differently. Such a difference lets one request hide inside
another (request smuggling), so this module rejects them: RFC 9112 sections 2.2, 3.2.2, 5.2, 6.1, 6.3 and 7.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import h11

from infra.local.gateway.messages import Refused, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

MAX_HEADER = 10_240
"""Bytes of the request line and all header fields together (API Gateway quotas)."""

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a request body (API Gateway quotas)."""

_END_OF_LINE = b"\r\n"
_END_OF_CHUNKS = b"\r\n\r\n"
_CONTINUE = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
_VERSIONS = frozenset({b"1.0", b"1.1"})
_CONTROL_CHARACTER_OR_FOLDED_LINE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r\n[ \t]")
_CONTENT_LENGTHS = re.compile(rb"(?i)\r\nContent-Length:([^\r]*)")


class ConnectionEnded(Exception):
    """The client closed the connection between two requests."""


@dataclass(slots=True)
class RequestReader:
    """Reads one request after another from a connection.

    `send` sends `100 Continue` to a client that waits for it before it sends a body (RFC 9110 section 10.1.1).
    """

    stream: BufferedReader
    peer: str
    send: Callable[[bytes], object]
    _budget: int = field(default=0, init=False)

    def read(self) -> Request:
        """Return the next request. Raise `ConnectionEnded`, or `Refused`: then what follows cannot be trusted."""
        head = self._head()
        # Each request has an h11 connection of its own, so that the next head is checked here before h11 sees it.
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER)
        try:
            connection.receive_data(head)
            received = cast("h11.Request", connection.next_event())
            path, query = _origin_form(received)
            return Request(
                method=received.method.decode(),
                path=path,
                query=query,
                headers=tuple((name.decode(), value.decode("latin-1")) for name, value in received.headers.raw_items()),
                body=self._body(connection, head, received),
                peer=self.peer,
                protocol=f"HTTP/{received.http_version.decode()}",
            )
        except h11.RemoteProtocolError as error:
            raise _malformed("Malformed request") from error

    def _head(self) -> bytes:
        """Return the request line and the header fields, with the empty line that ends them."""
        self._budget = MAX_HEADER
        lines = [self._line()]
        if lines == [_END_OF_LINE]:
            lines = [self._line()]  # RFC 9112 section 2.2: ignore an empty line before the request line
        while lines[-1] != _END_OF_LINE:
            lines.append(self._line())
        head = b"".join(lines)
        if _CONTROL_CHARACTER_OR_FOLDED_LINE.search(head):
            raise _malformed("Bad header field")
        return head

    def _line(self) -> bytes:
        line = self.stream.readline(self._budget + 1)
        if not line:
            raise ConnectionEnded
        self._budget -= len(line)
        if self._budget < 0:
            # API Gateway documents the limit but no status for it. RFC 6585 defines 431 for this case.
            raise Refused("DEFAULT_4XX", "Request header fields too large", 431)
        if not line.endswith(_END_OF_LINE):
            raise _malformed("Bad line end")
        return line

    def _body(self, connection: h11.Connection, head: bytes, received: h11.Request) -> bytes:
        length, chunked = _framing(head, received)
        if length > MAX_BODY:
            raise _too_large()
        body, block, end = bytearray(), b"", b""
        if not length and not chunked:
            return b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise _too_large()
            else:
                end = (end + self.stream.read(len(block)))[-len(_END_OF_CHUNKS) :]
                block = self._feed(connection)
        rest, _ = connection.trailing_data
        end += self.stream.read(len(block) - len(rest))
        if chunked and not end.endswith(_END_OF_CHUNKS):
            raise _malformed("Bad chunk")  # h11 lets a line feed alone end the chunks
        return bytes(body)

    def _feed(self, connection: h11.Connection) -> bytes:
        """Give h11 what has arrived, and return it. It stays in the stream: part of it may be the next request."""
        if connection.they_are_waiting_for_100_continue:
            self.send(connection.send(_CONTINUE))
        block = self.stream.peek()
        connection.receive_data(block)
        return block


def _origin_form(received: h11.Request) -> tuple[str, str]:
    """Return path and query of a request target in origin or absolute form (RFC 9112 section 3.2)."""
    text = received.target.decode()
    if text.startswith(("http://", "https://")):
        try:
            parts = urlsplit(text)
        except ValueError:  # an IPv6 address without its end
            raise _malformed("Bad request target") from None
        if parts.netloc.lower().encode() != dict(received.headers).get(b"host", b"").lower():
            raise _malformed("The request target names another host than the Host header")
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not text.startswith("/") or "#" in text:
        raise _malformed("Bad request target")
    path, _, query = text.partition("?")
    return path, query


def _framing(head: bytes, received: h11.Request) -> tuple[int, bool]:
    """Return the length of the body in bytes, and whether it is chunked instead (RFC 9112 section 6.3)."""
    if received.http_version not in _VERSIONS:
        raise _malformed("HTTP version not supported")
    lengths = _CONTENT_LENGTHS.findall(head)
    chunked = b"transfer-encoding" in dict(received.headers)
    if len(lengths) > 1 or b"," in b"".join(lengths):
        raise _malformed("Bad Content-Length")  # h11 takes one length that is said twice
    if chunked and (lengths or received.http_version == b"1.0"):
        raise _malformed("Content-Length or HTTP/1.0 with Transfer-Encoding")
    return int(lengths[0]) if lengths else 0, chunked


def _malformed(message: str) -> Refused:
    return Refused("DEFAULT_4XX", message, 400)


def _too_large() -> Refused:
    return Refused("REQUEST_TOO_LARGE", "Request Too Long")
