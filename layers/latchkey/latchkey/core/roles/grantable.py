"""The roles that an operator may give: to accounts, clients, API keys and partners."""

from __future__ import annotations

from collections.abc import Iterable

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.roles.roles import Operator, Roles

ISSUE_PERMISSION = "token:issue"
"""The permission that lets a machine open sessions. No operator has it, and it adds no other right."""

OF_MACHINES = frozenset({ISSUE_PERMISSION})

_NAMED = 64  # characters of an unknown role that an answer repeats


def require_grantable(
    operator: Operator,
    roles: Iterable[str],
    registry: Roles,
    *,
    field: str = "roles",
    free: frozenset[str] = frozenset(),
) -> None:
    """Raise as `require_known` and `require_held` do."""
    given = tuple(roles)
    require_known(given, registry, field=field)
    require_held(operator, given, registry, free=free)


def require_known(roles: Iterable[str], registry: Roles, *, field: str = "roles") -> None:
    """Raise `VALIDATION_FAILED` for unknown roles, with an error of the member `field` for each."""
    unknown = sorted(role for role in set(roles) if not registry.effective_roles((role,)))
    if unknown:
        faults = tuple(FieldError(field, "unknown_role", f"{role[:_NAMED]} is not known.") for role in unknown)
        raise ServiceError(Errors.VALIDATION_FAILED, "unknown roles", fields=faults)


def require_held(
    operator: Operator, roles: Iterable[str], registry: Roles, *, free: frozenset[str] = frozenset()
) -> None:
    """Raise `FORBIDDEN` if the roles have permissions that the operator lacks, except those in `free`.

    An unknown role permits nothing.
    """
    if not operator.holds(set(registry.permissions(roles)) - free):
        raise ServiceError(Errors.FORBIDDEN, "a role with permissions that the operator lacks")
