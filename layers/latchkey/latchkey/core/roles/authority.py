"""Authority: which operator may change what gives permissions.

An operator who changes an account, a role, a client, an API key or a partner must hold everything that it gives after
the change, not only what is new in it. A reduction is free: no one gains by it. Permissions alone are compared, never
the names of roles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.roles.roles import OF_MACHINES, OPERATOR_PERMISSIONS, Operator, RoleRegistry, below_operators
from latchkey.core.roles.scopes import OPENID_SCOPES

_NAMED = 64
"""Characters of an unknown name that an answer repeats."""

_MOST_NAMED = 10
"""Missing permissions that an answer names."""


class Act(Enum):
    """What an operator does to the authority that something gives."""

    STOP = "stop"  # disable it, or end its sessions
    KEEP = "keep"  # give no more than before: a reduction, or a change of a label
    GIVE = "give"  # anything else. To enable something again is to give all that it gives


@dataclass(frozen=True, slots=True)
class Authority:
    """An operator, measured against the roles of one moment."""

    operator: Operator
    registry: RoleRegistry

    def require(
        self,
        act: Act,
        *,
        before: Iterable[str] = (),
        after: Iterable[str] = (),
        free: frozenset[str] = frozenset(),
    ) -> None:
        """Raise `FORBIDDEN`, which names the missing permissions, unless the operator may do this.

        `before` and `after` are the permissions that the thing gives. If an operator's permission is among them that
        this operator lacks, it can only be stopped. To give, the operator must hold all of `after` except `free`.
        """
        if act is Act.STOP:
            return
        self._require_held(frozenset(before) & OPERATOR_PERMISSIONS - OF_MACHINES)
        if act is Act.GIVE:
            self._require_held(frozenset(after) - free)

    def require_for_account(self, act: Act, *, before: Iterable[str] = (), after: Iterable[str] = ()) -> None:
        """Raise as `require` does. Only an admin may touch an admin's account, and what customer roles give is free."""
        if self.registry.admin_permissions <= set(before):
            self.require_admin()
        customer = below_operators(self.registry, self.registry.customer_roles)
        self.require(act, before=before, after=after, free=frozenset(self.registry.permissions(customer)))

    def require_admin(self) -> None:
        """Raise `FORBIDDEN` unless the operator holds all that an admin holds."""
        self._require_held(self.registry.admin_permissions)

    def _require_held(self, permissions: frozenset[str]) -> None:
        missing = sorted(permissions - frozenset(self.operator.permissions))
        if missing:
            faults = tuple(FieldError("permissions", "not_held", _needs(each)) for each in missing[:_MOST_NAMED])
            raise ServiceError(Errors.FORBIDDEN, f"the operator lacks {' '.join(missing)}", fields=faults)


def require_known_roles(roles: Iterable[str], registry: RoleRegistry, *, field: str = "roles") -> None:
    """Raise `VALIDATION_FAILED` for unknown roles, with an error of the member `field` for each."""
    _require_none(sorted(set(roles) - registry.roles.keys()), field, "unknown_role")


def require_known_scopes(scopes: Collection[str], registry: RoleRegistry) -> None:
    """Raise `VALIDATION_FAILED` for scopes that are neither the name of a permission nor one of OpenID's."""
    _require_none(sorted(set(scopes).difference(known_scopes(scopes, registry))), "scopes", "unknown_scope")


def known_scopes(scopes: Iterable[str], registry: RoleRegistry) -> tuple[str, ...]:
    """Return those of `scopes` that are names of permissions, or OpenID's; in their order."""
    known = registry.all_permissions | OPENID_SCOPES
    return tuple(scope for scope in scopes if scope in known)


def given_by(registry: RoleRegistry, roles: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """Return the permissions that these roles and scopes give together. Unknown ones, and OpenID's, give nothing."""
    return frozenset({*registry.permissions(roles), *registry.all_permissions.intersection(scopes)})


def is_within(scopes: Iterable[str], before: Iterable[str], registry: RoleRegistry) -> bool:
    """Say whether these scopes name no permission that those before did not."""
    return registry.all_permissions.intersection(scopes) <= set(before)


def _require_none(unknown: list[str], field: str, code: str) -> None:
    if unknown:
        faults = tuple(FieldError(field, code, f"{each[:_NAMED]} is not known.") for each in unknown)
        raise ServiceError(Errors.VALIDATION_FAILED, code, fields=faults)


def _needs(permission: str) -> str:
    return f"This needs {permission}, which you do not have."
