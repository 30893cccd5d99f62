"""What the roles of a stack need from a store."""

from __future__ import annotations

from typing import Protocol

from latchkey.core.roles.roles import CustomRoles


class RoleStore(Protocol):
    """The roles that a stack has of its own."""

    def custom_roles(self) -> CustomRoles:
        """Return them, read consistently; version 0 before the first change."""

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before; say whether these roles are stored now."""
