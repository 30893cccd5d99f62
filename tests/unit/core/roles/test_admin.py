"""Custom roles: their permissions, and the operators who may change them."""

from __future__ import annotations

import pytest

from latchkey.core.errors import ServiceError
from latchkey.core.grants.issuing import Issuer
from latchkey.core.roles.admin import MAX_CUSTOM_ROLES, RoleAdmin
from latchkey.core.roles.roles import (
    BUILT_IN,
    PERMISSIONS,
    CustomRoles,
    Operator,
    RoleRegistry,
    StoredRoles,
    beyond_built_in,
    registry_with,
)
from tests.memory.store import MemoryStore
from tests.world import NOW, Kept, World

ADMIN = Operator("usr_boss", BUILT_IN.permissions(["admin"]), NOW)
CLERK = Operator("usr_clerk", ("roles:read", "roles:write", "users:read"), NOW)


@pytest.fixture
def admin() -> RoleAdmin:
    """A stack without roles of its own."""
    return RoleAdmin(MemoryStore(), Kept())


def test_role_permits_what_was_put(admin: RoleAdmin) -> None:
    """A new role is known at once, says that it is new, and implies user."""
    assert admin.put(ADMIN, "help_desk", ("users:write", "users:read", "users:read"))
    assert admin.permissions("help_desk") == ("users:read", "users:write")
    assert "profile:read" in admin.registry().permissions(["help_desk"])


def test_role_put_again_is_changed(admin: RoleAdmin) -> None:
    """It is not new the second time, and permits what it was given last."""
    admin.put(ADMIN, "help_desk", ("users:write",))
    assert not admin.put(ADMIN, "help_desk", ())
    assert admin.permissions("help_desk") == ()


@pytest.mark.parametrize("name", sorted(BUILT_IN.roles))
def test_built_in_role_stays(admin: RoleAdmin, name: str) -> None:
    """It is neither weakened nor removed."""
    for attempt in (lambda: admin.put(ADMIN, name, ()), lambda: admin.delete(ADMIN, name)):
        with pytest.raises(ServiceError, match="built_in_role"):
            attempt()
    assert admin.registry().roles[name] == BUILT_IN.roles[name]


@pytest.mark.parametrize("name", sorted(BUILT_IN.roles))
def test_stored_role_of_a_built_in_name_counts_for_nothing(name: str) -> None:
    """A built-in role stays the same, whatever the table says."""
    assert registry_with(CustomRoles(1, {name: "users:write"})).roles[name] == BUILT_IN.roles[name]


@pytest.mark.parametrize("permission", ["users:*", "*", "orders:read", "", "Users:read"])
def test_unknown_permission_is_refused(admin: RoleAdmin, permission: str) -> None:
    """A role holds nothing that no route asks for."""
    with pytest.raises(ServiceError, match="validation_failed"):
        admin.put(ADMIN, "help_desk", (permission,))


@pytest.mark.parametrize("name", ["", "Help", "1st", "a b", "a" * 33, "é", "a#b", "admin "])
def test_bad_name_is_refused(admin: RoleAdmin, name: str) -> None:
    """Names are lower-case words."""
    with pytest.raises(ServiceError, match="invalid_request"):
        admin.put(ADMIN, name, ())


def test_operators_cannot_put_what_they_lack_into_a_role(admin: RoleAdmin) -> None:
    """Operators cannot create such a role, extend their own role, or take such a permission from others."""
    admin.put(ADMIN, "auditor", ("audit:read",))
    for permissions in (("audit:read",), ()):
        with pytest.raises(ServiceError, match="forbidden"):
            admin.put(CLERK, "auditor", permissions)
    with pytest.raises(ServiceError, match="forbidden"):
        admin.delete(CLERK, "auditor")
    assert admin.put(CLERK, "reader", ("users:read",))


def test_deleted_role_grants_nothing(admin: RoleAdmin) -> None:
    """Its name becomes an unknown role."""
    admin.put(ADMIN, "help_desk", ("users:read",))
    admin.delete(ADMIN, "help_desk")
    assert admin.registry().permissions(["help_desk"]) == ()
    with pytest.raises(ServiceError, match="not_found"):
        admin.delete(ADMIN, "help_desk")


def test_roles_have_a_limit(admin: RoleAdmin) -> None:
    """A role over the limit is rejected. At the limit, a role can still be changed."""
    for number in range(MAX_CUSTOM_ROLES):
        admin.put(ADMIN, f"role{number}", ())
    with pytest.raises(ServiceError, match="limit_reached"):
        admin.put(ADMIN, "one_more", ())
    assert not admin.put(ADMIN, "role0", ("users:read",))


def test_change_beside_another_change_is_refused(admin: RoleAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is based on an outdated version writes nothing."""
    stale = admin.store.custom_roles()
    admin.put(ADMIN, "first", ())
    monkeypatch.setattr(admin.store, "custom_roles", lambda: stale)
    with pytest.raises(ServiceError, match="conflict"):
        admin.put(ADMIN, "second", ())


def test_built_in_roles_are_known_without_a_look() -> None:
    """Built-in roles need no look at the registry, except the permissions of an admin: a stack may add to them."""
    looks: list[int] = []

    def read() -> RoleRegistry:
        looks.append(1)
        return BUILT_IN

    roles = StoredRoles(read)
    assert (roles.permissions(["privacy", "user"]), roles.effective_roles(["admin"])) == (
        BUILT_IN.permissions(["privacy"]),
        ("admin", "user"),
    )
    assert not looks
    assert (roles.effective_roles(["other"]), roles.permissions(["admin"])) == ((), BUILT_IN.permissions(["admin"]))
    assert len(looks) == 2


def test_token_says_only_what_names_do_not() -> None:
    """Built-in roles add no claim; a role of one's own adds what it permits beyond them."""
    registry = registry_with(CustomRoles(1, {"desk": "users:read hello:read"}))
    assert beyond_built_in(registry, ["admin", "user"]) == ()
    assert beyond_built_in(registry, ["desk", "user"]) == ("users:read",)


def test_token_of_a_role_of_ones_own_carries_its_permissions(world: World) -> None:
    """The token then has the permissions beside the names of the roles."""
    registry = registry_with(CustomRoles(1, {"desk": "users:read"}))
    issuer = Issuer("latchkey", world.entropy, registry)
    policy = world.source.policy()
    answers = [issuer.for_client("cli_a", roles, policy, scope="", now=NOW) for roles in (("desk", "user"), ("user",))]
    assert [world.claims(answer).permissions for answer in answers] == [("users:read",), ()]


@pytest.mark.parametrize("role", ["clerk", "admin"])
def test_token_carries_the_permissions_that_a_stack_declares(world: World, role: str) -> None:
    """No verifier knows them, whether a role of the stack's own or the admin's gives them."""
    registry = registry_with(CustomRoles(1, {"clerk": "orders:read"}, permissions=("orders:read",)))
    issuer = Issuer("latchkey", world.entropy, registry)
    answer = issuer.for_client("cli_a", (role, "user"), world.source.policy(), scope="", now=NOW)
    assert world.claims(answer).permissions == ("orders:read",)


def test_every_permission_together_is_under_a_kilobyte() -> None:
    """For this reason no combination of roles makes a token that is too large."""
    assert len(" ".join(PERMISSIONS)) < 1024
