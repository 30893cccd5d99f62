"""Read HTTP/1.1 requests strictly (RFC 9112): what could be read in two ways is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.local.gateway.messages import Refused, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase

    from infra.local.gateway.messages import Headers

MAX_HEADER = 10_240
"""Bytes of the request line and all header fields together (API Gateway quotas)."""

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a request body (API Gateway quotas)."""

_MAX_CHUNK_LINE = 256
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_TARGET = re.compile(rb"[!-~]+")
_FIELD_VALUE = re.compile(rb"[\t -~\x80-\xff]*")  # RFC 9110 section 5.5, obs-text included
_VERSIONS = {b"HTTP/1.1", b"HTTP/1.0"}
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class ConnectionEnded(Exception):
    """The client went away between two requests."""


@dataclass(slots=True)
class RequestReader:
    """Reads one request after another from a connection.

    `send_continue` is called before a body for which the client waits (RFC 9110 section 10.1.1).
    """

    stream: BufferedIOBase
    peer: str
    send_continue: Callable[[], None]
    _budget: int = field(default=0, init=False)

    def read(self) -> Request:
        """Return the next request. Raise `ConnectionEnded`, or `Refused`: then what follows cannot be trusted."""
        self._budget = MAX_HEADER
        method, target, protocol = self._request_line()
        headers = self._headers()
        path, query = _origin_form(target)
        request = Request(method, path, query, headers, b"", self.peer, protocol)
        _check_host(request)
        body = self._body(request)
        return Request(method, path, query, headers, body, self.peer, protocol)

    def _request_line(self) -> tuple[str, bytes, str]:
        line = self._header_line() or self._header_line()  # an empty line before it is ignored: RFC 9112 section 2.2
        parts = line.split(b" ")
        if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):  # noqa: PLR2004
            raise _malformed("Bad request line")
        if parts[2] not in _VERSIONS:
            raise _malformed("HTTP version not supported")
        return parts[0].decode(), parts[1], parts[2].decode()

    def _headers(self) -> Headers:
        headers = []
        while line := self._header_line():
            name, colon, value = line.partition(b":")
            value = value.strip(b" \t")
            # A folded line starts with a blank, which no name does: RFC 9112 section 5.2.
            if not colon or not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise _malformed("Bad header field")
            headers.append((name.decode(), value.decode("latin-1")))
        return tuple(headers)

    def _header_line(self) -> bytes:
        """Return the next line of the header without its end."""
        line = self.stream.readline(self._budget + 1)
        if not line:
            raise ConnectionEnded
        self._budget -= len(line)
        if self._budget < 0:
            # API Gateway documents the limit but no status for it; 431 is what RFC 6585 has for this case.
            raise Refused("DEFAULT_4XX", "Request header fields too large", 431)
        if not line.endswith(b"\r\n"):
            raise _malformed("Bad line end")
        return line[:-2]

    def _body(self, request: Request) -> bytes:
        length = _content_length(request)
        chunked = _is_chunked(request)
        if chunked and length is not None:
            raise _malformed("Content-Length with Transfer-Encoding")  # RFC 9112 section 6.3: an attack
        if (length or 0) > MAX_BODY:
            raise _too_large()
        if (chunked or length) and (request.header("Expect") or "").lower() == "100-continue":
            self.send_continue()
        return self._chunks() if chunked else self._exactly(length or 0)

    def _exactly(self, length: int) -> bytes:
        data = self.stream.read(length)
        if len(data) < length:
            raise _malformed("The body is shorter than it was said to be")
        return data

    def _chunks(self) -> bytes:
        """Return a chunked body (RFC 9112 section 7.1); its trailers are dropped."""
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MAX_BODY:
                raise _too_large()
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise _malformed("Bad chunk")
        while self._header_line():
            pass
        return bytes(body)

    def _chunk_size(self) -> int:
        line = self.stream.readline(_MAX_CHUNK_LINE)
        found = _CHUNK_SIZE.fullmatch(line.removesuffix(b"\r\n"))
        if not line.endswith(b"\r\n") or found is None:
            raise _malformed("Bad chunk")
        return int(found[1], 16)


def _origin_form(target: bytes) -> tuple[str, str]:
    """Return path and query of a request target in origin or absolute form (RFC 9112 section 3.2)."""
    text = target.decode()
    if text.startswith(("http://", "https://")):
        try:
            parts = urlsplit(text)
        except ValueError:  # an IPv6 address without its end
            raise _malformed("Bad request target") from None
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not text.startswith("/") or "#" in text:
        raise _malformed("Bad request target")
    path, _, query = text.partition("?")
    return path, query


def _check_host(request: Request) -> None:
    hosts = len(request.header_values("Host"))
    if hosts > 1 or (hosts == 0 and request.protocol == "HTTP/1.1"):
        raise _malformed("One Host header expected")  # RFC 9112 section 3.2


def _content_length(request: Request) -> int | None:
    values = request.header_values("Content-Length")
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,18}", values[0]):
        raise _malformed("Bad Content-Length")  # RFC 9112 section 6.3
    return int(values[0])


def _is_chunked(request: Request) -> bool:
    codings = request.header_values("Transfer-Encoding")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise _malformed("Unknown transfer coding")
    return bool(codings)


def _malformed(message: str) -> Refused:
    return Refused("DEFAULT_4XX", message, 400)


def _too_large() -> Refused:
    return Refused("REQUEST_TOO_LARGE", "Request Too Long")
