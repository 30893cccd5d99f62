"""The keys that partners publish as a JWKS, fetched from the public internet alone.

An operator enters the URL, and the owner of its host name decides which IP address the name has. So the name is
resolved once, every address of it must be public, and the connection goes to an address that was checked, while TLS
still proves the name. The name server is never asked twice, which prevents DNS rebinding.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from latchkey.adapters.fetch import Line, PinnedConnection, exchanged, within
from latchkey.adapters.jwks import UNKNOWN_KID_PAUSE, KeyCache, KeysUnavailable, members_of
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
