"""Whatever operators do, in any order: no one gets authority that the operator who acted does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.clients.admin import NewClient
from latchkey.core.clients.api_keys import NewApiKey
from latchkey.core.clients.store import ApiKeyChanges, ClientChanges
from latchkey.core.errors import ServiceError
from latchkey.core.model import ApiKey, ClientKind, ProfileUpdates, Status, UserStatus
from latchkey.core.partners.admin import PartnerChanges
from latchkey.core.roles.roles import OF_MACHINES, OPERATOR_PERMISSIONS, Operator, RoleRegistry, below_operators
from latchkey.core.users.accounts import Registration
from latchkey.core.users.admin import Standing
from latchkey.core.users.transfer import Batch, ImportRecord
from tests.operator_world import OperatorWorld
from tests.partner_world import Signer, new_partner
from tests.world import NOW

SIGNERS = (Signer("k1"), Signer("k2"))
NAMES = ("r0", "r1", "r2", "gone")
USERS, CLIENTS, PARTNERS = ("usr_u0", "usr_u1"), ("cli_c0", "cli_c1"), ("prt_p0", "prt_p1")
PERMISSIONS = ("users:write", "clients:write", "signing:write", "privacy:read", "orders:read", "orders:write")
HELD = st.lists(st.sampled_from(PERMISSIONS), max_size=3, unique=True).map(tuple)
OF_CUSTOMERS = st.lists(st.sampled_from(PERMISSIONS[3:]), min_size=1, unique=True).map(tuple)
PERMITTED = st.lists(st.sampled_from((*PERMISSIONS, "token:issue")), max_size=3, unique=True).map(tuple)
ROLES = st.lists(st.sampled_from((*NAMES, "user", "admin", "privacy", "service")), max_size=3, unique=True).map(tuple)
SCOPES = st.lists(st.sampled_from((*PERMISSIONS, "openid", "unknown")), max_size=3, unique=True).map(tuple)
PARTNER_ROLES = st.lists(st.sampled_from((*NAMES, "user", "privacy")), max_size=2, unique=True).map(tuple)
MAP = st.dictionaries(st.sampled_from(("x", "y")), st.sampled_from((*NAMES, "user", "privacy")), max_size=2)
ADDRESSES = st.lists(st.sampled_from(("https://a.example/", "https://b.example/")), max_size=2, unique=True).map(tuple)
STATUS = st.sampled_from(tuple(Status))
USER_STATUS = st.sampled_from((UserStatus.ACTIVE, UserStatus.DISABLED))

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Gives:
    """The authority of one thing, and the handles by which someone may use it. `record` is all that is stored of it."""

    permissions: frozenset[str]
    handles: frozenset[object]
    record: object


def authority(world: OperatorWorld) -> dict[str, Gives]:
    """Return what every account, role, client, key and partner gives at this moment."""
    registry = world.role_admin.registry()
    clients = {each.client_id: each for each in world.store.list_clients(after="", limit=99).items}
    found = {
        f"role {name}": Gives(permissions, frozenset(), permissions) for name, permissions in registry.roles.items()
    }
    for user in world.store.list_users(after="", limit=99).items:
        found[user.sub] = gives(
            registry.permissions(user.roles), {"account"}, user, active=user.status is UserStatus.ACTIVE
        )
    for client in clients.values():
        scopes = registry.all_permissions.intersection(client.scopes)
        everything = registry.admin_permissions if client.first_party else ()
        handles = {*client.redirect_uris, *client.secret_hashes, *client.grants, client.first_party}
        active = client.status is Status.ACTIVE
        permissions = {*registry.permissions(client.roles), *scopes, *everything}
        found[client.client_id] = gives(permissions, handles, client, active=active)
    for key in world.store.list_api_keys("", after="", limit=99).items:
        found[key.key_id] = of_key(key, registry, clients)
    for partner in world.store.list_partners(after="", limit=99).items:
        roles = below_operators(registry, {*partner.role_map.values(), *partner.default_roles})
        members = ("jwks_uri", "audience", "tenant", "org", "profile_updates", "managed")
        handles = {*partner.keys, *partner.clients, *partner.allow_missing}
        handles |= {f"{name} {value}" for name in members if (value := getattr(partner, name))}
        scopes = registry.all_permissions.intersection(partner.scopes)
        active = partner.status is Status.ACTIVE
        found[partner.partner_id] = gives({*registry.permissions(roles), *scopes}, handles, partner, active=active)
    return found


def of_key(key: ApiKey, registry: RoleRegistry, clients: Mapping[str, Any]) -> Gives:
    """Return what a key gives: what it and its client have."""
    owner = clients[key.client_id]
    roles = [role for role in key.roles if role in owner.roles]
    scopes = registry.all_permissions.intersection(key.scopes).intersection(owner.scopes)
    everything = registry.admin_permissions if owner.first_party else ()
    active = key.status is owner.status is Status.ACTIVE
    return gives({*registry.permissions(roles), *scopes, *everything}, {key.secret_hash}, key, active=active)


def gives(permissions: Any, handles: set[Any], record: object, *, active: bool) -> Gives:
    """Return what something gives; nothing while it is disabled."""
    return Gives(frozenset(permissions if active else ()), frozenset(handles if active else ()), record)


NOTHING = Gives(frozenset(), frozenset(), None)


def check(operator: Operator, free: frozenset[str], before: dict[str, Gives], after: dict[str, Gives]) -> None:
    """Raise `AssertionError` if anything gives what the operator lacks because of what the operator did."""
    for name in before.keys() | after.keys():
        old, new = before.get(name, NOTHING), after.get(name, NOTHING)
        may = {*operator.permissions, *OF_MACHINES, *(free if name.startswith("usr_") else ())}
        assert new.permissions - old.permissions <= may, f"{name} grows"
        if new.handles - old.handles:
            assert new.permissions <= may, f"{name} is opened"
        if (old.permissions & OPERATOR_PERMISSIONS) - may and new.record != old.record:
            assert stopped(old.record) == stopped(new.record), f"{name} is more than stopped"
            assert new.permissions == frozenset(), f"{name} is not stopped"


def stopped(record: Any) -> object:
    """Return a record without what a stop changes."""
    assert hasattr(record, "status"), "it is gone, or a role"
    members: dict[str, Any] = {"status": None}
    members |= {name: 0 for name in ("epoch", "version", "closed_until") if hasattr(record, name)}
    return replace(record, **members)


def populate(world: OperatorWorld, draw: Draw) -> None:
    """Fill the stack: with operators' roles where none may be, too."""
    stored = world.store.custom_roles()
    roles = {name: " ".join(draw(PERMITTED)) for name in NAMES[1:3]} | {"r0": " ".join(draw(OF_CUSTOMERS))}
    deleted = (f"gone {' '.join(draw(PERMITTED))}",) if draw(st.booleans()) else ()
    changed = replace(stored, version=2, roles=roles, deleted=deleted, customer_roles=draw(ROLES))
    assert world.store.replace_roles(changed)
    for sub in USERS:
        world.user(sub.removeprefix("usr_"), *draw(ROLES), status=draw(USER_STATUS))
    for client_id in CLIENTS:
        name, first_party = client_id.removeprefix("cli_"), draw(st.integers(0, 4)) == 0
        client = world.client(name, roles=draw(ROLES), scopes=draw(SCOPES), first_party=first_party)
        world.store.update_client(client_id, ClientChanges(status=draw(STATUS)))
        key = ApiKey(f"key_{name}", client_id, "nightly", f"hash {name}", NOW, client.scopes, client.roles)
        world.store.create_api_key(replace(key, status=draw(STATUS)))
    for partner_id in PARTNERS:
        name = partner_id.removeprefix("prt_")
        partner = world.partner(name, role_map=draw(MAP), default_roles=draw(PARTNER_ROLES), scopes=draw(SCOPES))
        assert world.store.replace_partner(replace(partner, version=2, status=draw(STATUS)))


