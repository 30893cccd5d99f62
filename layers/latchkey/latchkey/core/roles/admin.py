"""Administration of the stack's own roles, and of the roles that operators may give to customers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.roles.authority import Act, Authority, require_known_roles
from latchkey.core.roles.roles import (
    BUILT_IN,
    OF_MACHINES,
    OPERATOR_PERMISSIONS,
    CustomRoles,
    Operator,
    RoleRegistry,
    below_operators,
    registry_with,
)
from latchkey.core.roles.store import RoleStore, replace_roles

MAX_CUSTOM_ROLES = 50
"""They share one item, and every function that mints keeps them all."""

MAX_DELETED_ROLES = 100
"""Deleted roles that are remembered in the same item."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class RoleAdmin:
    """Shows and changes the roles."""

    store: RoleStore
    journal: Journal

    def registry(self) -> RoleRegistry:
        """Return all roles as they stand at this moment."""
        return registry_with(self.store.custom_roles())

    def permissions(self, name: str) -> tuple[str, ...]:
        """Return the permissions of one role itself, sorted. Raises `NOT_FOUND`."""
        permissions = self.registry().roles.get(name)
        if permissions is None:
            raise ServiceError(Errors.NOT_FOUND, "no such role")
        return tuple(sorted(permissions))

    def put(self, operator: Operator, name: str, permissions: tuple[str, ...]) -> bool:
        """Create a role or change its permissions; say whether it is new.

        A role that was deleted may be held under its name still, so to create it again, an operator must also hold what
        it gave. Raises `FORBIDDEN` as `Authority` does, `BUILT_IN_ROLE`, `INVALID_REQUEST`, `VALIDATION_FAILED`,
        `LIMIT_REACHED`, `CONFLICT`.
        """
        _require_own(name)
        stored = self.store.custom_roles()
        registry = registry_with(stored)
        after = frozenset(permissions)
        _require_known(after, registry)
        before = _permitted(stored, registry, name)
        is_new = name not in stored.roles
        act = Act.KEEP if after <= before and not is_new and not _is_freed(before, after) else Act.GIVE
        given = after | before if is_new else after
        Authority(operator, registry).require(act, before=before, after=given, free=OF_MACHINES)
        _require_below_operators(stored, name, after)
        if is_new and len(stored.roles) >= MAX_CUSTOM_ROLES:
            raise ServiceError(Errors.LIMIT_REACHED, f"more than {MAX_CUSTOM_ROLES} roles")
        roles = {**stored.roles, name: " ".join(sorted(after))}
        deleted = tuple(each for each in stored.deleted if each.split()[0] != name)
        replace_roles(self.store, stored, replace(stored, roles=roles, deleted=deleted))
        self.journal.record(Event("role_changed", reason=name, actor=operator.sub))
        return is_new

    def delete(self, operator: Operator, name: str) -> None:
        """Remove a role: from now on its name grants nothing, and is no customer role.

        Only an admin can delete a role when `MAX_DELETED_ROLES` are remembered: the oldest is then forgotten. Raises as
        `put` does, and `NOT_FOUND`.
        """
        _require_own(name)
        stored = self.store.custom_roles()
        if name not in stored.roles:
            raise ServiceError(Errors.NOT_FOUND, "no such role")
        registry = registry_with(stored)
        authority = Authority(operator, registry)
        authority.require(Act.KEEP, before=_permitted(stored, registry, name))
        if len(stored.deleted) >= MAX_DELETED_ROLES and not operator.holds(registry.admin_permissions):
            raise ServiceError(Errors.LIMIT_REACHED, f"more than {MAX_DELETED_ROLES} deleted roles")
        changed = replace(
            stored,
            roles={each: permissions for each, permissions in stored.roles.items() if each != name},
            deleted=(*stored.deleted, f"{name} {stored.roles[name]}")[-MAX_DELETED_ROLES:],
            customer_roles=tuple(each for each in stored.customer_roles if each != name),
        )
        replace_roles(self.store, stored, changed)
        self.journal.record(Event("role_deleted", reason=name, actor=operator.sub))

    def customer_roles(self) -> tuple[str, ...]:
        """Return the roles that operators may give to people although they lack their permissions."""
        return self.store.custom_roles().customer_roles

    def set_customer_roles(self, operator: Operator, roles: tuple[str, ...]) -> None:
        """Choose the customer roles.

        Raises `FORBIDDEN` unless the operator holds all that an admin holds, `VALIDATION_FAILED` for an unknown role
        and for one with an operator's permission, and `CONFLICT`.
        """
        stored = self.store.custom_roles()
        registry = registry_with(stored)
        Authority(operator, registry).require_admin()
        require_known_roles(roles, registry)
        for role in sorted(set(roles).difference(below_operators(registry, roles))):
            raise _operators_permission("roles", f"{role} has an operator's permission.")
        replace_roles(self.store, stored, replace(stored, customer_roles=roles))
        self.journal.record(Event("customer_roles_changed", reason=" ".join(roles), actor=operator.sub))


def _permitted(stored: CustomRoles, registry: RoleRegistry, name: str) -> frozenset[str]:
    """Return the known permissions of a role of the stack's own, or those that it had before it was deleted."""
    held = [text.split() for text in (*stored.deleted, *(f"{each} {text}" for each, text in stored.roles.items()))]
    permissions = next((permissions for each, *permissions in held if each == name), [])
    return registry.all_permissions.intersection(permissions)


def _is_freed(before: frozenset[str], after: frozenset[str]) -> bool:
    """Say whether a role loses its last operator's permission: partners and customer roles may then give the rest."""
    return bool(before & OPERATOR_PERMISSIONS) and not after & OPERATOR_PERMISSIONS


def _require_own(name: str) -> None:
    if name in BUILT_IN.roles:
        raise ServiceError(Errors.BUILT_IN_ROLE, name)
    if not _NAME.fullmatch(name):
        raise invalid_field("name", "bad_format", "A role has up to 32 of a-z, 0-9, - and _, a letter first.")


def _require_known(permissions: frozenset[str], registry: RoleRegistry) -> None:
    unknown = sorted(permissions - registry.all_permissions)
    if unknown:
        first = FieldError("permissions", "unknown_permission", f"{unknown[0][:64]} is not known.")
        raise ServiceError(Errors.VALIDATION_FAILED, "unknown permissions", fields=(first,))


def _require_below_operators(stored: CustomRoles, name: str, permissions: frozenset[str]) -> None:
    """Raise `VALIDATION_FAILED` for an operator's permission in a customer role."""
    if name in stored.customer_roles and permissions & OPERATOR_PERMISSIONS:
        raise _operators_permission("permissions", "A customer role has no operator's permission.")


def _operators_permission(field: str, message: str) -> ServiceError:
    fault = FieldError(field, "operators_permission", message)
    return ServiceError(Errors.VALIDATION_FAILED, "an operator's permission in a customer role", fields=(fault,))
