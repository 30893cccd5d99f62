"""An HTTP request and an HTTP answer, as the gateway sees them, and the refusal of a request."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` and `query` are raw, still percent-encoded; `peer` is the address of the TCP peer."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return the last value of a header, whatever its case; `None` when it was not sent."""
        values = self.header_values(name)
        return values[-1] if values else None

    def header_values(self, name: str) -> list[str]:
        """Return all values of a header in the order sent, whatever its case."""
        return [value for sent, value in self.headers if sent.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Refused(Exception):
    """The gateway answers by itself. `kind` is a type of gateway response, `message` the text API Gateway gives it.

    `status` is for errors without a type of their own, which use `DEFAULT_4XX` and `DEFAULT_5XX`.
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
