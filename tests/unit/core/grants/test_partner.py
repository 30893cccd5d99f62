"""Accounts just in time, their roles, and the sessions that partners open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Client, ClientKind, Grant, Partner, ProfileUpdates, Status, UserStatus
from latchkey.core.roles.roles import BUILT_IN
from tests.partner_world import PartnerWorld, claims
from tests.world import NOW

ROLES = {"editor": "privacy", "viewer": "user"}


@pytest.fixture
def world() -> PartnerWorld:
    """A stack without partners."""
    return PartnerWorld()


@pytest.fixture
def shop(world: PartnerWorld) -> Partner:
    """A partner with an organisation."""
    return world.partner(org="acme")


def with_roles(world: PartnerWorld, partner: Partner, **role_map: str) -> Partner:
    """Give a partner roles that no operator could map, as an older release or a changed role may have left them."""
    changed = replace(partner, version=partner.version + 1, role_map=role_map)
    assert world.store.replace_partner(changed)
    return changed


def test_first_token_makes_an_account(world: PartnerWorld, shop: Partner) -> None:
    """The account has no login, password or address. It has the token's name and locale, and the partner's id."""
    answer = world.come(shop, name="Ann Lee", locale="en", email="ann@example.com")
    user = world.store.find_user(answer.sub)
    assert user is not None
    assert (answer.created, answer.external_id) == (True, "u-1")
    assert (user.login, user.name, user.locale, user.roles, user.source) == (
        "",
        "Ann Lee",
        "en",
        ("user",),
        shop.partner_id,
    )


def test_second_token_finds_it(world: PartnerWorld, shop: Partner) -> None:
    """The same external id leads to the same account."""
    first, second = world.come(shop), world.come(shop)
    assert (second.sub, second.created) == (first.sub, False)


def test_address_of_another_account_leads_to_a_new_one(world: PartnerWorld, shop: Partner) -> None:
    """A partner that asserts the address of an existing account gets a new account."""
    ann = world.register("ann@example.com")
    answer = world.come(shop, "ann@example.com", email="ann@example.com", email_verified=True)
    assert answer.created
    assert answer.sub != ann.sub


def test_session_says_where_it_comes_from(world: PartnerWorld, shop: Partner) -> None:
    """The access token carries the organisation, and so does the next one."""
    answer = world.come(shop)
    refreshed = world.refresh(answer.tokens, now=NOW + 60)
    for tokens in (answer.tokens, refreshed):
        said = world.claims(tokens, now=NOW + 60)
        assert (said.sub, said.org, said.amr, said.client_id) == (answer.sub, "acme", ("partner",), "cli_app")


@pytest.mark.parametrize("deleted", [False, True], ids=["disabled", "deleted"])
def test_session_ends_with_its_partner(world: PartnerWorld, shop: Partner, deleted: bool) -> None:
    """The session ends at the next refresh, permanently."""
    answer = world.come(shop)
    if deleted:
        world.store.delete_partner(shop)
    else:
        world.set_partner(shop, status=Status.DISABLED)
    with pytest.raises(ServiceError, match="invalid_grant"):
        world.refresh(answer.tokens, now=NOW + 60)
    assert world.store.list_sessions(answer.sub, NOW) == ()


def test_disabling_ends_sessions_that_slept_through_it(world: PartnerWorld, shop: Partner) -> None:
    """A thief of a partner's key cannot delay the refresh until the partner is enabled again."""
    answer = world.come(shop)
    world.set_partner(shop, status=Status.DISABLED)
    world.set_partner(shop, status=Status.ACTIVE)
    with pytest.raises(ServiceError, match="invalid_grant"):
        world.refresh(answer.tokens, now=NOW + 60)
    later = world.come(shop, now=NOW + 1)
    assert world.refresh(later.tokens, now=NOW + 60)


def test_session_that_began_while_its_account_was_unlinked_ends(world: PartnerWorld, shop: Partner) -> None:
    """A partner that signs a user in until the moment of unlinking keeps no session."""
    answer = world.come(shop)
    user = world.store.find_user(answer.sub)
    assert user is not None
    assert world.store.remove_link(user, world.link_of(answer, shop))
    with pytest.raises(ServiceError, match="invalid_grant"):
        world.refresh(answer.tokens, now=NOW + 60)
    assert world.store.list_sessions(answer.sub, NOW) == ()


