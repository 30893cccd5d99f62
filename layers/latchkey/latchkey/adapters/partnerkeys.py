"""The keys that partners publish as a JWKS, fetched from the public internet alone.

An operator types the address, and whoever owns its name decides where that leads. So the name is resolved once, every
address it has must be public, and the connection goes to the very address that was looked at, while TLS still proves
the name: a second answer of the name server (DNS rebinding) is never asked for.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from latchkey.adapters.jwks import KeyCache, KeysUnavailable, exchanged, members_of
from latchkey.adapters.lastgood import Unreadable
from latchkey.core.ports import KeysUnreachable
from latchkey.signing.assertionkeys import AssertionKey, assertion_key_from_jwk
from latchkey.signing.keys import InvalidKey

TIMEOUT = 2.0
"""Seconds for all of it: the name, the connection and the answer."""

MAX_BYTES = 262_144
MAX_KEYS = 100
_MAX_AGE = 300
_MOST_PARTNERS = 100

_UNICAST = ip_network("2000::/3")
_WRAPPED = (ip_network("2002::/16"), ip_network("2001::/23"), ip_network("3fff::/20"))
"""What Python takes for public, in one release or another, and what may stand for an IPv4 address that is not."""

Address: TypeAlias = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet (RFC 6890), spelled plainly."""
    if isinstance(address, IPv6Address):
        return address in _UNICAST and address.is_global and not any(address in network for network in _WRAPPED)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PublishedPartnerKeys:
    """Implements `latchkey.core.ports.PartnerKeys`. `local` allows plain http to this machine, for a laptop's twin."""

    def __init__(self, clock: Callable[[], float], *, local: bool = False, resolve: Resolve = resolve) -> None:
        self._clock = clock
        self._local = local
        self._resolve = resolve
        self._lock = Lock()
        self._caches: dict[str, KeyCache[AssertionKey]] = {}

    def find(self, jwks_uri: str, kid: str) -> AssertionKey | None:
        """Return the key of this id. Raises `KeysUnreachable`."""
        try:
            return self._cache(jwks_uri).find(kid)
        except KeysUnavailable as error:
            raise KeysUnreachable(str(error)) from error

    def _cache(self, jwks_uri: str) -> KeyCache[AssertionKey]:
        with self._lock:
            if jwks_uri not in self._caches:
                if len(self._caches) >= _MOST_PARTNERS:
                    self._caches.pop(next(iter(self._caches)))
                self._caches[jwks_uri] = KeyCache(partial(self._read, jwks_uri), self._clock, _MAX_AGE)
            return self._caches[jwks_uri]

    def _read(self, jwks_uri: str) -> Mapping[str, AssertionKey]:
        uri = urlsplit(jwks_uri)
        return within(TIMEOUT, lambda: _keys(exchanged(self._connection(uri), uri, MAX_BYTES)))

    def _connection(self, uri: SplitResult) -> HTTPConnection:
        """Return a connection to the public address of the host."""
        host = uri.hostname or ""
        if self._local and uri.scheme == "http" and host == "127.0.0.1":
            return HTTPConnection(host, uri.port, timeout=TIMEOUT)
        if uri.scheme != "https":
            raise Unreadable("JWKS: not https")
        port = uri.port or 443
        addresses = self._resolve(host, port)
        if not addresses or not all(is_public(ip_address(each)) for each in addresses):
            raise Unreadable("JWKS: an address that is not public")
        return PinnedConnection(host, port, addresses[0], TIMEOUT)


class PinnedConnection(HTTPSConnection):
    """HTTPS to one address, whose certificate must be the host's."""

    def __init__(self, host: str, port: int, address: str, timeout: float) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout, context=self._tls)
        self._address = address

    def connect(self) -> None:
        """Connect to the address, and prove the host's name."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def within(seconds: float, read: Callable[[], Mapping[str, AssertionKey]]) -> Mapping[str, AssertionKey]:
    """Return what is read within that time, however slowly its source drips. Raises `Unreadable`."""
    answer: SimpleQueue[Mapping[str, AssertionKey] | str] = SimpleQueue()

    def run() -> None:
        try:
            answer.put(read())
        except Unreadable as error:
            answer.put(str(error))
        except (OSError, HTTPException, ValueError) as error:
            answer.put(f"JWKS: {type(error).__name__}")

    Thread(target=run, daemon=True).start()
    try:
        outcome = answer.get(timeout=seconds)
    except Empty:
        raise Unreadable("JWKS: too slow") from None
    if isinstance(outcome, str):
        raise Unreadable(outcome)
    return outcome


def _keys(body: bytes) -> dict[str, AssertionKey]:
    members = members_of(body)
    if len(members) > MAX_KEYS:
        raise Unreadable(f"JWKS: over {MAX_KEYS} keys")
    keys = [key for member in members if (key := _key(member))]
    if not keys:
        raise Unreadable("JWKS: not one key of use")
    return {key.kid: key for key in keys}


def _key(member: object) -> AssertionKey | None:
    """Return a key that names its `kid` and `alg`; one that is unknown or odd is left out (RFC 7517 section 5)."""
    try:
        return assertion_key_from_jwk(member) if isinstance(member, dict) else None
    except InvalidKey:
        return None
