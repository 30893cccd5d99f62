"""Partners as operators manage them: operators cannot map roles above their own, and records are consistent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Partner, Status
from latchkey.core.partners.admin import MAX_KEYS, PartnerChanges, read_key
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, Operator, StoredRoles, registry_with
from latchkey.signing.policy import Moment, plan_issuer_move
from tests.partner_world import ADMIN, PartnerWorld, Signer, new_partner, refuses
from tests.world import NOW

CUSTOM = CustomRoles(
    1, {"desk": "hello:read", "helper": "users:read", "keys": "api_keys:read", "private": "privacy:read"}
)


MANAGER = Operator("usr_manager", (*BUILT_IN.permissions(("user",)), "partners:write"), NOW)


def change(world: PartnerWorld, partner: Partner, **members: Any) -> Partner:
    """Change a partner as a manager of partners, who is not an admin."""
    return world.admin.change(MANAGER, partner.partner_id, PartnerChanges(**members), now=NOW)


@pytest.fixture
def world() -> PartnerWorld:
    """A stack with roles of its own."""
    world = PartnerWorld()
    world.admin = replace(world.admin, roles=StoredRoles(lambda: registry_with(CUSTOM)))
    return world


@pytest.mark.parametrize("role", ["admin", "service", "helper", "keys"])
def test_operators_role_is_never_mapped(world: PartnerWorld, role: str) -> None:
    """Not even an admin can map an operator's role, in the map or as a default, at creation or later."""
    shop = world.partner()
    for members in ({"role_map": {"x": role}}, {"default_roles": (role,)}):
        with refuses(Errors.FORBIDDEN):
            world.partner("https://other.example", **members)
        with refuses(Errors.FORBIDDEN):
            world.set_partner(shop, **members)
    assert world.store.find_partner(shop.partner_id) == shop


def test_operators_cannot_map_roles_above_their_own(world: PartnerWorld) -> None:
    """Only an operator with the role's permissions can map it. Others may then change the partner's other settings."""
    asked = new_partner("S", "https://s.example", role_map={"x": "private"})
    with refuses(Errors.FORBIDDEN):
        world.admin.create(MANAGER, asked, now=NOW)
    made = world.admin.create(ADMIN, asked, now=NOW)
    assert change(world, made, name="T").role_map == {"x": "private"}


def test_operators_cannot_add_keys_for_roles_above_their_own(world: PartnerWorld) -> None:
    """A partner's key can assert every mapped role, so adding one needs those permissions. Removing one does not."""
    asked = new_partner("S", "https://s.example", keys=(Signer("k1").key(),), role_map={"x": "private"})
    made = world.admin.create(ADMIN, asked, now=NOW)
    with refuses(Errors.FORBIDDEN):
        world.admin.add_key(MANAGER, made.partner_id, Signer("k2").key())
    assert world.admin.remove_key(MANAGER, made.partner_id, "k1").keys == {}
    changes: tuple[dict[str, Any], ...] = (
        {"jwks_uri": "https://k.example/"},
        {"audience": "x"},
        {"allow_missing": ("aud",)},
    )
    for members in changes:
        with refuses(Errors.FORBIDDEN):
            change(world, made, **members)
    assert set(world.admin.add_key(ADMIN, made.partner_id, Signer("k2").key()).keys) == {"k2"}


def test_operators_cannot_enable_a_partner_above_their_own_roles(world: PartnerWorld) -> None:
    """Disabling a partner does not need these permissions, so operators can act at once after a theft."""
    asked = new_partner("S", "https://s.example", keys=(Signer("k1").key(),), role_map={"x": "private"})
    made = world.admin.create(ADMIN, asked, now=NOW)
    assert change(world, made, status=Status.DISABLED).status is Status.DISABLED
    with refuses(Errors.FORBIDDEN):
        change(world, made, status=Status.ACTIVE)
    opened = world.admin.change(ADMIN, made.partner_id, PartnerChanges(status=Status.ACTIVE), now=NOW)
    assert opened.status is Status.ACTIVE