def test_disabled_account_is_not_revived(world: PartnerWorld, shop: Partner) -> None:
    """The partner gets `account_disabled`, and the assertion is not used up."""
    answer = world.come(shop)
    user = world.store.find_user(answer.sub)
    assert user is not None
    world.store.set_standing(user, status=UserStatus.DISABLED, roles=user.roles, epoch=1)
    assertion = world.signer.sign(claims(shop.issuer))
    for _ in range(2):
        with pytest.raises(ServiceError) as refused:
            world.enter(assertion)
        assert refused.value.error is Errors.ACCOUNT_DISABLED
    assert world.reasons() == ["account_not_active"] * 2


def test_deleted_account_is_not_revived(world: PartnerWorld, shop: Partner) -> None:
    """The store remembers that the external id led to an account, and nothing else of the account."""
    answer = world.come(shop)
    [session] = world.store.list_sessions(answer.sub, NOW)
    world.erasure(answer.sub, session.sid, "", now=NOW + 10)
    assert (world.store.find_user(answer.sub), world.store.list_links(answer.sub)) == (None, ())
    with pytest.raises(ServiceError, match="account_disabled"):
        world.come(shop)


def test_account_without_password_is_deleted_soon_after_signing_in_only(world: PartnerWorld, shop: Partner) -> None:
    """A sign-in of more than ten minutes ago is no proof, and neither is a password if the account has none."""
    answer = world.come(shop)
    [session] = world.store.list_sessions(answer.sub, NOW)
    for password in ("", "x"):
        with pytest.raises(ServiceError, match="recent_sign_in_required"):
            world.erasure(answer.sub, session.sid, password, now=NOW + 600)
    assert world.store.find_user(answer.sub)


def test_roles_follow_the_token(world: PartnerWorld, shop: Partner) -> None:
    """The token adds and removes mapped roles. Roles that an operator gave stay."""
    shop = with_roles(world, shop, **ROLES)
    answer = world.come(shop, roles=["editor", "unknown"])
    assert roles_of(world, answer.sub) == {"user", "privacy"}
    world.come(shop, roles="viewer")
    assert roles_of(world, answer.sub) == {"user"}
    user = world.store.find_user(answer.sub)
    assert user is not None
    world.store.set_standing(user, status=user.status, roles=("user", "privacy"), epoch=user.epoch)
    world.come(shop)
    assert roles_of(world, answer.sub) == {"user", "privacy"}


def test_roles_follow_the_map(world: PartnerWorld, shop: Partner) -> None:
    """A role that is no longer mapped is removed at the next sign-in, whatever the token says."""
    shop = with_roles(world, shop, **ROLES)
    answer = world.come(shop, roles=["editor"])
    with_roles(world, shop, viewer="user")
    world.come(shop, roles=["editor"])
    assert roles_of(world, answer.sub) == {"user"}


@pytest.mark.parametrize("role", ["admin", "service", "nothing"])
def test_partner_gives_no_operators_role(world: PartnerWorld, shop: Partner, role: str) -> None:
    """Neither a new account nor a known one gets such a role, whatever the partner's record says."""
    shop = with_roles(world, shop, chief=role)
    answer = world.come(shop, roles=["chief"])
    world.come(shop, roles=["chief"])
    assert roles_of(world, answer.sub) == {"user"}


def test_partners_session_of_an_admin_carries_no_admin(world: PartnerWorld, shop: Partner) -> None:
    """An operator may promote a partner's user, but a session from the partner never has an operator's permissions."""
    answer = world.come(shop)
    user = world.store.find_user(answer.sub)
    assert user is not None
    world.store.set_standing(user, status=user.status, roles=("admin", "user"), epoch=user.epoch)
    for tokens in (world.refresh(answer.tokens, now=NOW + 60), world.come(shop).tokens):
        said = world.claims(tokens, now=NOW + 60)
        assert BUILT_IN.permissions(said.roles) == BUILT_IN.permissions(("user",))
    assert roles_of(world, answer.sub) == {"admin", "user"}


def roles_of(world: PartnerWorld, sub: str) -> set[str]:
    """Return the stored roles of an account."""
    user = world.store.find_user(sub)
    assert user is not None
    return set(user.roles)


