"""Where a request comes from: as the gateway saw it or, where the stack trusts a proxy, as that proxy says.

Anyone can send a header. So the header of a proxy counts only in a request that carries the secret which the proxy
adds: a caller who reaches the gateway directly does not know it. Of a list, only the entry that the outermost trusted
proxy has added counts; everything before it came with the request.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

from latchkey.core.ids import same_fingerprint
from latchkey.core.networks import household_of
from latchkey.edge.gateway_events import Event, header_values, members
from latchkey.edge.settings import Environment

PROXY_SECRET = "x-proxy-secret"  # noqa: S105 - the name of a header
_VIEWER_ADDRESS = "cloudfront-viewer-address"
"""It holds one address, and always a port: `192.0.2.7:443`, `2001:db8::1:443` (CloudFront writes no brackets)."""


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """The header that names the caller, how many proxies stand before the gateway, and the hash of their secret."""

    header: str
    hops: int
    secret_hash: str


@cache
def trusted_proxy() -> TrustedProxy | None:
    """Return the proxy that the stack trusts; none by default. Raises `BadSettings` if it has no secret."""
    env = Environment(os.environ)
    header = env.text("LATCHKEY_PROXY_HEADER", "").lower()
    if not header:
        return None
    hops = env.number("LATCHKEY_PROXY_HOPS", 1, low=1, high=9)
    return TrustedProxy(header, hops, env.text("LATCHKEY_PROXY_SECRET_HASH"))


def request_id(event: Event) -> str:
    """Return the gateway's id of the request."""
    return str(members(event, "requestContext").get("requestId") or "")


def address(event: Event) -> str:
    """Return the address of one household: an IPv4 address, or the /64 network of an IPv6 address."""
    context = members(event, "requestContext")
    seen = members(context, "http") or members(context, "identity")  # payload 2.0, or 1.0
    peer = str(seen.get("sourceIp") or "")
    proxy = trusted_proxy()
    return household_of((_behind(proxy, event, peer) if proxy else "") or peer)


def _behind(proxy: TrustedProxy, event: Event, peer: str) -> str:
    """Return the address that a trusted proxy names; empty if none does, or it is malformed."""
    secrets = _values(event, PROXY_SECRET)
    if len(secrets) != 1 or not same_fingerprint(secrets[0], (proxy.secret_hash,)):
        return ""
    values = _values(event, proxy.header)
    if proxy.header == _VIEWER_ADDRESS:
        return _address_in(values[0].rpartition(":")[0]) if len(values) == 1 else ""
    entries = [entry.strip() for value in values for entry in value.split(",")]
    if entries and entries[-1] == peer:  # a REST API appends the address that called it
        entries.pop()
    return _address_in(entries[-proxy.hops]) if len(entries) >= proxy.hops else ""


def _values(event: Event, header: str) -> list[str]:
    """Return the values of a header, in the order in which they came."""
    return [str(value).strip() for value in header_values(event, header)]


def _address_in(text: str) -> str:
    """Return the address of an entry, which may have a port (RFC 7239 section 6); empty if it has none."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ip_address(host))
    except ValueError:
        return ""
