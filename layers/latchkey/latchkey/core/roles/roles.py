"""Roles: named sets of permissions. Routes ask for permissions, never for roles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, Self

from latchkey.core.model import ADMIN_ROLE

MAX_ROLES = 16
"""Roles of one account: a token carries their names."""

IMPLIED_ROLE = "user"
"""The role that comes with any known one."""

ISSUE_PERMISSION = "token:issue"
"""The permission that lets a machine open sessions. No operator has it, and it adds no other right."""

_PERMISSION = re.compile(r"[a-z][a-z_]*:[a-z][a-z_]*")


class Roles(Protocol):
    """A source of roles: the registry itself, or a reader of the store."""

    def registry(self) -> RoleRegistry:
        """Return all roles and permissions."""

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted; an unknown role permits nothing."""


@dataclass(frozen=True, slots=True)
class CustomRoles:
    """What a stack has of its own, as stored.

    `roles` holds permissions by the name of the role, separated by blanks. `deleted` are the roles that were deleted,
    oldest first: each is its name and then its permissions, separated by blanks. `permissions` are those that the stack
    declares. `customer_roles` are the roles that operators may give to people although they lack their permissions.
    `version` rises with every change; 0 means that there never was one.
    """

    version: int = 0
    roles: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    customer_roles: tuple[str, ...] = (IMPLIED_ROLE,)


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
    """The permissions of every known role, the permissions that a stack declares, and its customer roles.

    Names match exactly or not at all: there are no wildcards, and no case is folded.

    Raise `ValueError` when a permission is neither declared nor spelled `area:action`, or when the role that all others
    imply is missing.
    """

    roles: Mapping[str, frozenset[str]]
    declared: frozenset[str] = frozenset()
    customer_roles: tuple[str, ...] = (IMPLIED_ROLE,)

    def __post_init__(self) -> None:
        """Check the names, and keep a private copy."""
        if IMPLIED_ROLE not in self.roles:
            message = f"the registry lacks the role {IMPLIED_ROLE!r}"
            raise ValueError(message)
        for permission in frozenset[str]().union(*self.roles.values()) - self.declared:
            if not _PERMISSION.fullmatch(permission):
                message = f"not a permission: {permission!r}"
                raise ValueError(message)
        object.__setattr__(self, "roles", MappingProxyType(dict(self.roles)))

    def registry(self) -> Self:
        """Return itself."""
        return self

    @property
    def all_permissions(self) -> frozenset[str]:
        """Return every permission, built in or declared."""
        return PERMISSIONS | self.declared

    @property
    def admin_permissions(self) -> frozenset[str]:
        """Return all that an admin holds: every permission that a person can hold."""
        return self.all_permissions - OF_MACHINES

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""
        known = {role for role in roles if role in self.roles}
        return tuple(sorted(known | {IMPLIED_ROLE})) if known else ()

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted; an unknown role permits nothing."""
        granted = (self.roles[role] for role in self.effective_roles(roles))
        return tuple(sorted(frozenset[str]().union(*granted)))


_OPERATING = frozenset(
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
)

# For the APIs behind Latchkey that hold private data; no route of Latchkey's own asks for these.
_PRIVACY = frozenset({"privacy:read", "privacy:write"})

OF_MACHINES = frozenset({ISSUE_PERMISSION})
"""The permissions that no person can hold."""

BUILT_IN = RoleRegistry(
    {
        IMPLIED_ROLE: frozenset({"hello:read", "profile:read", "profile:write", "sessions:end", "sessions:read"}),
        ADMIN_ROLE: _OPERATING | _PRIVACY,
        "privacy": _PRIVACY,
        "service": OF_MACHINES,
    }
)
"""The roles that every stack has."""

PERMISSIONS = frozenset[str]().union(*BUILT_IN.roles.values())
"""Every permission that is built in."""


OPERATOR_PERMISSIONS = _OPERATING | OF_MACHINES
"""The permissions of operators and services: a partner can never give them."""


def below_operators(registry: Roles, roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles that have none of an operator's permissions, in their order."""
    return tuple(role for role in roles if OPERATOR_PERMISSIONS.isdisjoint(registry.permissions((role,))))


def registry_with(custom: CustomRoles) -> RoleRegistry:
    """Return the built-in roles and the stack's own. The admin role holds every permission that the stack declares.

    A stored role never changes a built-in one, and a permission that is not known is dropped.
    """
    declared = frozenset(custom.permissions) - PERMISSIONS
    known = PERMISSIONS | declared
    own = {name: known.intersection(permissions.split()) for name, permissions in custom.roles.items()}
    admin = {ADMIN_ROLE: BUILT_IN.roles[ADMIN_ROLE] | declared}
    return RoleRegistry({**own, **BUILT_IN.roles, **admin}, declared, custom.customer_roles)


def beyond_built_in(registry: Roles, roles: Iterable[str]) -> tuple[str, ...]:
    """Return the permissions of `roles` that their names do not reveal to a verifier: those of a stack's own."""
    held = tuple(roles)
    return tuple(sorted(set(registry.permissions(held)) - set(BUILT_IN.permissions(held))))


class StoredRoles:
    """Roles that are looked up on use. The names of built-in roles, and what they permit but for admins, need none."""

    def __init__(self, read: Callable[[], RoleRegistry]) -> None:
        self._read = read

    def registry(self) -> RoleRegistry:
        """Return all roles and permissions."""
        return self._read()

    def effective_roles(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the known ones among `roles` and, if there are any, `user`; sorted."""
        held = frozenset(roles)
        return (BUILT_IN if held <= BUILT_IN.roles.keys() else self._read()).effective_roles(held)

    def permissions(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return what `roles` permit together, sorted."""
        held = frozenset(roles)
        return (BUILT_IN if held <= _SAME_EVERYWHERE else self._read()).permissions(held)


_SAME_EVERYWHERE = BUILT_IN.roles.keys() - {ADMIN_ROLE}
"""The roles that permit the same in every stack. An admin also holds what the stack declares."""
