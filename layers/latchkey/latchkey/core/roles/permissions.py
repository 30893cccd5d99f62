"""Administration of the permissions that a stack declares for its own APIs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.roles.authority import Authority
from latchkey.core.roles.roles import PERMISSIONS, CustomRoles, Operator, RoleRegistry, registry_with
from latchkey.core.roles.scopes import OPENID_SCOPES
from latchkey.core.roles.store import RoleStore, replace_roles

MAX_DECLARED = 40
"""Permissions that a stack may declare."""

MAX_DECLARED_LENGTH = 1000
"""Characters of all declared permissions together: tokens of admins carry them, and a token is at most 8 KB."""

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,64}")
"""A scope token (RFC 6749 section 3.3) of at most 64 characters: a permission is also a scope."""


@dataclass(frozen=True, slots=True)
class PermissionAdmin:
    """Shows, declares and deletes permissions. Only an admin, who holds all of them, may change them."""

    store: RoleStore
    journal: Journal

    def registry(self) -> RoleRegistry:
        """Return all permissions as they stand at this moment."""
        return registry_with(self.store.custom_roles())

    def declare(self, operator: Operator, name: str) -> bool:
        """Declare a permission; say whether it is new.

        Raises `FORBIDDEN`, `VALIDATION_FAILED` for a name that is not free or not a scope token, `LIMIT_REACHED` and
        `CONFLICT`.
        """
        stored = self.store.custom_roles()
        Authority(operator, registry_with(stored)).require_admin()
        _require_own(name)
        if name in stored.permissions:
            return False
        declared = tuple(sorted({*stored.permissions, name}))
        if len(declared) > MAX_DECLARED or sum(map(len, declared)) > MAX_DECLARED_LENGTH:
            raise ServiceError(Errors.LIMIT_REACHED, "declared permissions")
        replace_roles(self.store, stored, replace(stored, permissions=declared))
        self.journal.record(Event("permission_created", reason=name, actor=operator.sub))
        return True

    def delete(self, operator: Operator, name: str) -> None:
        """Delete a declared permission: from now on it is neither a permission nor a scope.

        Raises `FORBIDDEN`, `VALIDATION_FAILED` for one that is built in, `NOT_FOUND`, `IN_USE` while a role has it, and
        `CONFLICT`.
        """
        stored = self.store.custom_roles()
        Authority(operator, registry_with(stored)).require_admin()
        _require_own(name)
        if name not in stored.permissions:
            raise ServiceError(Errors.NOT_FOUND, "no such permission")
        _require_unused(stored, name)
        rest = tuple(each for each in stored.permissions if each != name)
        replace_roles(self.store, stored, replace(stored, permissions=rest))
        self.journal.record(Event("permission_deleted", reason=name, actor=operator.sub))


def _require_own(name: str) -> None:
    if name in PERMISSIONS:
        raise _fault("built_in", "This permission is built in.")
    if name in OPENID_SCOPES:
        raise _fault("reserved", "This is a scope of OpenID Connect, which permits nothing.")
    if not _SCOPE_TOKEN.fullmatch(name):
        raise _fault("bad_format", "A permission has 1 to 64 visible ASCII characters, without quote and backslash.")


def _require_unused(stored: CustomRoles, name: str) -> None:
    holders = [role for role, permissions in stored.roles.items() if name in permissions.split()]
    if holders:
        faults = tuple(FieldError("name", "in_use", f"The role {role} has it.") for role in holders)
        raise ServiceError(Errors.IN_USE, f"held by {' '.join(holders)}", fields=faults)


def _fault(code: str, message: str) -> ServiceError:
    return ServiceError(Errors.VALIDATION_FAILED, f"name: {code}", fields=(FieldError("name", code, message),))