def test_key_comes_though_a_role_of_the_map_is_gone(world: PartnerWorld) -> None:
    """A mapped role that no longer exists does not prevent a change."""
    made = world.partner(role_map={"x": "desk"})
    world.admin = replace(world.admin, roles=BUILT_IN)
    assert set(world.admin.add_key(ADMIN, made.partner_id, Signer("k2").key()).keys) == {"k1", "k2"}


def test_role_of_a_stacks_own_is_mapped(world: PartnerWorld) -> None:
    """A custom role without an operator's permissions can be mapped. An unknown role is rejected."""
    assert world.partner(role_map={"x": "desk"}).role_map == {"x": "desk"}
    with refuses(Errors.VALIDATION_FAILED):
        world.partner("https://other.example", role_map={"x": "nothing"})


def test_every_change_is_told(world: PartnerWorld) -> None:
    """Each event names the operator, the change and the partner."""
    shop = world.partner()
    world.set_partner(shop, name="Other", max_users=3)
    world.admin.add_key(ADMIN, shop.partner_id, Signer("k2").key())
    world.admin.remove_key(ADMIN, shop.partner_id, "k1")
    world.admin.delete(ADMIN, shop.partner_id)
    assert [(event.name, event.reason) for event in world.journal.events] == [
        ("partner_created", shop.issuer),
        ("partner_changed", "max_users name"),
        ("partner_key_added", "k2"),
        ("partner_key_removed", "k1"),
        ("partner_deleted", shop.issuer),
    ]
    assert {(event.actor, event.partner_id) for event in world.journal.events} == {(ADMIN.sub, shop.partner_id)}


