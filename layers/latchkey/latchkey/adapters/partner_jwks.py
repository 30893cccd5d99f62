"""The keys that partners publish as a JWKS, fetched from the public internet alone.

An operator enters the URL, and the owner of its host name decides which IP address the name has. So the name is
resolved once, every address of it must be public, and the connection goes to an address that was checked, while TLS
still proves the name. The name server is never asked twice, which prevents DNS rebinding.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

from latchkey.adapters.jwks import UNKNOWN_KID_PAUSE, KeyCache, KeysUnavailable, exchanged, members_of
from latchkey.adapters.last_good import Unreadable
from latchkey.core.partners.store import KeysUnreachable
from latchkey.signing.assertion_keys import AssertionKey, assertion_key_from_jwk
from latchkey.signing.keys import InvalidKey

TIMEOUT = 2.0
"""Seconds for all of it: the name, the connection and the answer."""

MAX_BYTES = 262_144
MAX_KEYS = 100
_MAX_AGE, _LAST_GOOD = 300, 3600
_MOST_PARTNERS = 100
_MOST_REASONS = 3

_UNICAST = ip_network("2000::/3")
_WRAPPED = (ip_network("2002::/16"), ip_network("2001::/23"), ip_network("3fff::/20"))
"""Networks that some releases of Python treat as public, or that can embed a private IPv4 address."""

Address: TypeAlias = IPv4Address | IPv6Address
T = TypeVar("T")
Resolve = Callable[[str, int], list[str]]


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public internet (RFC 6890), in its plain form."""
    if isinstance(address, IPv6Address):
        return address in _UNICAST and address.is_global and not any(address in network for network in _WRAPPED)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PublishedPartnerKeys:
    """Implements `PartnerKeys`. `local` allows plain http to this machine, for a laptop's twin."""

    def __init__(self, clock: Callable[[], float], *, local: bool = False, resolve: Resolve = resolve) -> None:
        self._clock = clock
        self._local = local
        self._resolve = resolve
        self._lock = Lock()
        self._caches: dict[tuple[str, str], KeyCache[AssertionKey]] = {}

    def find(self, jwks_uri: str, kid: str, *, alg: str) -> AssertionKey | None:
        """Return the key of this id. Raises `KeysUnreachable`."""
        try:
            return self._cache(jwks_uri, alg).find(kid)
        except KeysUnavailable as error:
            raise KeysUnreachable(str(error)) from error

    def list(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all usable keys. Raises `KeysUnreachable`."""
        try:
            return self._cache(jwks_uri, alg).list()
        except KeysUnavailable as error:
            raise KeysUnreachable(str(error)) from error

    def read(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all usable keys as they are now. Raises `KeysUnreachable`."""
        try:
            return tuple(self._read(jwks_uri, alg).values())
        except Unreadable as error:
            raise KeysUnreachable(str(error)) from error

    def _cache(self, jwks_uri: str, alg: str) -> KeyCache[AssertionKey]:
        source = (jwks_uri, alg)
        with self._lock:
            if source not in self._caches:
                if len(self._caches) >= _MOST_PARTNERS:
                    self._caches.pop(next(iter(self._caches)))
                self._caches[source] = KeyCache(
                    partial(self._read, jwks_uri, alg),
                    self._clock,
                    _MAX_AGE,
                    last_good=_LAST_GOOD,
                    pause_empty=UNKNOWN_KID_PAUSE,  # anyone can send a token of a partner whose server is down
                )
            return self._caches[source]

    def _read(self, jwks_uri: str, alg: str) -> Mapping[str, AssertionKey]:
        uri = urlsplit(jwks_uri)
        return within(TIMEOUT, lambda line: _keys(exchanged(self._connection(uri, line), uri, MAX_BYTES), alg))

    def _connection(self, uri: SplitResult, line: Line) -> HTTPConnection:
        """Return a connection to the public address of the host."""
        host = uri.hostname or ""
        if self._local and uri.scheme == "http" and host == "127.0.0.1":
            return PinnedConnection(host, uri.port or 80, host, TIMEOUT, line, tls=False)
        if uri.scheme != "https":
            raise Unreadable("JWKS: not https")
        port = uri.port or 443
        addresses = self._resolve(host, port)
        if not addresses or not all(is_public(ip_address(each)) for each in addresses):
            raise Unreadable("JWKS: an address that is not public")
        return PinnedConnection(host, port, addresses[0], TIMEOUT, line)


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


def within(seconds: float, read: Callable[[Line], Mapping[str, T]]) -> Mapping[str, T]:
    """Return the result of a read within that time, or cut it off, even if the source sends slowly.

    Raises `Unreadable`.
    """
    answer: SimpleQueue[Mapping[str, T] | str] = SimpleQueue()
    line = Line()

    def run() -> None:
        try:
            answer.put(read(line))
        except Unreadable as error:
            answer.put(str(error))
        except (OSError, HTTPException, ValueError) as error:
            answer.put(f"JWKS: {type(error).__name__}")
        finally:
            line.release()

    Thread(target=run, daemon=True).start()
    try:
        outcome = answer.get(timeout=seconds)
    except Empty:
        line.cut()  # otherwise each read would last as long as its source wants
        raise Unreadable("JWKS: too slow") from None
    if isinstance(outcome, str):
        raise Unreadable(outcome)
    return outcome


def _keys(body: bytes, alg: str) -> dict[str, AssertionKey]:
    """Return the keys by id. One that is unknown or odd is left out (RFC 7517 section 5)."""
    members = members_of(body)
    if len(members) > MAX_KEYS:
        raise Unreadable(f"JWKS: over {MAX_KEYS} keys")
    found = [_key(member, alg) for member in members]
    keys = [key for key in found if isinstance(key, AssertionKey)]
    if not keys:
        reasons = dict.fromkeys(str(reason) for reason in found)
        raise Unreadable(": ".join(["JWKS: not one key of use", *list(reasons)[:_MOST_REASONS]]))
    return {key.kid: key for key in keys}


def _key(member: object, alg: str) -> AssertionKey | InvalidKey:
    """Return a key, or why it is none. One that names no algorithm has `alg`, or else the usual one of its kind."""
    if not isinstance(member, dict):
        return InvalidKey("no JSON object")
    with suppress(InvalidKey):
        return assertion_key_from_jwk(member, alg=alg)
    try:
        return assertion_key_from_jwk(member)
    except InvalidKey as error:
        return error