@pytest.mark.parametrize(("updates", "name", "attributes"), [("first", "Ann", '{"a":1}'), ("always", "Bea", '{"a":2}')])
def test_profile_is_taken_over_as_the_record_says(
    world: PartnerWorld, updates: str, name: str, attributes: str
) -> None:
    """The profile is taken from the first token alone, or from each token."""
    partner = world.partner(profile_updates=ProfileUpdates(updates))
    world.come(partner, name="Ann", a=1)
    answer = world.come(partner, name="Bea", a=2)
    user = world.store.find_user(answer.sub)
    assert user is not None
    assert (user.name, world.link_of(answer, partner).attributes) == (name, attributes)


def test_no_more_users_than_allowed(world: PartnerWorld) -> None:
    """Known users can still sign in, and a seat whose account was not created is free again."""
    partner = world.partner(max_users=2)
    world.come(partner, "u-1")
    world.come(partner, "u-2")
    with pytest.raises(ServiceError, match="invalid_grant"):
        world.come(partner, "u-3")
    assert world.reasons() == ["too_many_users"]
    assert not world.come(partner, "u-1").created


def test_no_more_tokens_a_minute_than_allowed(world: PartnerWorld) -> None:
    """The count starts again in the next minute, and an assertion that had to wait is still good."""
    partner = world.partner(tokens_per_minute=2)
    start = NOW - NOW % 60
    for _ in range(2):
        world.come(partner, now=start)
    assertion = world.signer.sign(claims(partner.issuer, now=start))
    with pytest.raises(ServiceError) as refused:
        world.enter(assertion, now=start + 1)
    assert (refused.value.error, refused.value.retry_after) == (Errors.RATE_LIMITED, 59)
    assert world.enter(assertion, now=start + 60).created is False


def test_replays_take_no_part_of_the_minute(world: PartnerWorld) -> None:
    """An attacker with one used token cannot lock out the partner's users with it."""
    partner = world.partner(tokens_per_minute=2)
    assertion = world.signer.sign(claims(partner.issuer))
    world.enter(assertion)
    for _ in range(3):
        with pytest.raises(ServiceError, match="invalid_grant"):
            world.enter(assertion)
    assert world.come(partner).created is False


def a_client(*grants: str) -> Client:
    return Client("cli_web", ClientKind.CONFIDENTIAL, "Web", NOW, scopes=("profile", "hello:read"), grants=grants)


def test_client_must_be_the_partners_and_have_the_grant(world: PartnerWorld) -> None:
    """The partner and the client must both allow it."""
    web = a_client(Grant.JWT_BEARER)
    world.store.create_client(web)
    shop = world.partner()
    with pytest.raises(ServiceError, match="unauthorized_client"):
        world.enter(world.signer.sign(claims(shop.issuer)), client=web)
    world.set_partner(shop, clients=("cli_web",))
    for refused in (BUILT_IN_APP, a_client()):
        with pytest.raises(ServiceError, match="unauthorized_client"):
            world.enter(world.signer.sign(claims(shop.issuer)), client=refused)
    answer = world.enter(world.signer.sign(claims(shop.issuer)), client=web)
    assert world.claims(answer.tokens).client_id == "cli_web"


def test_scope_stays_within_partner_and_client(world: PartnerWorld) -> None:
    """The session gets every scope that both allow, or the requested part of it."""
    web = a_client(Grant.JWT_BEARER)
    world.store.create_client(web)
    shop = world.partner(clients=("cli_web",), scopes=("openid", "profile", "hello:read"))
    granted = [
        world.enter(world.signer.sign(claims(shop.issuer)), client=web, scope=scope).tokens.scope
        for scope in (None, "profile")
    ]
    assert granted == ["profile hello:read", "profile"]
    with pytest.raises(ServiceError, match="invalid_scope"):
        world.enter(world.signer.sign(claims(shop.issuer)), client=web, scope="openid")


def test_loser_of_a_race_signs_in_to_the_winners_account(
    world: PartnerWorld, shop: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that finds the external id taken reads again, and gives its seat back."""
    winner = world.come(shop)
    find, asked = world.store.find_external, []

    def blind_at_first(partner_id: str, external_id: str) -> str | None:
        asked.append(external_id)
        return None if len(asked) == 1 else find(partner_id, external_id)

    monkeypatch.setattr(world.store, "find_external", blind_at_first)
    loser = world.come(shop)
    assert (loser.sub, loser.created) == (winner.sub, False)
    assert vars(world.store)["_seats"][shop.partner_id] == 1