def test_change_of_an_outdated_version_is_refused(world: PartnerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two operators gets a conflict and must read again."""
    shop = world.partner()
    world.set_partner(shop, name="Other")
    monkeypatch.setattr(world.store, "find_partner", lambda _: shop)
    for act in (
        lambda: world.set_partner(shop, name="Mine"),
        lambda: world.admin.remove_key(ADMIN, shop.partner_id, "k1"),
        lambda: world.admin.delete(ADMIN, shop.partner_id),
    ):
        with refuses(Errors.CONFLICT):
            act()


def test_issuers_that_are_ours_are_no_partners(world: PartnerWorld) -> None:
    """A partner cannot use the stack's present, planned or previous issuer."""
    world.source.held = plan_issuer_move(world.source.held, "https://auth.example", Moment(NOW, world.entropy))
    planned = world.source.held.issuers.planned
    assert planned is not None
    world.source.held = plan_issuer_move(world.source.held, "https://third.example", Moment(planned.at, world.entropy))
    for ours in ("https://id.example", "https://auth.example", "https://third.example"):
        with pytest.raises(ServiceError) as caught:
            world.partner(ours)
        assert caught.value.fields[0].code == "own_issuer"


def test_keys_are_few_and_each_has_its_own_id(world: PartnerWorld) -> None:
    """There are enough keys to rotate."""
    shop = world.partner(keys=[Signer(f"k{number}") for number in range(MAX_KEYS)])
    with refuses(Errors.VALIDATION_FAILED):
        world.admin.add_key(ADMIN, shop.partner_id, Signer("more").key())
    world.admin.remove_key(ADMIN, shop.partner_id, "k1")
    with refuses(Errors.VALIDATION_FAILED):
        world.admin.add_key(ADMIN, shop.partner_id, Signer("k2").key())
    with refuses(Errors.NOT_FOUND):
        world.admin.remove_key(ADMIN, shop.partner_id, "k1")


@pytest.mark.parametrize(
    "address",
    [
        "http://keys.example/jwks.json",
        "https://user@keys.example/",
        "https://user:pass@keys.example/",
        "https://keys.example/#x",
        "https://keys.example\\@evil.example/",
        "https://",
        "//keys.example/",
        "https://keys.example:x/",
        "https://keys example/",
        "file:///etc/passwd",
        "http://127.0.0.1:80/",
    ],
)
def test_address_of_keys_is_plain_https(world: PartnerWorld, address: str) -> None:
    """The address has no user, no fragment and nothing ambiguous. Plain http is only for a laptop."""
    with refuses(Errors.VALIDATION_FAILED):
        world.set_partner(keyless(world), jwks_uri=address)


@pytest.mark.parametrize("address", ["https://keys.example/jwks.json?v=1", "https://[2606:4700::1]:8443/", "https://k"])
def test_address_of_keys_is_kept(world: PartnerWorld, address: str) -> None:
    """The address is stored as it was given."""
    world.published.keys[address] = {"k1": Signer().key()}
    assert world.set_partner(keyless(world), jwks_uri=address).jwks_uri == address


def test_address_without_a_usable_key_is_refused_when_it_is_registered(world: PartnerWorld) -> None:
    """The operator is told at once, and not by the first user who cannot sign in."""
    address = "https://keys.example/"
    with refuses(Errors.VALIDATION_FAILED) as refused:
        world.admin.create(ADMIN, new_partner("S", "https://s.example", jwks_uri=address), now=NOW)
    assert (refused.value.fields[0].field, refused.value.fields[0].code) == ("jwks_uri", "no_usable_key")
    world.published.keys[address] = {"k1": Signer().key()}
    with refuses(Errors.VALIDATION_FAILED) as refused:
        world.set_partner(keyless(world), jwks_uri=address, alg="RS256")
    assert refused.value.fields[0].code == "fits_no_key"
    [partner] = world.store.list_partners(after="", limit=9).items
    assert (partner.jwks_uri, partner.alg) == ("", "")
    assert world.set_partner(partner, jwks_uri=address, alg="ES256").alg == "ES256"
    del world.published.keys[address]
    assert world.set_partner(partner, name="T").name == "T"  # another change does not depend on it


def test_keys_without_kid_are_few_enough_to_be_tried(world: PartnerWorld) -> None:
    """A token without `kid` is tried with three keys of its algorithm at most, so a fourth would never count."""
    lax = world.partner("https://lax.example", [Signer(f"k{number}") for number in range(3)], allow_missing=("kid",))
    with refuses(Errors.VALIDATION_FAILED) as refused:
        world.admin.add_key(ADMIN, lax.partner_id, Signer("k3").key())
    assert refused.value.fields[0].code == "too_many_alike"
    ed = Signer("k3", "EdDSA", Ed25519PrivateKey.generate())
    assert len(world.admin.add_key(ADMIN, lax.partner_id, ed.key()).keys) == 4


def test_keys_come_from_one_place(world: PartnerWorld) -> None:
    """Keys come from the record or from an address. With both, two keys could have the same id."""
    with refuses(Errors.VALIDATION_FAILED):
        world.set_partner(world.partner(), jwks_uri="https://keys.example/")


def keyless(world: PartnerWorld) -> Partner:
    """Return a partner without keys."""
    return world.admin.create(ADMIN, new_partner("S", "https://s.example"), now=NOW)


def test_key_without_an_id_is_called_by_its_thumbprint() -> None:
    """The id is the same for PEM and JWK (RFC 7638)."""
    signer = Signer()
    bare = {name: value for name, value in signer.key().to_jwk().items() if name != "kid"}
    by_jwk = read_key(kid="", alg="", pem="", jwk=bare)
    by_pem = read_key(kid="", alg="ES256", pem=signer.pem(), jwk=None)
    assert by_jwk.kid == by_pem.kid
    assert len(by_jwk.kid) == 43


@pytest.mark.parametrize(
    "members",
    [
        {"pem": "", "jwk": None},
        {"pem": "x", "jwk": {}},
        {"pem": "x", "jwk": None},
        {"pem": Signer().pem(), "jwk": None, "alg": "HS256"},
        {"pem": Signer().pem(), "jwk": None, "alg": "RS256"},
        {"pem": Signer().pem(), "jwk": None, "kid": "a/b"},
        {"pem": "", "jwk": Signer("a b").key().to_jwk()},
    ],
)
def test_bad_key_is_refused_by_name(members: dict[str, Any]) -> None:
    """A key is given as one of PEM and JWK, with an algorithm and an id that fits into a URL."""
    with refuses(Errors.INVALID_REQUEST):
        read_key(**{"kid": "", "alg": "ES256"} | members)
