"""Where a request comes from, as the gateway saw it, never as a header claims."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

Event = Mapping[str, Any]


def request_id(event: Event) -> str:
    """Return the gateway's id of the request."""
    return str((event.get("requestContext") or {}).get("requestId") or "")


def address(event: Event) -> str:
    """Return the address of one household: an IPv4 address, or the /64 network of an IPv6 address."""
    context = event.get("requestContext") or {}
    seen = context.get("http") or context.get("identity") or {}  # payload 2.0, or 1.0
    return _network(str(seen.get("sourceIp") or ""))


def network(address: str) -> str:
    """Return the network that an address of `address` is in: /24 for IPv4, /48 for IPv6; empty where it is neither."""
    host = address.partition("/")[0]
    try:
        bits = 48 if isinstance(ip_address(host), IPv6Address) else 24
    except ValueError:
        return ""
    return str(ip_network((host, bits), strict=False))


def _network(text: str) -> str:
    try:
        parsed = ip_address(text)
    except ValueError:
        return text
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
