"""Where a caller is: one household, the site that it is in, and the network that a phone stays in.

A provider hands a household a /64 of IPv6 at least, and often a whole /56 or /48. So a single IPv6 address says little,
and every counter, mark and event uses the /64. IPv4 addresses count whole.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_HOUSEHOLD, _SITE, _NETWORK_V4 = 64, 48, 24
"""Lengths of prefixes, in bits."""


def household_of(address: str) -> str:
    """Return the address of one household: an IPv4 address, or the /64 network of an IPv6 address.

    Text that is no address comes back as it is.
    """
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _HOUSEHOLD), strict=False))
    return address if found is None else str(found)


def site_of(address: str) -> str:
    """Return the /48 network of an IPv6 address or household; empty for anything else."""
    found = _parsed(address)
    return str(ip_network((found, _SITE), strict=False)) if isinstance(found, IPv6Address) else ""


def network_of(address: str) -> str:
    """Return the network that an address or household is in: /24 for IPv4, /48 for IPv6; empty for anything else."""
    found = _parsed(address)
    if isinstance(found, IPv4Address):
        return str(ip_network((found, _NETWORK_V4), strict=False))
    return site_of(address)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.partition("/")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
