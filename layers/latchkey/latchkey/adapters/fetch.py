"""One HTTP request under one deadline: the look-up of the name, the connection and the answer together.

The time-out of a socket bounds neither the look-up nor an answer that comes byte by byte. A cold start of an authorizer
waits for this module, so it imports only the standard library's `http.client`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TypeVar
from urllib.parse import SplitResult

from latchkey import __version__
from latchkey.adapters.last_good import Unreadable

_OK = 200
_HEADERS = {
    "Accept": "application/json",
    "Connection": "close",
    "User-Agent": f"latchkey/{__version__}",  # AWS's common rules for firewalls turn away a request without it
}

T = TypeVar("T")


class Line:
    """The socket of one fetch, which another thread may cut, in whatever state TLS and HTTP are."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def hold(self, opened: socket.socket) -> None:
        """Hold a socket, even if its owner wraps or drops it. Raises `TimeoutError` after a cut."""
        with self._lock:
            if self._is_cut:
                opened.close()
                raise TimeoutError
            self._socket = opened.dup()

    def cut(self) -> None:
        """Shut the socket down, now or as soon as there is one."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):  # the other side closed first
                    self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Release the socket."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()


class Reason(str):
    """Why a read has failed, for the log. An exception would keep the thread's sockets alive with its traceback."""

    __slots__ = ()


class PinnedConnection(HTTPConnection):
    """HTTPS to one address, whose certificate must be the host's; plain HTTP without `tls`."""

    default_port = HTTPSConnection.default_port

    def __init__(  # noqa: PLR0913 - as many as a connection has parts
        self, host: str, port: int, address: str, timeout: float, line: Line, *, tls: bool = True
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls = ssl.create_default_context() if tls else None
        self._address = address
        self._line = line

    def connect(self) -> None:
        """Connect to the address, and prove the host's name."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self._line.hold(plain)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain


_TOO_SLOW = Reason("JWKS: too slow")


def within(seconds: float, read: Callable[[Line], T]) -> T:
    """Return the result of a read within that time, or cut it off, even if the source sends slowly.

    Raises `Unreadable`.
    """
    answer: SimpleQueue[T | Reason] = SimpleQueue()
    line = Line()

    def run() -> None:
        try:
            answer.put(read(line))
        except Unreadable as error:
            answer.put(Reason(error))
        except TimeoutError:
            answer.put(_TOO_SLOW)
        except (OSError, HTTPException, ValueError) as error:
            answer.put(Reason(f"JWKS: {type(error).__name__}"))
        finally:
            line.release()

    Thread(target=run, daemon=True).start()
    try:
        outcome = answer.get(timeout=seconds)
    except Empty:
        line.cut()  # otherwise each read would last as long as its source wants
        raise Unreadable(_TOO_SLOW) from None
    if isinstance(outcome, Reason):
        raise Unreadable(outcome)
    return outcome


def exchanged(connection: HTTPConnection, uri: SplitResult, max_bytes: int) -> bytes:
    """Return the body of a JWKS asked for over this connection, which ends with it. Raises `Unreadable`, `OSError`."""
    try:
        target = f"{uri.path or '/'}?{uri.query}" if uri.query else uri.path or "/"
        connection.request("GET", target, headers=_HEADERS)
        with connection.getresponse() as response:
            if response.status != _OK:
                raise Unreadable(f"JWKS: status {response.status}")
            body = response.read(max_bytes + 1)
    finally:
        connection.close()
    if len(body) > max_bytes:
        raise Unreadable(f"JWKS: over {max_bytes} bytes")
    return body
