"""Roles: named sets of permissions. Routes ask for permissions, never for roles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

MAX_ROLES = 16
"""Roles of one account: a token carries their names."""

IMPLIED_ROLE = "user"
"""The role that comes with any known one."""

_PERMISSION = re.compile(r"[a-z][a-z_]*:[a-z][a-z_]*")


class Roles(Protocol):
    """A source of roles: the registry itself, or a reader of the store."""

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted; an unknown role permits nothing."""


@dataclass(frozen=True, slots=True)
class CustomRoles:
    """The roles that a stack has of its own, as stored: permissions by name, separated by blanks.

    `version` rises with every change; 0 means that there never was one.
    """

    version: int = 0
    roles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operator:
    """A caller with the permissions that its account or client has at this moment."""

    sub: str
    permissions: tuple[str, ...]
    auth_time: int

    def holds(self, permissions: Iterable[str]) -> bool:
        """Say whether the caller has all of these permissions itself."""
        return set(permissions) <= set(self.permissions)


@dataclass(frozen=True, slots=True)
class RoleRegistry:
    """The permissions of every known role.

    Names match exactly or not at all: there are no wildcards, and no case is folded.

    Raise `ValueError` when a permission is not spelled `area:action`, or when the role that all others imply is
    missing.
    """

    roles: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        """Check the names, and keep a private copy."""
        if IMPLIED_ROLE not in self.roles:
            message = f"the registry lacks the role {IMPLIED_ROLE!r}"
            raise ValueError(message)
        for permission in set().union(*self.roles.values()):
            if not _PERMISSION.fullmatch(permission):
                message = f"not a permission: {permission!r}"
                raise ValueError(message)
        object.__setattr__(self, "roles", MappingProxyType(dict(self.roles)))

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""
        known = {role for role in roles if role in self.roles}
        return tuple(sorted(known | {IMPLIED_ROLE})) if known else ()

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted; an unknown role permits nothing."""
        granted = (self.roles[role] for role in self.effective_roles(roles))
        return tuple(sorted(frozenset[str]().union(*granted)))


BUILT_IN = RoleRegistry(
    {
        "user": frozenset({"hello:read", "profile:read", "profile:write", "sessions:end", "sessions:read"}),
        "admin": frozenset(
            {
                "api_keys:read",
                "api_keys:write",
                "audit:read",
                "clients:read",
                "clients:write",
                "partners:read",
                "partners:write",
                "roles:read",
                "roles:write",
                "signing:read",
                "signing:read_secret",
                "signing:write",
                "users:export",
                "users:import",
                "users:read",
                "users:write",
            }
        ),
        # For the APIs behind Latchkey that hold private data; no route of Latchkey's own asks for these.
        "privacy": frozenset({"privacy:read", "privacy:write"}),
        "service": frozenset({"token:issue"}),
    }
)
"""The roles that every stack has."""

PERMISSIONS = frozenset[str]().union(*BUILT_IN.roles.values())
"""Every permission that some route or some API behind Latchkey asks for."""


OPERATOR_PERMISSIONS = BUILT_IN.roles["admin"] | BUILT_IN.roles["service"]
"""The permissions of operators and services: a partner can never give them."""


def below_operators(registry: Roles, roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles that have none of an operator's permissions, in their order."""
    return tuple(role for role in roles if OPERATOR_PERMISSIONS.isdisjoint(registry.permissions((role,))))


def registry_with(custom: CustomRoles) -> RoleRegistry:
    """Return the built-in roles and the stack's own.

    A stored role never changes a built-in one, and a permission that this release does not know is dropped.
    """
    own = {name: PERMISSIONS.intersection(permissions.split()) for name, permissions in custom.roles.items()}
    return RoleRegistry({**own, **BUILT_IN.roles})


def beyond_built_in(registry: Roles, roles: Iterable[str]) -> tuple[str, ...]:
    """Return the permissions that only the stack's own roles among `roles` give: their names do not reveal them."""
    held = tuple(roles)
    return tuple(sorted(set(registry.permissions(held)) - set(BUILT_IN.permissions(held))))


class StoredRoles:
    """Roles that are looked up on use. Built-in roles need no look-up."""

    def __init__(self, read: Callable[[], RoleRegistry]) -> None:
        self._read = read

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""
        held = tuple(roles)
        return self._registry(held).effective_roles(held)

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted."""
        held = tuple(roles)
        return self._registry(held).permissions(held)

    def _registry(self, roles: tuple[str, ...]) -> RoleRegistry:
        return BUILT_IN if BUILT_IN.roles.keys() >= set(roles) else self._read()