def optional(draw: Draw, **members: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Return values for two of the members at most: an act that changes many is nearly always a gift."""
    names = draw(st.lists(st.sampled_from(sorted(members)), min_size=1, max_size=2, unique=True))
    return {name: draw(members[name]) for name in names}


def on_users(world: OperatorWorld, operator: Operator, draw: Draw) -> None:
    """Open, import or change an account, or end its sessions."""
    sub, login = draw(st.sampled_from(USERS)), f"new{len(world.journal.events)}@example.com"
    match draw(st.integers(0, 5)):
        case 0:
            world.user_admin.create(operator, Registration(login, None), draw(ROLES), now=NOW)
        case 1:
            record = ImportRecord(login, None, roles=draw(ROLES) or ("user",))
            world.transfer.bring_in(operator, Batch({0: record}), now=NOW, dry_run=False)
        case 2:
            world.user_admin.end_sessions(operator, sub)
        case _:
            world.user_admin.change(operator, sub, Standing(**optional(draw, status=USER_STATUS, roles=ROLES)))


def on_roles(world: OperatorWorld, operator: Operator, draw: Draw) -> None:
    """Change roles, customer roles or permissions."""
    match draw(st.integers(0, 7)):
        case 0:
            world.role_admin.set_customer_roles(operator, draw(ROLES))
        case 1:
            world.permission_admin.declare(operator, draw(st.sampled_from(("unknown", "orders:read"))))
        case 2:
            world.permission_admin.delete(operator, draw(st.sampled_from(("unknown", "orders:read"))))
        case 3 | 4:
            world.role_admin.delete(operator, draw(st.sampled_from(NAMES)))
        case _:
            world.role_admin.put(operator, draw(st.sampled_from(NAMES)), draw(PERMITTED))


def on_clients(world: OperatorWorld, operator: Operator, draw: Draw) -> None:
    """Register, change or delete a client, or exchange a secret."""
    client_id = draw(st.sampled_from(CLIENTS))
    match draw(st.integers(0, 6)):
        case 0:
            asked = NewClient(ClientKind.CONFIDENTIAL, "New", draw(ADDRESSES), draw(SCOPES), None, draw(ROLES))
            world.client_admin.create(operator, replace(asked, first_party=draw(st.booleans())), now=NOW)
        case 1:
            world.client_admin.add_secret(operator, client_id)
        case 2:
            world.client_admin.remove_secret(operator, client_id, "0" * 16)
        case 3:
            world.client_admin.delete(operator, client_id)
        case _:
            members = optional(
                draw,
                roles=ROLES,
                scopes=SCOPES,
                redirect_uris=ADDRESSES,
                status=STATUS,
                first_party=st.booleans(),
                grants=st.sampled_from(((), ("client_credentials",))),
            )
            world.client_admin.change(operator, client_id, ClientChanges(**members))


def on_keys(world: OperatorWorld, operator: Operator, draw: Draw) -> None:
    """Create, change, rotate or delete an API key."""
    client_id = draw(st.sampled_from(CLIENTS))
    key_id = client_id.replace("cli_", "key_")
    match draw(st.integers(0, 5)):
        case 0:
            asked = NewApiKey(client_id, "new", **optional(draw, roles=ROLES, scopes=SCOPES))
            world.key_admin.create(operator, asked, now=NOW)
        case 1 | 2:
            world.key_admin.rotate(operator, key_id, 60, now=NOW)
        case 3:
            world.key_admin.delete(operator, key_id)
        case _:
            changes = ApiKeyChanges(**optional(draw, status=STATUS, name=st.just("other")))
            world.key_admin.change(operator, key_id, changes)


def on_partners(world: OperatorWorld, operator: Operator, draw: Draw) -> None:
    """Register, change or delete a partner, or exchange a key."""
    partner_id, signer = draw(st.sampled_from(PARTNERS)), draw(st.sampled_from(SIGNERS))
    settings = {
        "role_map": MAP,
        "default_roles": PARTNER_ROLES,
        "scopes": SCOPES,
        "org": st.sampled_from(("", "acme")),
        "audience": st.just("x"),
        "allow_missing": st.sampled_from(((), ("aud",))),
        "profile_updates": st.sampled_from(tuple(ProfileUpdates)),
        "status": STATUS,
        "max_users": st.just(3),
        "managed": st.booleans(),
        "clients": st.sampled_from(((), ("cli_app",), ("cli_app", "cli_c0"))),
    }
    match draw(st.integers(0, 6)):
        case 0:
            members = optional(draw, **settings)
            issuer = f"https://new{len(world.journal.events)}.example"
            world.partner_admin.create(operator, new_partner("New", issuer, keys=(signer.key(),), **members), now=NOW)
        case 1:
            world.partner_admin.add_key(operator, partner_id, signer.key())
        case 2:
            world.partner_admin.remove_key(operator, partner_id, "k1")
        case 3:
            world.partner_admin.delete(operator, partner_id)
        case _:
            world.partner_admin.change(operator, partner_id, PartnerChanges(**optional(draw, **settings)), now=NOW)


ACTS = (on_partners, on_keys, on_clients, on_roles, on_users)


@given(st.data())
def test_no_one_gets_what_the_operator_lacks(data: st.DataObject) -> None:
    """Nothing gives more, and no one gets at what something gives, beyond what the operator who acts holds.

    What gives an operator's permission that the operator lacks is at most stopped. Customer roles are free for people.
    Admins hold everything, so they are not asked.
    """
    world = OperatorWorld()
    populate(world, data.draw)
    for _ in range(data.draw(st.integers(1, 20))):
        operator = world.operator(*data.draw(HELD))
        act = data.draw(st.sampled_from(ACTS))
        before, registry = authority(world), world.role_admin.registry()
        free = frozenset(registry.permissions(below_operators(registry, registry.customer_roles)))
        with suppress(ServiceError):
            act(world, operator, data.draw)
        check(operator, free, before, authority(world))
