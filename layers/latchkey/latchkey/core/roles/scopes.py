"""Scopes: the names of permissions, and those of OpenID Connect, which permit nothing at an API."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from latchkey.core.roles.roles import Roles

OPENID_SCOPES = frozenset({"openid", "profile", "email", "phone", "address", "offline_access"})
"""The scopes of OpenID Connect Core 1.0 (sections 3.1.2.1, 5.4 and 11)."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The roles and the scopes that a machine has at this moment."""

    roles: tuple[str, ...]
    scopes: tuple[str, ...]

    def permissions(self, registry: Roles) -> tuple[str, ...]:
        """Return what roles and scopes permit together, sorted. A machine's scopes are permissions of its own."""
        return tuple(sorted({*registry.permissions(self.roles), *permissions_of(self.scopes)}))


def permissions_of(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that name permissions, in their order: all but those of OpenID Connect."""
    return tuple(scope for scope in scopes if scope not in OPENID_SCOPES)


def held_scopes(scopes: Iterable[str], permissions: Collection[str]) -> tuple[str, ...]:
    """Return the scopes that a person with these permissions can give to a client, in their order."""
    return tuple(scope for scope in scopes if scope in OPENID_SCOPES or scope in permissions)
