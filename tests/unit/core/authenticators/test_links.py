"""Links: only the account's owner can add or remove one, and only with proof."""

from __future__ import annotations

from typing import Any

import pytest

from latchkey.core.authenticators.links import NewLink
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Link, Partner
from tests.partner_world import PartnerWorld, claims, refuses
from tests.world import ADDRESS, NOW, PASSWORD


class Owner:
    """Ann, signed in with her password."""

    def __init__(self, world: PartnerWorld) -> None:
        self.world = world
        self.sub = world.register().sub
        self.sid = world.claims(world.log_in()).sid or ""

    def link(self, partner: Partner, sub: str = "u-1", *, password: str = "", now: int = NOW) -> Link:
        """Link an identity."""
        assertion = self.world.signer.sign(claims(partner.issuer, sub, now=now))
        return self.world.links.add(self.sub, self.sid, NewLink(assertion, "", password, ADDRESS), now=now)


@pytest.fixture
def world() -> PartnerWorld:
    """A stack without partners."""
    return PartnerWorld()


@pytest.fixture
def shop(world: PartnerWorld) -> Partner:
    """A partner."""
    return world.partner()


@pytest.fixture
def ann(world: PartnerWorld) -> Owner:
    """Ann, who has her own account."""
    return Owner(world)


def test_link_opens_the_account(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The partner's token then signs in to the account, whose name and roles stay."""
    ann.link(shop)
    answer = world.come(shop, name="Another name")
    user = world.store.find_user(ann.sub)
    assert user is not None
    assert (answer.sub, answer.created, user.name, user.roles) == (ann.sub, False, "", ("user",))


def test_old_sign_in_needs_the_password(shop: Partner, ann: Owner) -> None:
    """Ten minutes after the sign-in, a link requires the right password."""
    later = NOW + 601
    with refuses(Errors.INVALID_REQUEST):
        ann.link(shop, now=later)
    with refuses(Errors.INVALID_CREDENTIALS):
        ann.link(shop, password="not the right one", now=later)
    assert ann.link(shop, password=PASSWORD, now=later).external_id == "u-1"


def test_partners_session_is_no_proof_for_an_account_with_a_password(
    world: PartnerWorld, shop: Partner, ann: Owner
) -> None:
    """Otherwise one partner could give another partner access."""
    ann.link(shop)
    ann.sid = world.claims(world.come(shop).tokens).sid or ""
    other = world.partner("https://other.example")
    with refuses(Errors.INVALID_REQUEST):
        ann.link(other)


def test_identity_belongs_to_one_account(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """An external id of another account cannot be linked, and an account has one external id per partner."""
    world.come(shop, "u-2")
    with refuses(Errors.ALREADY_LINKED):
        ann.link(shop, "u-2")
    ann.link(shop, "u-1")
    with refuses(Errors.ALREADY_LINKED):
        ann.link(shop, "u-3")


def test_linking_again_changes_nothing(shop: Partner, ann: Owner) -> None:
    """The answer is the existing link."""
    assert ann.link(shop) == ann.link(shop)


def test_bad_token_links_nothing(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The assertion is checked and used up like any other."""
    assertion = world.signer.sign(claims(shop.issuer))
    asked = NewLink(assertion, "", "", ADDRESS)
    world.links.add(ann.sub, ann.sid, asked, now=NOW)
    with refuses(Errors.INVALID_GRANT):
        world.links.add(ann.sub, ann.sid, asked, now=NOW)
    assert world.reasons() == ["replayed"]


def test_unlinking_ends_what_the_partner_gave(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The partner's sessions and mapped roles end. A later sign-in with the external id creates a new user."""
    ann.link(shop)
    partners_session = world.claims(world.come(shop).tokens).sid or ""
    world.links.remove(ann.sub, ann.sid, shop.partner_id, now=NOW)
    assert [session.sid for session in world.store.list_sessions(ann.sub, NOW)] == [ann.sid]
    assert partners_session != ann.sid
    answer = world.come(shop)
    assert (answer.created, answer.sub != ann.sub) == (True, True)


def test_only_way_in_stays(world: PartnerWorld, shop: Partner) -> None:
    """The last link of a user without a password cannot be removed, since the user would be locked out."""
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    with refuses(Errors.VALIDATION_FAILED):
        world.links.remove(answer.sub, sid, shop.partner_id, now=NOW)
    assert len(world.links.of(answer.sub, sid, now=NOW)) == 1


def test_last_two_ways_in_do_not_go_at_once(
    world: PartnerWorld, shop: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two parallel requests that each remove one of two links, one gets a conflict."""
    other = world.partner("https://other.example")
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    token = world.signer.sign(claims(other.issuer, "me-there"))
    world.links.add(answer.sub, sid, NewLink(token, "", "", ADDRESS), now=NOW)
    both = world.store.list_links(answer.sub)
    world.links.remove(answer.sub, sid, other.partner_id, now=NOW)
    monkeypatch.setattr(world.store, "list_links", lambda _: both)
    with refuses(Errors.CONFLICT):
        world.links.remove(answer.sub, sid, shop.partner_id, now=NOW)
    assert world.come(shop).sub == answer.sub


@pytest.mark.parametrize("act", ["of", "remove"])
def test_ended_session_sees_and_changes_nothing(world: PartnerWorld, shop: Partner, ann: Owner, act: str) -> None:
    """The access token of an ended session is rejected here."""
    world.store.end_session(ann.sub, ann.sid)
    rest: dict[str, Any] = {"now": NOW}
    arguments = [ann.sub, ann.sid, *([shop.partner_id] if act == "remove" else [])]
    with pytest.raises(ServiceError, match="invalid_token"):
        getattr(world.links, act)(*arguments, **rest)


def test_link_that_is_not_there_is_not_found(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """Removing a link that does not exist returns `not_found`."""
    with refuses(Errors.NOT_FOUND):
        world.links.remove(ann.sub, ann.sid, shop.partner_id, now=NOW)
