"""Authority: operators hold all that something gives after their change, and each kind of operator can do its work."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from latchkey.core.clients.admin import NewClient
from latchkey.core.clients.api_keys import NewApiKey
from latchkey.core.clients.store import ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ApiKey, Client, ClientKind, MailKind, ProfileUpdates, Status, User, UserStatus
from latchkey.core.partners.admin import PartnerChanges
from latchkey.core.roles.roles import Operator
from latchkey.core.users.accounts import Registration
from latchkey.core.users.admin import Standing
from latchkey.core.users.transfer import Batch, ImportRecord
from tests.operator_world import OperatorWorld
from tests.partner_world import Signer, new_partner
from tests.world import NOW

ROLES = {
    "desk": "users:read users:write",
    "signer": "signing:write",
    "buyer": "orders:read",
    "seller": "orders:read orders:write",
    "empty": "",
}
SIGNER = Signer("k2")
DISABLE, ENABLE = Standing(UserStatus.DISABLED), Standing(UserStatus.ACTIVE)


@pytest.fixture
def world() -> OperatorWorld:
    """A stack with roles of its own; buyers are customers."""
    return OperatorWorld(ROLES, customer_roles=("user", "buyer"))


def refusal(act: Callable[[], Any], error: Errors = Errors.FORBIDDEN) -> set[str]:
    """Return what the error of a rejected act says about its members: the codes, or the missing permissions."""
    with pytest.raises(ServiceError) as raised:
        act()
    assert raised.value.error is error, raised.value.private
    return {
        each.message.split()[2].rstrip(",") if each.code == "not_held" else each.code for each in raised.value.fields
    }


# ---- Accounts ----


def test_account_above_an_operator_can_be_disabled_and_nothing_else(world: OperatorWorld) -> None:
    """The help desk can stop an operator whose token was stolen. Only a holder of the permission undoes it."""
    desk = world.operator("users:read", "users:write")
    sub = world.user("vic", "signer").sub
    assert world.user_admin.change(desk, sub, DISABLE).status is UserStatus.DISABLED
    world.user_admin.end_sessions(desk, sub)
    for wanted in (ENABLE, Standing(roles=("user",)), Standing(UserStatus.DISABLED, ("user",))):
        assert refusal(partial(world.user_admin.change, desk, sub, wanted)) == {"signing:write"}
    assert refusal(lambda: world.user_admin.send_reset(desk, sub, now=NOW)) == {"signing:write"}
    holder = replace(desk, permissions=(*desk.permissions, "signing:write"))
    assert world.user_admin.change(holder, sub, ENABLE).status is UserStatus.ACTIVE


def test_enabled_account_gives_all_that_it_holds(world: OperatorWorld) -> None:
    """An operator who lacks a permission of an account can take it away, and can enable the account without it."""
    desk = world.operator("users:write")
    sub = world.user("vic", "privacy", status=UserStatus.DISABLED).sub
    assert refusal(lambda: world.user_admin.change(desk, sub, ENABLE)) == {"privacy:read", "privacy:write"}
    world.user_admin.change(desk, sub, Standing(roles=("user",)))
    assert world.user_admin.change(desk, sub, ENABLE).status is UserStatus.ACTIVE


def test_what_was_there_before_counts_too(world: OperatorWorld) -> None:
    """An operator who gives one more role must hold all the others."""
    desk = world.operator("users:write", "orders:read")
    sub = world.user("vic", "privacy").sub
    change = Standing(roles=("privacy", "buyer"))
    assert refusal(lambda: world.user_admin.change(desk, sub, change)) == {"privacy:read", "privacy:write"}


@pytest.mark.parametrize("wanted", [DISABLE, ENABLE, Standing(roles=("user",))])
def test_only_an_admin_touches_an_admin(world: OperatorWorld, wanted: Standing) -> None:
    """An operator with every permission but one cannot, not even to disable the account."""
    boss = world.boss()
    world.user("one", "admin")
    sub = world.user("two", "admin").sub
    nearly = replace(boss, permissions=tuple(each for each in boss.permissions if each != "orders:read"))
    assert refusal(lambda: world.user_admin.change(nearly, sub, wanted)) == {"orders:read"}
    world.user_admin.change(boss, sub, wanted)


def test_name_of_a_role_is_never_compared(world: OperatorWorld) -> None:
    """Two roles that permit the same are the same, and a role without permissions gives nothing."""
    desk = world.operator("users:write")
    world.role_admin.put(world.boss(), "admin_in_name_only", ())
    sub = world.user("vic", "seller").sub
    assert world.user_admin.change(desk, sub, Standing(roles=("buyer", "admin_in_name_only"))).roles[0] == "buyer"


# ---- Customer roles ----


def test_customer_role_is_free_to_give_to_people(world: OperatorWorld) -> None:
    """The help desk opens accounts for buyers, though it cannot read orders. It gives no other role."""
    desk = world.operator("users:write", "users:import")
    made = world.user_admin.create(desk, Registration("a@example.com", None), ("buyer",), now=NOW)
    world.user_admin.change(desk, made.sub, Standing(roles=("user", "buyer")))
    record = ImportRecord("b@example.com", None, roles=("buyer",))
    report = world.transfer.bring_in(desk, Batch({0: record}), now=NOW, dry_run=False)
    assert (report.imported, report.refused) == (1, ())
    other = Registration("c@example.com", None)
    assert refusal(lambda: world.user_admin.create(desk, other, ("seller",), now=NOW)) == {"orders:write"}


def test_customer_role_is_not_free_to_give_to_machines(world: OperatorWorld) -> None:
    """A client and a partner give nothing that the operator lacks."""
    operator = world.operator("clients:write", "partners:write")
    client = NewClient(ClientKind.SERVICE, "Job", roles=("buyer",))
    assert refusal(lambda: world.client_admin.create(operator, client, now=NOW)) == {"orders:read"}
    partner = new_partner(role_map={"x": "buyer"})
    assert refusal(lambda: world.partner_admin.create(operator, partner, now=NOW)) == {"orders:read"}


def test_customer_roles_are_an_admins_to_choose(world: OperatorWorld) -> None:
    """A manager of roles cannot, even with roles that it holds."""
    manager = world.operator("roles:write", "orders:read", "orders:write")
    assert "audit:read" in refusal(lambda: world.role_admin.set_customer_roles(manager, ("seller",)))
    world.role_admin.set_customer_roles(world.boss(), ("seller", "privacy"))
    assert world.role_admin.customer_roles() == ("seller", "privacy")


@pytest.mark.parametrize(
    ("roles", "code"),
    [(("desk",), "operators_permission"), (("service",), "operators_permission"), (("nothing",), "unknown_role")],
)
def test_operators_role_is_no_customer_role(world: OperatorWorld, roles: tuple[str, ...], code: str) -> None:
    """Not even an admin can choose it."""
    assert refusal(lambda: world.role_admin.set_customer_roles(world.boss(), roles), Errors.VALIDATION_FAILED) == {code}
    assert world.role_admin.customer_roles() == ("user", "buyer")


def test_customer_role_never_gets_an_operators_permission(world: OperatorWorld) -> None:
    """It would make everyone an operator to whom a help desk gives the role."""
    put = lambda: world.role_admin.put(world.boss(), "buyer", ("orders:read", "users:read"))  # noqa: E731
    assert refusal(put, Errors.VALIDATION_FAILED) == {"operators_permission"}


def test_deleted_customer_role_is_none_when_it_comes_back(world: OperatorWorld) -> None:
    """An admin must choose it again."""
    boss = world.boss()
    world.role_admin.delete(boss, "buyer")
    world.role_admin.put(boss, "buyer", ("orders:write",))
    assert world.role_admin.customer_roles() == ("user",)


# ---- Roles ----


def test_role_can_be_reduced_by_anyone_who_may_change_roles(world: OperatorWorld) -> None:
    """The manager of roles need not hold what a role gives to take a part of it away."""
    manager = world.operator("roles:write")
    assert not world.role_admin.put(manager, "seller", ("orders:read",))
    assert refusal(lambda: world.role_admin.put(manager, "seller", ("orders:read", "orders:write"))) == {
        "orders:read",
        "orders:write",
    }


def test_role_of_operators_is_not_freed_for_partners(world: OperatorWorld) -> None:
    """A role that loses its last operator's permission can be given by partners again, so that is no reduction."""
    world.role_admin.put(world.boss(), "mixed", ("users:read", "orders:write"))
    manager = world.operator("roles:write", "users:read")
    assert refusal(lambda: world.role_admin.put(manager, "mixed", ("orders:write",))) == {"orders:write"}


