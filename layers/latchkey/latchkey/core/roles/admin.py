"""Administration of the stack's own roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS, CustomRoles, Operator, RoleRegistry, registry_with
from latchkey.core.roles.store import RoleStore

MAX_CUSTOM_ROLES = 50
"""They share one item, and every function that mints keeps them all."""

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

        Raises `FORBIDDEN` if the operator lacks one of the old or new permissions: operators cannot give or remove
        permissions that they lack. Raises `BUILT_IN_ROLE`, `INVALID_REQUEST`, `VALIDATION_FAILED`, `LIMIT_REACHED`,
        `CONFLICT`.
        """
        _require_own(name)
        _require_known(permissions)
        stored = self.store.custom_roles()
        before = stored.roles.get(name)
        if not operator.holds({*permissions, *PERMISSIONS.intersection((before or "").split())}):
            raise ServiceError(Errors.FORBIDDEN, "a role with permissions that the operator lacks")
        if before is None and len(stored.roles) >= MAX_CUSTOM_ROLES:
            raise ServiceError(Errors.LIMIT_REACHED, f"more than {MAX_CUSTOM_ROLES} roles")
        self._replace(stored, {**stored.roles, name: " ".join(sorted(set(permissions)))})
        self.journal.record(Event("role_changed", reason=name, actor=operator.sub))
        return before is None

    def delete(self, operator: Operator, name: str) -> None:
        """Remove a role: from now on its name grants nothing. Raises as `put` does, and `NOT_FOUND`."""
        _require_own(name)
        stored = self.store.custom_roles()
        if name not in stored.roles:
            raise ServiceError(Errors.NOT_FOUND, "no such role")
        if not operator.holds(PERMISSIONS.intersection(stored.roles[name].split())):
            raise ServiceError(Errors.FORBIDDEN, "a role with permissions that the operator lacks")
        self._replace(stored, {each: value for each, value in stored.roles.items() if each != name})
        self.journal.record(Event("role_deleted", reason=name, actor=operator.sub))

    def _replace(self, read: CustomRoles, roles: Mapping[str, str]) -> None:
        if not self.store.replace_roles(CustomRoles(read.version + 1, roles)):
            raise ServiceError(Errors.CONFLICT, "the roles have changed meanwhile")


def _require_own(name: str) -> None:
    if name in BUILT_IN.roles:
        raise ServiceError(Errors.BUILT_IN_ROLE, name)
    if not _NAME.fullmatch(name):
        raise invalid_field("name", "bad_format", "A role has up to 32 of a-z, 0-9, - and _, a letter first.")


def _require_known(permissions: Iterable[str]) -> None:
    unknown = sorted(set(permissions) - PERMISSIONS)
    if unknown:
        first = FieldError("permissions", "unknown_permission", f"{unknown[0][:64]} is not known.")
        raise ServiceError(Errors.VALIDATION_FAILED, "unknown permissions", fields=(first,))
