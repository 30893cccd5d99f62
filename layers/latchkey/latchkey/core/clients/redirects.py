"""Redirect URIs, checked when they are registered: later they are compared letter by letter (RFC 9700 section 2.1)."""

from __future__ import annotations

import re

from latchkey.core.errors import ServiceError, invalid_field
from latchkey.core.model import ClientKind

MAX_REDIRECT_URI = 512
"""Characters of a redirect URI."""

_MAX_PORT = 65_535
_PRINTABLE = re.compile(r"[!-~]+")
_NEVER = re.compile(
    r"[\\*#<>\"{}|^`@]"
)  # a fragment (RFC 6749 section 3.1.2), a wildcard, a user, what parsers dispute
_URI = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):(//(?P<host>\[[^]/?]*\]|[^:/?\[\]]*)(:(?P<port>[1-9]\d{0,4}))?(?=[/?]|\Z))?"
    r"(?P<path>[^?]*)(\?.*)?"
)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9][a-z0-9+-]*)+")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]"})
_LOCALHOST = re.compile(r"([a-z0-9-]+\.)*localhost")  # RFC 6761 section 6.3


def check_redirect_uri(uri: str, kind: ClientKind) -> None:
    """Raise `INVALID_REQUEST` unless the URI is one that only its client can receive.

    That is https; http on a loopback address given as a number, any port (RFC 8252 sections 7.3 and 8.3); or a private
    scheme named after a domain, which therefore has a dot (RFC 8252 section 7.1). A public client, which keeps no
    secret anyway, may also name `localhost`, as the development servers of web apps do.
    """
    if not _PRINTABLE.fullmatch(uri) or len(uri) > MAX_REDIRECT_URI or _NEVER.search(uri):
        raise _refused("It must be a plain URI without a fragment, a wildcard or a user.")
    parts = _URI.fullmatch(uri)
    if parts is None or int(parts["port"] or 0) > _MAX_PORT or {".", ".."} & set(parts["path"].split("/")):
        raise _refused("It must be a URI in lower case up to its path, without dot segments.")
    if not _receivable(parts["scheme"], parts["host"] or "", parts["path"], kind):
        local = "127.0.0.1, [::1] or localhost" if kind is ClientKind.PUBLIC else "127.0.0.1 or [::1]"
        raise _refused(f"It must be https, http on {local}, or a private scheme with a dot.")


def _receivable(scheme: str, host: str, path: str, kind: ClientKind) -> bool:
    if scheme == "https":
        return bool(_HOST.fullmatch(host))
    if scheme == "http":
        return host in _LOOPBACK or (kind is ClientKind.PUBLIC and bool(_LOCALHOST.fullmatch(host)))
    # What follows `//` is no address here: many mobile kits write `com.example.app://callback`.
    return bool(_PRIVATE_SCHEME.fullmatch(scheme)) and (bool(_HOST.fullmatch(host)) if host else path.startswith("/"))


def _refused(message: str) -> ServiceError:
    return invalid_field("redirect_uris", "bad_redirect_uri", message)