def test_deleted_role_is_made_again_only_by_a_holder_of_what_it_gave(world: OperatorWorld) -> None:
    """Accounts and APIs may still know its name. The name is free again for an operator who holds what it gave."""
    world.role_admin.delete(world.boss(), "signer")
    manager = world.operator("roles:write")
    assert refusal(lambda: world.role_admin.put(manager, "signer", ())) == {"signing:write"}
    assert world.role_admin.put(world.operator("roles:write", "signing:write"), "signer", ())
    world.role_admin.delete(manager, "signer")
    assert world.role_admin.put(manager, "signer", ())


def test_machines_permission_needs_no_holder(world: OperatorWorld) -> None:
    """No person holds `token:issue`, and a role for machines may have it."""
    manager = world.operator("roles:write", "clients:write")
    assert world.role_admin.put(manager, "machine", ("token:issue",))
    client, _ = world.client_admin.create(manager, NewClient(ClientKind.SERVICE, "Job", roles=("machine",)), now=NOW)
    assert world.client_admin.change(manager, client.client_id, ClientChanges(name="Task")).name == "Task"


def test_person_never_gets_the_permission_of_machines(world: OperatorWorld) -> None:
    """Not even from an admin."""
    sub = world.user("ann", "user").sub
    assert refusal(lambda: world.user_admin.change(world.boss(), sub, Standing(roles=("service",)))) == {"token:issue"}


