"""HTTP requests and responses as the gateway sees them, and the rejection of a request."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` and `query` are raw and still percent-encoded. `peer` is the address of the TCP peer."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return the last value of a header, in any case, or `None`."""
        values = self.header_values(name)
        return values[-1] if values else None

    def header_values(self, name: str) -> list[str]:
        """Return all values of a header, in any case, in the order in which they were sent."""
        return [value for sent, value in self.headers if sent.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Refused(Exception):
    """The gateway rejects a request. `kind` is the type of the gateway response, `message` is API Gateway's text.

    `status` is for errors without a type of their own, which have the kind `DEFAULT_4XX` or `DEFAULT_5XX`.
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
