"""What the roles of a stack need from a store."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.roles.roles import CustomRoles


class RoleStore(Protocol):
    """The roles and permissions that a stack has of its own."""

    def custom_roles(self) -> CustomRoles:
        """Return them, read consistently; version 0 before the first change."""

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before; say whether these roles are stored now."""


def replace_roles(store: RoleStore, read: CustomRoles, changed: CustomRoles) -> None:
    """Store what was changed in the roles that were read, as the next version. Raises `CONFLICT`."""
    if not store.replace_roles(replace(changed, version=read.version + 1)):
        raise ServiceError(Errors.CONFLICT, "the roles have changed meanwhile")