# ---- Clients and API keys ----


def test_scope_is_held_by_the_operator_who_gives_it(world: OperatorWorld) -> None:
    """A client gives its scopes through its users, so a scope counts like a role. OpenID's scopes are free."""
    team = world.operator("clients:write", "api_keys:write")
    asked = NewClient(ClientKind.SERVICE, "Job", scopes=("openid", "orders:write"))
    assert refusal(lambda: world.client_admin.create(team, asked, now=NOW)) == {"orders:write"}
    owner = world.client("web", scopes=("openid", "orders:write"))
    for scopes in (None, ("orders:write",)):
        key = NewApiKey(owner.client_id, "nightly", (), scopes)
        assert refusal(partial(world.key_admin.create, team, key, now=NOW)) == {"orders:write"}
    made, _ = world.key_admin.create(team, NewApiKey(owner.client_id, "nightly", (), ("openid",)), now=NOW)
    assert made.scopes == ("openid",)


@pytest.mark.parametrize("scope", ["admin:everything", "two words", "", "Orders:read", "x" * 70])
def test_unknown_scope_is_refused_by_name(world: OperatorWorld, scope: str) -> None:
    """A scope is the name of a permission, or one of OpenID's."""
    boss = world.boss()
    owner, web = world.client("web", scopes=(scope,)), world.partner("shop")
    acts = (
        lambda: world.client_admin.create(boss, NewClient(ClientKind.SERVICE, "Job", scopes=(scope,)), now=NOW),
        lambda: world.client_admin.change(boss, owner.client_id, ClientChanges(scopes=(scope,))),
        lambda: world.key_admin.create(boss, NewApiKey(owner.client_id, "n", (), (scope,)), now=NOW),
        lambda: world.partner_admin.create(boss, new_partner(scopes=(scope,)), now=NOW),
        lambda: world.partner_admin.change(boss, web.partner_id, PartnerChanges(scopes=(scope,)), now=NOW),
    )
    assert [refusal(act, Errors.VALIDATION_FAILED) for act in acts] == [{"unknown_scope"}] * len(acts)


def test_scope_that_is_no_longer_known_is_not_in_the_way(world: OperatorWorld) -> None:
    """Its client can be changed and gets keys, which do not have it."""
    boss, owner = world.boss(), world.client("web", scopes=("gone:read", "orders:read"))
    assert world.client_admin.change(boss, owner.client_id, ClientChanges(name="Web")).name == "Web"
    key, _ = world.key_admin.create(boss, NewApiKey(owner.client_id, "nightly"), now=NOW)
    assert key.scopes == ("orders:read",)


REDUCTIONS = (
    ClientChanges(scopes=()),
    ClientChanges(roles=("user",)),
    ClientChanges(redirect_uris=(), grants=()),
    ClientChanges(name="Web", status=Status.DISABLED),
)


@pytest.mark.parametrize("changes", REDUCTIONS)
def test_client_can_be_reduced_by_anyone_who_may_change_clients(world: OperatorWorld, changes: ClientChanges) -> None:
    """A reduction gives nothing to anyone."""
    team = world.operator("clients:write")
    client = world.client("web", roles=("privacy",), scopes=("orders:read",))
    assert world.client_admin.change(team, client.client_id, changes)
    world.client_admin.delete(team, client.client_id)


