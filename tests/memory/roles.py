"""The roles of the stack's own."""

from __future__ import annotations

from latchkey.core.roles.roles import CustomRoles
from tests.memory.state import State


class Roles(State):
    """Implements `RoleStore`."""

    def custom_roles(self) -> CustomRoles:
        """Return the roles of the stack's own."""
        with self._lock:
            return self._roles

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before."""
        with self._lock:
            if self._roles.version != roles.version - 1:
                return False
            self._roles = roles
            return True
