"""Read HTTP/1.1 requests with h11, within API Gateway's limits.

h11 accepts a few things that another server may read differently. Such a difference lets one request hide inside
another (request smuggling), so this module rejects them: RFC 9112 sections 2.2, 3.2.2, 5.2, 6.1, 6.3 and 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass
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
_CONTROL_CHARACTERS = bytes({*range(0x20), 0x7F} - {*b"\t\r\n"})


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

    def read(self) -> Request:
        """Return the next request. Raise `ConnectionEnded`, or `Refused`: then what follows cannot be trusted."""
        head = self._head()
        # Each request has an h11 connection of its own, so that the next head is checked here before h11 sees it.
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER)
        try:
            connection.receive_data(head)
            received = cast("h11.Request", connection.next_event())
            if received.http_version not in _VERSIONS:
                raise _malformed("HTTP version not supported")
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
        head = self._line(MAX_HEADER)
        if head == _END_OF_LINE:
            head = self._line(MAX_HEADER)  # RFC 9112 section 2.2: ignore an empty line before the request line
        line = head
        while line != _END_OF_LINE:
            line = self._line(MAX_HEADER - len(head))
            head += line
        if len(head.translate(None, _CONTROL_CHARACTERS)) < len(head) or b"\r\n " in head or b"\r\n\t" in head:
            raise _malformed("Control character or folded line")  # RFC 9110 section 5.5, RFC 9112 section 5.2
        return head

    def _line(self, limit: int) -> bytes:
        """Return the next line with its end. `limit` is in bytes."""
        line = self.stream.readline(limit + 1)
        if not line:
            raise ConnectionEnded
        if len(line) > limit:
            # API Gateway documents the limit but no status for it. RFC 6585 defines 431 for this case.
            raise Refused("DEFAULT_4XX", "Request header fields too large", 431)
        if not line.endswith(_END_OF_LINE):
            raise _malformed("Bad line end")
        return line

    def _body(self, connection: h11.Connection, head: bytes, received: h11.Request) -> bytes:
        length, chunked = _framing(head, received)
        if length > MAX_BODY:
            raise _too_large()
        return self._from_h11(connection, chunked=chunked) if length or chunked else b""

    def _from_h11(self, connection: h11.Connection, *, chunked: bool) -> bytes:
        body, block, end = bytearray(), b"", b""
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
        if not any(
            name == b"host" and value.lower() == parts.netloc.lower().encode() for name, value in received.headers
        ):
            raise _malformed("The request target and the Host header name different hosts")
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not text.startswith("/") or "#" in text:
        raise _malformed("Bad request target")
    path, _, query = text.partition("?")
    return path, query


def _framing(head: bytes, received: h11.Request) -> tuple[int, bool]:
    """Return the length of the body in bytes, and whether it is chunked instead (RFC 9112 section 6.3)."""
    fields = head.lower()
    chunked = b"\r\ntransfer-encoding:" in fields
    _, counted, rest = fields.partition(b"\r\ncontent-length:")
    length = rest.partition(_END_OF_LINE)[0].strip(b" \t") if counted else b"0"
    if not length.isdigit() or b"\r\ncontent-length:" in rest:
        raise _malformed("Bad Content-Length")  # h11 accepts a list of equal lengths
    if chunked and (counted or received.http_version == b"1.0"):
        raise _malformed("Transfer-Encoding with Content-Length, or in HTTP/1.0")
    return int(length), chunked


def _malformed(message: str) -> Refused:
    return Refused("DEFAULT_4XX", message, 400)


def _too_large() -> Refused:
    return Refused("REQUEST_TOO_LARGE", "Request Too Long")