@pytest.mark.parametrize(
    "changes",
    [
        ClientChanges(redirect_uris=("https://eve.example/",)),
        ClientChanges(grants=("client_credentials",)),
        ClientChanges(scopes=("orders:read", "privacy:read")),
        ClientChanges(status=Status.ACTIVE),
        ClientChanges(scopes=(), redirect_uris=("https://eve.example/",)),
    ],
)
def test_client_that_gets_anything_gives_all_that_it_has(world: OperatorWorld, changes: ClientChanges) -> None:
    """An address, a grant, a scope and a status each give what the client gives. So does a secret."""
    team = world.operator("clients:write", "orders:read")
    client = replace(world.client("web", roles=("privacy",), scopes=("orders:read",)), status=Status.DISABLED)
    world.store.update_client(client.client_id, ClientChanges(status=Status.DISABLED))
    change = lambda: world.client_admin.change(team, client.client_id, changes)  # noqa: E731
    assert refusal(change) >= {"privacy:read", "privacy:write"}
    assert refusal(lambda: world.client_admin.add_secret(team, client.client_id)) >= {"privacy:read", "privacy:write"}
    assert world.store.find_client(client.client_id) == client


def test_first_party_client_is_an_admins(world: OperatorWorld) -> None:
    """It gives everything that its users have. So an admin changes its addresses, secrets, keys and the mark itself."""
    team = world.operator("clients:write", "api_keys:write", "orders:read")
    app, other = world.client("ours", first_party=True), world.client("web")
    key = ApiKey("kid", app.client_id, "nightly", "0" * 64, NOW)
    world.store.create_api_key(key)
    acts = (
        lambda: world.client_admin.change(team, app.client_id, ClientChanges(redirect_uris=("https://eve.example/",))),
        lambda: world.client_admin.change(team, app.client_id, ClientChanges(name="Eve")),
        lambda: world.client_admin.add_secret(team, app.client_id),
        lambda: world.client_admin.delete(team, app.client_id),
        lambda: world.client_admin.change(team, other.client_id, ClientChanges(first_party=True)),
        lambda: world.client_admin.change(team, app.client_id, ClientChanges(first_party=False)),
        lambda: world.client_admin.change(team, "cli_app", ClientChanges(redirect_uris=("https://eve.example/",))),
        lambda: world.client_admin.create(team, NewClient(ClientKind.PUBLIC, "Eve", first_party=True), now=NOW),
        lambda: world.key_admin.create(team, NewApiKey(app.client_id, "n", (), ()), now=NOW),
        lambda: world.key_admin.rotate(team, key.key_id, 0, now=NOW),
    )
    assert all("audit:read" in refusal(act) for act in acts)
    assert world.client_admin.change(team, app.client_id, ClientChanges(status=Status.DISABLED))
    assert world.client_admin.change(world.boss(), other.client_id, ClientChanges(first_party=True)).first_party


