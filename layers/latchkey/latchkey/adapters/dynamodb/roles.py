"""The roles and permissions that a stack has of its own: one item, so that no change ever meets half of another."""

from __future__ import annotations

from dataclasses import fields

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.roles.roles import CustomRoles

_FIRST = "attribute_not_exists(#pk)"
_NEXT = "#version = :read"


class CustomRoleItem(TablePart):
    """Implements `RoleStore`."""

    def custom_roles(self) -> CustomRoles:
        """Return them; version 0 before the first change."""
        item = self._table.get(items.ROLES)
        return items.decode(CustomRoles, item) if item else CustomRoles()

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before."""
        values: dict[str, items.Value] = {each.name: getattr(roles, each.name) for each in fields(roles)}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        if roles.version == 1:
            condition = _FIRST
        else:
            condition = _NEXT
            values["read"] = roles.version - 1
        return self._table.update(items.ROLES, change, values, only_if=condition).applied
