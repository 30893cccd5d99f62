"""Roles and permissions."""

from __future__ import annotations

import pytest

from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS, RoleRegistry

USER_PERMISSIONS = ("hello:read", "profile:read", "profile:write", "sessions:end", "sessions:read")


@pytest.mark.parametrize("role", ["admin", "privacy", "service"])
def test_any_known_role_implies_user(role: str) -> None:
    """A user with any known role also has the role `user`."""
    assert BUILT_IN.effective_roles([role]) == tuple(sorted((role, "user")))


def test_the_user_role_stands_alone() -> None:
    """The user role implies no other."""
    assert BUILT_IN.effective_roles(["user"]) == ("user",)


@pytest.mark.parametrize("role", ["", "root", "Admin", "ADMIN", " admin", "admin ", "admin,user", "*", "confidential"])
def test_an_unknown_role_grants_nothing(role: str) -> None:
    """A name that does not match exactly is no role, and does not imply user either."""
    assert (BUILT_IN.effective_roles([role]), BUILT_IN.permissions([role])) == ((), ())


def test_an_unknown_role_beside_a_known_one_is_dropped() -> None:
    """Unknown roles leave the known ones as they are."""
    assert BUILT_IN.permissions(["root", "user"]) == USER_PERMISSIONS


def test_no_roles_permit_nothing() -> None:
    """Nothing is granted by default."""
    assert BUILT_IN.permissions([]) == ()


def test_roles_are_named_once() -> None:
    """A role given twice counts once, and the order given does not matter."""
    assert BUILT_IN.effective_roles(["user", "service", "admin", "service"]) == ("admin", "service", "user")


def test_an_admin_may_do_exactly_this() -> None:
    """The admin role spells out every area, and the user's permissions come with it. Only `token:issue` is missing."""
    areas = ("api_keys", "clients", "partners", "privacy", "roles", "signing", "users")
    spelled_out = {f"{area}:{action}" for area in areas for action in ("read", "write")}
    assert BUILT_IN.permissions(["admin"]) == tuple(
        sorted({*spelled_out, "users:export", "users:import", "audit:read", "signing:read_secret", *USER_PERMISSIONS})
    )
    assert PERMISSIONS - set(BUILT_IN.permissions(["admin"])) == {"token:issue"}


def test_only_services_mint_tokens_for_services() -> None:
    """No built-in role but `service` holds `token:issue`."""
    holders = {role for role in BUILT_IN.roles if "token:issue" in BUILT_IN.permissions([role])}
    assert holders == {"service"}


@pytest.mark.parametrize(
    "permission", ["*", "users:*", "Users:read", "users:read:extra", "users", " users:read", "users:read\n", ""]
)
def test_a_permission_that_is_no_exact_name_is_refused(permission: str) -> None:
    """Wildcards, capitals and blanks never get into a registry."""
    with pytest.raises(ValueError, match="not a permission"):
        RoleRegistry({"user": frozenset({permission})})


def test_a_registry_without_the_implied_role_is_refused() -> None:
    """The role that all others imply must exist."""
    with pytest.raises(ValueError, match="lacks the role"):
        RoleRegistry({"admin": frozenset()})


def test_a_registry_cannot_change_after_it_is_made() -> None:
    """A registry keeps its own copy of the mapping."""
    roles = {"user": frozenset({"hello:read"})}
    registry = RoleRegistry(roles)
    roles["user"] = frozenset({"users:write"})
    assert registry.permissions(["user"]) == ("hello:read",)
