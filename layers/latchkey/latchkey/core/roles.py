"""Roles: named sets of permissions. Routes ask for permissions, never for roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

IMPLIED_ROLE = "user"
"""The role that comes with any known one."""

_PERMISSION = re.compile(r"[a-z][a-z_]*:[a-z][a-z_]*")


@dataclass(frozen=True, slots=True)
class RoleRegistry:
    """What every known role permits. Names match exactly or not at all: there are no wildcards, and no case is folded.

    Raise `ValueError` when a permission is not spelled `area:action`, or when the role that all others imply is
    missing.
    """

    roles: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        """Check the names, and keep a copy that nobody else can change."""
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