def test_client_that_changes_meanwhile_is_not_given_back_what_it_lost(
    world: OperatorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reduction that is based on an outdated list is a conflict."""
    client = world.client("web", scopes=("orders:read", "orders:write"))
    world.client_admin.change(world.boss(), client.client_id, ClientChanges(scopes=("openid",)))
    monkeypatch.setattr(world.store, "find_client", lambda _: client)
    team = world.operator("clients:write")
    reduce = lambda: world.client_admin.change(team, client.client_id, ClientChanges(scopes=("orders:write",)))  # noqa: E731
    refusal(reduce, Errors.CONFLICT)


def test_key_above_an_operator_can_be_disabled_and_nothing_else(world: OperatorWorld) -> None:
    """The scopes of a key count as its roles do."""
    team, owner = world.operator("api_keys:write"), world.client("web", scopes=("signing:write",))
    key, _ = world.key_admin.create(world.boss(), NewApiKey(owner.client_id, "nightly"), now=NOW)
    world.key_admin.change(team, key.key_id, ApiKeyChanges(status=Status.DISABLED))
    acts = (
        lambda: world.key_admin.change(team, key.key_id, ApiKeyChanges(status=Status.ACTIVE)),
        lambda: world.key_admin.change(team, key.key_id, ApiKeyChanges(name="x")),
        lambda: world.key_admin.delete(team, key.key_id),
    )
    assert [refusal(act) for act in acts] == [{"signing:write"}] * 3


def test_enabled_key_gives_all_that_it_has(world: OperatorWorld) -> None:
    """To disable, rename or delete a key is free. To enable or rotate it, the operator must hold what it gives."""
    team, owner = world.operator("api_keys:write"), world.client("web", scopes=("orders:read",))
    key, _ = world.key_admin.create(world.boss(), NewApiKey(owner.client_id, "nightly"), now=NOW)
    assert refusal(lambda: world.key_admin.rotate(team, key.key_id, 0, now=NOW)) == {"orders:read"}
    world.key_admin.change(team, key.key_id, ApiKeyChanges(name="x", status=Status.DISABLED))
    enable = ApiKeyChanges(status=Status.ACTIVE)
    assert refusal(lambda: world.key_admin.change(team, key.key_id, enable)) == {"orders:read"}
    holder = world.operator("api_keys:write", "orders:read")
    assert world.key_admin.change(holder, key.key_id, enable).status is Status.ACTIVE
    world.key_admin.delete(team, key.key_id)


# ---- Partners ----

GIVING = (
    PartnerChanges(role_map={"x": "buyer", "y": "seller"}),
    PartnerChanges(role_map={"y": "buyer"}),
    PartnerChanges(default_roles=("buyer",)),
    PartnerChanges(clients=("cli_app", "cli_web")),
    PartnerChanges(scopes=("openid", "hello:read")),
    PartnerChanges(org="acme"),
    PartnerChanges(profile_updates=ProfileUpdates.ALWAYS),
    PartnerChanges(managed=True),
    PartnerChanges(audience="x"),
    PartnerChanges(allow_missing=("aud",)),
    PartnerChanges(name="Eve", org="acme"),
)


@pytest.mark.parametrize("changes", GIVING)
def test_partner_that_gets_anything_gives_all_that_it_has(world: OperatorWorld, changes: PartnerChanges) -> None:
    """The map and every member that decides for whom it works are one thing."""
    manager = world.operator("partners:write")
    world.client("web")
    shop = world.partner("shop", role_map={"x": "buyer"})
    act = lambda: world.partner_admin.change(manager, shop.partner_id, changes, now=NOW)  # noqa: E731
    assert "orders:read" in refusal(act)
    assert world.store.find_partner(shop.partner_id) == shop
    holder = replace(manager, permissions=(*manager.permissions, "orders:read", "orders:write"))
    assert world.partner_admin.change(holder, shop.partner_id, changes, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        PartnerChanges(role_map={}),
        PartnerChanges(role_map={"x": "user"}),
        PartnerChanges(default_roles=()),
        PartnerChanges(clients=()),
        PartnerChanges(scopes=()),
        PartnerChanges(name="Eve", max_users=3, tokens_per_minute=9),
        PartnerChanges(status=Status.DISABLED, role_map={}),
    ],
)
def test_partner_can_be_reduced_by_anyone_who_may_change_partners(
    world: OperatorWorld, changes: PartnerChanges
) -> None:
    """A smaller map, and limits, give nothing to anyone."""
    manager = world.operator("partners:write")
    shop = world.partner("shop", role_map={"x": "buyer"})
    assert world.partner_admin.change(manager, shop.partner_id, changes, now=NOW)
    assert world.partner_admin.remove_key(manager, shop.partner_id, "k1").keys == {}
    world.partner_admin.delete(manager, shop.partner_id)


@pytest.mark.parametrize(
    "changes",
    [
        PartnerChanges(role_map={"x": "privacy"}),
        PartnerChanges(default_roles=("privacy",)),
        PartnerChanges(scopes=("openid", "privacy:read")),
    ],
)
def test_manager_of_partners_gives_nothing_that_they_lack(world: OperatorWorld, changes: PartnerChanges) -> None:
    """Whether by the map, by the default or by the scopes."""
    manager = world.operator("partners:write")
    shop = world.partner("shop")
    assert "privacy:read" in refusal(lambda: world.partner_admin.change(manager, shop.partner_id, changes, now=NOW))


# ---- Permissions of a stack's own ----


def test_declared_permission_is_a_permission_and_a_scope(world: OperatorWorld) -> None:
    """Every admin holds it at once, and roles, clients and keys may have it."""
    assert world.permission_admin.declare(world.boss(), "invoices:read")
    boss = world.boss()
    assert "invoices:read" in boss.permissions
    assert world.role_admin.put(boss, "clerk", ("invoices:read",))
    asked = NewClient(ClientKind.SERVICE, "Job", scopes=("invoices:read",))
    client, _ = world.client_admin.create(boss, asked, now=NOW)
    assert client.scopes == ("invoices:read",)
    assert not world.permission_admin.declare(boss, "invoices:read")


def test_only_an_admin_declares_and_deletes_permissions(world: OperatorWorld) -> None:
    """The permission to change roles is not enough, since all admins get and lose them."""
    manager = world.operator("roles:write", "orders:read", "orders:write")
    for act in (world.permission_admin.declare, world.permission_admin.delete):
        assert "audit:read" in refusal(partial(act, manager, "orders:read"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("users:write", "built_in"),
        ("token:issue", "built_in"),
        ("openid", "reserved"),
        ("offline_access", "reserved"),
        ("", "bad_format"),
        ("two words", "bad_format"),
        ('quo"te', "bad_format"),
        ("back\\slash", "bad_format"),
        ("é", "bad_format"),
        ("x" * 65, "bad_format"),
        ("line\n", "bad_format"),
    ],
)
def test_permission_that_cannot_be_declared_says_why(world: OperatorWorld, name: str, code: str) -> None:
    """A permission is a scope token of RFC 6749 that has no meaning yet."""
    before = world.store.custom_roles()
    declare = lambda: world.permission_admin.declare(world.boss(), name)  # noqa: E731
    assert refusal(declare, Errors.VALIDATION_FAILED) == {code}
    assert world.store.custom_roles() == before


@pytest.mark.parametrize("name", ["x", "Orders.Read", "https://api.example/orders", "a:b:c", "!#$%&'()*+", "x" * 64])
def test_any_scope_token_can_be_declared(world: OperatorWorld, name: str) -> None:
    """Other systems spell scopes in their own ways."""
    world.permission_admin.declare(world.boss(), name)
    world.role_admin.put(world.boss(), "clerk", (name,))
    assert name in world.role_admin.registry().permissions(("clerk",))
    assert name in world.role_admin.registry().permissions(("admin",))


def test_permissions_have_a_limit_in_number_and_in_length(world: OperatorWorld) -> None:
    """Tokens of admins carry them all."""
    for number in range(38):
        world.permission_admin.declare(world.boss(), f"p{number}")
    refusal(lambda: world.permission_admin.declare(world.boss(), "one_more"), Errors.LIMIT_REACHED)
    other = OperatorWorld()
    for number in range(15):
        other.permission_admin.declare(other.boss(), f"{number:064d}")
    refusal(lambda: other.permission_admin.declare(other.boss(), "x" * 64), Errors.LIMIT_REACHED)


def test_permission_that_a_role_has_is_not_deleted(world: OperatorWorld) -> None:
    """The answer names the roles. Without them the permission goes, and is no scope any more."""
    boss = world.boss()
    assert refusal(lambda: world.permission_admin.delete(boss, "orders:read"), Errors.IN_USE) == {"in_use"}
    for role in ("buyer", "seller"):
        world.role_admin.put(boss, role, ())
    world.permission_admin.delete(boss, "orders:read")
    assert "orders:read" not in world.role_admin.registry().all_permissions
    refusal(lambda: world.permission_admin.delete(world.boss(), "orders:read"), Errors.NOT_FOUND)
    refusal(lambda: world.permission_admin.delete(world.boss(), "users:read"), Errors.VALIDATION_FAILED)


# ---- What an ordinary operator of each kind can do ----


@dataclass(frozen=True)
class Scene:
    """A stack in which the operators work."""

    world: OperatorWorld
    operator: Operator
    ann: User
    web: Client

    def _create_user(self) -> object:
        return self.world.user_admin.create(self.operator, Registration("new@example.com", None), ("buyer",), now=NOW)

    def _disable_user(self) -> object:
        return self.world.user_admin.change(self.operator, self.ann.sub, DISABLE)

    def _enable_user(self) -> object:
        bob = self.world.user("bob", "user", "buyer", status=UserStatus.DISABLED)
        return self.world.user_admin.change(self.operator, bob.sub, ENABLE)

    def _make_buyer(self) -> object:
        return self.world.user_admin.change(self.operator, self.ann.sub, Standing(roles=("user", "buyer")))

    def _make_desk(self) -> object:
        return self.world.user_admin.change(self.operator, self.ann.sub, Standing(roles=("user", "desk")))

    def _make_admin(self) -> object:
        return self.world.user_admin.change(self.operator, self.ann.sub, Standing(roles=("admin",)))

    def _reset_password(self) -> object:
        self.world.user_admin.send_reset(self.operator, self.ann.sub, now=NOW)
        return [mail.about for mail in self.world.waiting()] == [MailKind.RESET]

    def _create_client(self) -> object:
        asked = NewClient(ClientKind.CONFIDENTIAL, "Site", ("https://site.example/",), ("openid", "orders:read"))
        return self.world.client_admin.create(self.operator, asked, now=NOW)

    def _rotate_secret(self) -> object:
        return self.world.client_admin.add_secret(self.operator, self.web.client_id)

    def _create_service_key(self) -> object:
        asked = NewClient(ClientKind.SERVICE, "Job", roles=("service",))
        owner, _ = self.world.client_admin.create(self.operator, asked, now=NOW)
        return self.world.key_admin.create(self.operator, NewApiKey(owner.client_id, "nightly"), now=NOW)

    def _rotate_key(self) -> object:
        made, _ = self.world.key_admin.create(self.world.boss(), NewApiKey(self.web.client_id, "nightly"), now=NOW)
        return self.world.key_admin.rotate(self.operator, made.key_id, 0, now=NOW)

    def _create_partner(self) -> object:
        asked = new_partner(keys=(SIGNER.key(),), role_map={"staff": "buyer"}, org="acme")
        return self.world.partner_admin.create(self.operator, asked, now=NOW)

    def _rotate_partner_key(self) -> object:
        shop = self.world.partner("shop", role_map={"staff": "buyer"})
        return self.world.partner_admin.add_key(self.operator, shop.partner_id, SIGNER.key())

    def _create_role(self) -> object:
        return self.world.role_admin.put(self.operator, "reader", ("orders:read",))

    def _delete_role(self) -> object:
        self.world.role_admin.delete(self.operator, "seller")
        return True

    def _declare_permission(self) -> object:
        return self.world.permission_admin.declare(self.operator, "invoices:read")


EVERYTHING = {name[1:] for name in vars(Scene) if re.match("_[a-z]", name)}
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "help desk": (
        {"users:read", "users:write"},
        {"create_user", "disable_user", "enable_user", "make_buyer", "make_desk", "reset_password"},
    ),
    "API team": (
        {"clients:read", "clients:write", "api_keys:read", "api_keys:write", "orders:read"},
        {"create_client", "rotate_secret", "create_service_key", "rotate_key"},
    ),
    "manager of partners": (
        {"partners:read", "partners:write", "orders:read"},
        {"create_partner", "rotate_partner_key"},
    ),
    "manager of roles": ({"roles:read", "roles:write", "orders:read"}, {"create_role", "delete_role"}),
    "auditor": ({"audit:read", "users:read", "roles:read"}, set()),
    "admin": (set(), EVERYTHING),
}
"""Each kind of operator: what it holds beyond a user, and what it can do. The routes ask for `NEEDS` besides."""

NEEDS = {
    "user": "users:write",
    "buyer": "users:write",
    "desk": "users:write",
    "admin": "users:write",
    "password": "users:write",
    "client": "clients:write",
    "secret": "clients:write",
    "key": "api_keys:write",
    "partner": "partners:write",
    "role": "roles:write",
    "permission": "roles:write",
}


def is_routed(name: str, operator: Operator) -> bool:
    """Say whether the routes of an act let this operator pass."""
    noun = "partner" if "partner" in name else name.rsplit("_", maxsplit=1)[-1]
    return NEEDS[noun] in operator.permissions


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_ordinary_operator_can_do_this_and_no_more(world: OperatorWorld, kind: str, name: str) -> None:
    """The rule stays usable: each kind of operator does its own work, and only an admin does all of it."""
    permissions, able = KINDS[kind]
    operator = world.boss() if kind == "admin" else world.operator(*permissions)
    web = world.client("web", scopes=("openid", "orders:read"))
    scene = Scene(world, operator, world.user("ann", "user"), web)
    world.user("boss", "admin")
    if not is_routed(name, operator):
        assert name not in able
    elif name in able:
        assert getattr(scene, f"_{name}")()
    else:
        assert refusal(getattr(scene, f"_{name}"))
