"""Redirect URIs, checked when they are registered: later they are compared letter by letter (RFC 9700 section 2.1)."""

from __future__ import annotations

import re

from latchkey.core.errors import ServiceError, invalid_field

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


def check_redirect_uri(uri: str) -> None:
    """Raise `INVALID_REQUEST` unless the URI is one that only its client can receive.

    That is https; http on a loopback address given as a number, any port (RFC 8252 sections 7.3 and 8.3); or a private
    scheme named after a domain, which therefore has a dot (RFC 8252 section 7.1).
    """
    if not _PRINTABLE.fullmatch(uri) or len(uri) > MAX_REDIRECT_URI or _NEVER.search(uri):
        raise _refused("It must be a plain URI without a fragment, a wildcard or a user.")
    parts = _URI.fullmatch(uri)
    if parts is None or int(parts["port"] or 0) > _MAX_PORT or {".", ".."} & set(parts["path"].split("/")):
        raise _refused("It must be a URI in lower case up to its path, without dot segments.")
    if not _receivable(parts["scheme"], parts["host"] or "", parts["path"]):
        raise _refused("It must be https, http on 127.0.0.1 or [::1], or a private scheme with a dot.")


def _receivable(scheme: str, host: str, path: str) -> bool:
    if scheme == "https":
        return bool(_HOST.fullmatch(host))
    if scheme == "http":
        return host in _LOOPBACK
    return bool(_PRIVATE_SCHEME.fullmatch(scheme)) and path.startswith("/")


def _refused(message: str) -> ServiceError:
    return invalid_field("redirect_uris", "bad_redirect_uri", message)
