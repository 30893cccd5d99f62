"""The public keys of an issuer, and the names its tokens may carry, fetched from its JWKS (RFC 7517).

This is all that an authorizer needs, so it imports neither boto3 nor urllib.request: a cold start takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from threading import Lock
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from latchkey.adapters.fetch import Line, PinnedConnection, exchanged, within
from latchkey.adapters.last_good import LastGood, Patience, Unreadable
from latchkey.signing import accepted
from latchkey.signing.accepted import Accepted
from latchkey.signing.keys import LAST_GOOD, InvalidKey, VerificationKey, verification_key_from_jwk
from latchkey.signing.strict_json import StrictJsonError, loads

UNKNOWN_KID_PAUSE = 10
"""Seconds in which unknown `kid`s, however many, cause one fetch."""

_PATIENCE = Patience(fresh=300, stale=LAST_GOOD, pause=UNKNOWN_KID_PAUSE, pause_empty=1)
DOCKER_HOST = "host.docker.internal"
"""The name by which Docker's containers reach the machine that runs them."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

K = TypeVar("K")


class KeysUnavailable(Exception):
    """The keys cannot be fetched, and no cached key decides. The token may be valid. The message is for the log."""


class KeyCache(Generic[K]):
    """Keys by id from a source that may fail: read on use when older than `max_age`, kept for `last_good` if it fails.

    All times are in seconds. While there is no key, no read follows a failed one for `pause_empty`.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, K]],
        clock: Callable[[], float],
        max_age: float,
        *,
        last_good: float = LAST_GOOD,
        pause_empty: float = _PATIENCE.pause_empty,
    ) -> None:
        self._clock = clock
        patience = replace(_PATIENCE, fresh=max_age, stale=last_good, pause_empty=pause_empty)
        self._keys = LastGood(lambda _: read(), clock, patience)
        self._gate = Lock()
        self._missed_at: float | None = None

    def find(self, kid: str) -> K | None:
        """Return the key of this id. An unknown id causes another read, but not more than one in 10 s.

        Raises `KeysUnavailable` where there are no keys, and for an unknown id while reads fail: it may be the id of a
        key that was published since the last good read.
        """
        before = self._keys.held
        try:
            copy = self._keys.get()
            if kid not in copy.value and self._passes_gate() and copy is before:
                copy = self._keys.renew()
        except Unreadable as error:
            raise KeysUnavailable(str(error)) from error
        if kid not in copy.value and self._keys.is_failing:
            raise KeysUnavailable("kid is unknown, and the keys cannot be read again")
        return copy.value.get(kid)

    def list(self) -> tuple[K, ...]:
        """Return all keys. Raises `KeysUnavailable` where there are none."""
        try:
            return tuple(self._keys.get().value.values())
        except Unreadable as error:
            raise KeysUnavailable(str(error)) from error

    def _passes_gate(self) -> bool:
        with self._gate:
            now = self._clock()
            if self._missed_at is not None and 0 <= now - self._missed_at < UNKNOWN_KID_PAUSE:
                return False
            self._missed_at = now
            return True


class TrustedKey(NamedTuple):
    """A key, and the issuers and audiences that the tokens it signs may name, as published with it."""

    key: VerificationKey
    accepted: Accepted


class RemoteKeys(KeyCache[TrustedKey]):
    """The keys of an issuer's JWKS. `timeout` is in seconds, for the name, the connection and the answer together.

    Only https, or plain http to this machine; no redirect, no proxy; `ValueError` otherwise. In a container of
    `sam_local`, this machine has a private address.
    """

    def __init__(  # noqa: PLR0913 - as many as a fetch has limits
        self,
        jwks_uri: str,
        clock: Callable[[], float],
        max_age: float = 300,
        timeout: float = 2,
        max_bytes: int = 65_536,
        *,
        sam_local: bool = False,
    ) -> None:
        super().__init__(self._read, clock, max_age)
        self._uri = _checked(jwks_uri, sam_local=sam_local)
        self._timeout = timeout
        self._max_bytes = max_bytes

    def _read(self) -> Mapping[str, TrustedKey]:
        return within(self._timeout, lambda line: _parse(_fetch(self._uri, self._timeout, self._max_bytes, line)))


def document_at(uri: str, timeout: float, max_bytes: int) -> Mapping[str, object]:
    """Return the JSON object at an address of an issuer, fetched as its JWKS is. Raises `Unreadable`."""
    return within(timeout, lambda line: _document(_fetch(_checked(uri), timeout, max_bytes, line)))


def _checked(jwks_uri: str, *, sam_local: bool = False) -> SplitResult:
    uri = urlsplit(jwks_uri)
    host = uri.hostname or ""
    here = host in _LOOPBACK or (sam_local and _is_host_of_containers(host))
    if host and (uri.scheme == "https" or (uri.scheme == "http" and here)):
        return uri
    raise ValueError("the address of a JWKS is https, or http on this machine")


def _is_host_of_containers(host: str) -> bool:
    """Say whether a name or an address is one by which a container reaches the machine that runs it."""
    try:
        return host == DOCKER_HOST or ip_address(host).is_private
    except ValueError:
        return False


def _fetch(uri: SplitResult, timeout: float, max_bytes: int, line: Line) -> bytes:
    host, tls = uri.hostname or "", uri.scheme == "https"
    port = uri.port or (HTTPSConnection if tls else HTTPConnection).default_port
    return exchanged(PinnedConnection(host, port, host, timeout, line, tls=tls), uri, max_bytes)


def _parse(body: bytes) -> dict[str, TrustedKey]:
    """Return the keys by id; one that is unknown or odd is left out, as RFC 7517 section 5 asks."""
    return read_keys(_document(body))


def read_keys(document: Mapping[str, object]) -> dict[str, TrustedKey]:
    """Return the keys of a JWK set by id. Raises `Unreadable`."""
    members, names = _members(document), _names(document)
    keys = [key for member in members if (key := _key(member))]
    if members and not keys:  # an empty list is an answer: an issuer that signs with shared secrets has no other
        raise Unreadable("JWKS: not one key of use")
    return {key.kid: TrustedKey(key, names) for key in keys}


def members_of(body: bytes) -> list[object]:
    """Return the entries in the list of a JWKS. Raises `Unreadable`."""
    return _members(_document(body))


def _document(body: bytes) -> Mapping[str, object]:
    try:
        document = loads(body)
    except StrictJsonError as error:
        raise Unreadable(f"JWKS: {error.code}") from error
    return document if isinstance(document, dict) else {}


def _members(document: Mapping[str, object]) -> list[object]:
    members = document.get("keys")
    if not isinstance(members, list):
        raise Unreadable("JWKS: no list of keys")
    return members


def _names(document: Mapping[str, object]) -> Accepted:
    """Return the names that are published with the keys; a JWKS that says nothing about them is an older release's."""
    if accepted.MEMBER not in document:
        return Accepted()
    try:
        return accepted.from_member(document[accepted.MEMBER])
    except StrictJsonError as error:
        raise Unreadable(f"JWKS: {error}") from error


def _key(member: object) -> VerificationKey | None:
    try:
        return verification_key_from_jwk(member) if isinstance(member, dict) else None
    except InvalidKey:
        return None
