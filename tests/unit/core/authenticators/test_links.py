"""Links: only the account's owner can add, confirm or remove one, with proof, and hears of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latchkey.core.authenticators.links import NewLink
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Link, MailKind, Partner, Status
from tests.partner_world import PartnerWorld, claims, refuses
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD

NEW_PASSWORD = "a river in the quiet hills"


class Owner:
    """Ann, signed in with her password."""

    def __init__(self, world: PartnerWorld) -> None:
        self.world = world
        self.sub = world.register().sub
        self.sid = world.claims(world.log_in()).sid or ""

    def link(self, partner: Partner, sub: str = "u-1", *, password: str = PASSWORD, now: int = NOW) -> Link:
        """Link an identity."""
        assertion = self.world.signer.sign(claims(partner.issuer, sub, now=now))
        return self.world.links.add(self.sub, self.sid, NewLink(assertion, "", password, ADDRESS), now=now).link

    def unlink(self, partner: Partner, *, password: str = PASSWORD, now: int = NOW) -> None:
        """Remove the link with a partner."""
        self.world.links.remove(self.sub, self.sid, partner.partner_id, password, now=now)

    def confirm(self, partner: Partner, *, password: str = NEW_PASSWORD, now: int = NOW) -> Link:
        """Confirm the link with a partner."""
        return self.world.links.confirm(self.sub, self.sid, partner.partner_id, password, now=now).link

    def reset(self, *, now: int = NOW) -> None:
        """Set another password with a code from a mail, and sign in with it."""
        self.world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=now)
        self.world.passwords.reset(self.world.code(MailKind.RESET, now=now), NEW_PASSWORD, now=now)
        self.sid = self.world.claims(self.world.log_in(password=NEW_PASSWORD, now=now), now=now).sid or ""

    def suspended(self, *, now: int = NOW) -> list[bool]:
        """Return which of the links are suspended, as the owner sees them."""
        return [own.suspended for own in self.world.links.of(self.sub, self.sid, now=now)]


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


def roles_of(world: PartnerWorld, sub: str) -> tuple[str, ...]:
    user = world.store.find_user(sub)
    assert user is not None
    return user.roles


def with_role(world: PartnerWorld, partner: Partner) -> Partner:
    """Let a partner give a role that no operator could map, as an older release or a changed role may have left it."""
    changed = replace(partner, version=partner.version + 1, role_map={"editor": "privacy"})
    assert world.store.replace_partner(changed)
    return changed


def notices(world: PartnerWorld) -> list[tuple[str, str]]:
    """Return recipient and kind of the mails that have not been sent yet."""
    return [(mail.to, mail.about) for mail in world.waiting()]


# ---- Prove ----


def test_link_opens_the_account(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The partner's token then signs in to the account, whose name and roles stay."""
    ann.link(shop)
    answer = world.come(shop, name="Another name")
    user = world.store.find_user(ann.sub)
    assert user is not None
    assert (answer.sub, answer.created, user.name, user.roles) == (ann.sub, False, "", ("user",))


@pytest.mark.parametrize("now", [NOW, NOW + 601])
def test_link_needs_the_password_however_recent_the_sign_in(shop: Partner, ann: Owner, now: int) -> None:
    """A stolen access token is not enough, even within a minute of the sign-in."""
    with refuses(Errors.INVALID_REQUEST):
        ann.link(shop, password="", now=now)
    with refuses(Errors.INVALID_CREDENTIALS):
        ann.link(shop, password="not the right one", now=now)
    assert ann.link(shop, now=now).external_id == "u-1"


@pytest.mark.parametrize("act", ["unlink", "confirm"])
def test_every_act_needs_the_password(shop: Partner, ann: Owner, act: str) -> None:
    """Removing and confirming a link need the same proof as adding one."""
    link = ann.link(shop)
    for password, error in (("", Errors.INVALID_REQUEST), ("not the right one", Errors.INVALID_CREDENTIALS)):
        with refuses(error):
            getattr(ann, act)(shop, password=password)
    assert ann.world.links.of(ann.sub, ann.sid, now=NOW)[0].link == link


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_partners_session_changes_nothing_on_an_account_with_a_password(
    world: PartnerWorld, shop: Partner, ann: Owner, password: str
) -> None:
    """Otherwise one partner could give another partner access. Not even the password helps there."""
    ann.link(shop)
    own, ann.sid = ann.sid, world.claims(world.come(shop).tokens).sid or ""
    other = world.partner("https://other.example")
    acts = (
        lambda: ann.link(other, password=password),
        lambda: ann.unlink(shop, password=password),
        lambda: ann.confirm(shop, password=password),
        lambda: world.passwords.change(ann.sub, ann.sid, password, NEW_PASSWORD, now=NOW),
        lambda: world.erasure(ann.sub, ann.sid, password, now=NOW),
    )
    for act in acts:
        with refuses(Errors.OWN_SIGN_IN_REQUIRED):
            act()
    assert [each.link.partner_id for each in world.links.of(ann.sub, own, now=NOW)] == [shop.partner_id]


def test_partners_user_proves_ownership_by_a_recent_sign_in(world: PartnerWorld, shop: Partner) -> None:
    """Where partners are the only way in, a sign-in by one of them within ten minutes stands for the password."""
    other = world.partner("https://other.example")
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    token = world.signer.sign(claims(other.issuer, "me-there", now=NOW + 600))
    with refuses(Errors.RECENT_SIGN_IN_REQUIRED):
        world.links.add(answer.sub, sid, NewLink(token, "", "", ADDRESS), now=NOW + 600)
    token = world.signer.sign(claims(other.issuer, "me-there", now=NOW + 599))
    world.links.add(answer.sub, sid, NewLink(token, "", "", ADDRESS), now=NOW + 599)
    assert len(world.store.list_links(answer.sub)) == 2
    assert notices(world) == []  # the account has no address


@pytest.mark.parametrize("flaw", ["partner disabled", "partner deleted", "link removed"])
def test_partners_session_without_its_partner_proves_nothing(world: PartnerWorld, shop: Partner, flaw: str) -> None:
    """A thief of a partner's key cannot give the account another way in once the partner is disabled."""
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    user = world.store.find_user(answer.sub)
    assert user is not None
    match flaw:
        case "partner disabled":
            world.set_partner(shop, status=Status.DISABLED)
        case "partner deleted":
            world.store.delete_partner(shop)
        case _:
            world.store.remove_link(user, world.link_of(answer, shop))
    other = world.partner("https://other.example")
    with refuses(Errors.INVALID_TOKEN):
        world.links.add(
            answer.sub, sid, NewLink(world.signer.sign(claims(other.issuer, "thief")), "", "", ADDRESS), now=NOW
        )


# ---- Tell, and journal ----


def test_owner_hears_of_each_change(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """Each addition, confirmation and removal is mailed to the owner and journaled."""
    ann.link(shop)
    ann.reset(now=NOW + 1)
    world.deliver()
    ann.confirm(shop, now=NOW + 1)
    ann.unlink(shop, password=NEW_PASSWORD, now=NOW + 1)
    sent = [(mail.to, mail.about) for mail in world.postman.sent if mail.about.startswith("identity_")]
    assert [*sent, *notices(world)] == [
        (LOGIN, MailKind.IDENTITY_LINKED),
        (LOGIN, MailKind.IDENTITY_LINKED),
        (LOGIN, MailKind.IDENTITY_UNLINKED),
    ]
    assert [mail.data for mail in world.waiting()] == [{"partner": "Shop"}] * 2
    names = [name for name in world.journal.names() if name.startswith("identity_")]
    assert names == ["identity_linked", "identity_confirmed", "identity_unlinked"]


def test_refused_act_sends_no_mail(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """A wrong password is journaled, and the mailbox stays quiet."""
    with refuses(Errors.INVALID_CREDENTIALS):
        ann.link(shop, password="not the right one")
    assert (notices(world), world.journal.names()[-1]) == ([], "ownership_refused")


# ---- Take back ----


def test_reset_suspends_links(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The partner's token then opens nothing and makes no user, until the owner confirms the link."""
    ann.link(shop)
    ann.reset(now=NOW + 1)
    users = world.store.list_users(after="", limit=9).items
    with refuses(Errors.LINK_SUSPENDED):
        world.come(shop, now=NOW + 1)
    assert world.store.list_users(after="", limit=9).items == users
    assert (world.reasons(), ann.suspended(now=NOW + 1)) == (["link_suspended"], [True])
    ann.confirm(shop, now=NOW + 1)
    assert (ann.suspended(now=NOW + 1), world.come(shop, now=NOW + 1).sub) == ([False], ann.sub)


@pytest.mark.parametrize("later", [0, 1])
def test_link_of_the_same_second_as_a_reset_is_suspended(
    world: PartnerWorld, shop: Partner, ann: Owner, later: int
) -> None:
    """Nothing tells which was first, so the safe side is that the link was."""
    ann.link(shop, now=NOW)
    ann.reset(now=NOW + later)
    assert ann.suspended(now=NOW + later) == [True]


def test_link_from_a_fast_clock_is_suspended_too(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """A link that another instance has dated later than the reset was made before it all the same."""
    ann.link(shop, now=NOW + 20)
    ann.reset(now=NOW + 10)
    assert ann.suspended(now=NOW + 10) == [True]


def test_link_confirmed_within_the_second_of_the_reset_is_live(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The owner has read that the reset is done, so the confirmation is later. A new link is live as well."""
    ann.link(shop)
    ann.reset()
    ann.confirm(shop)
    ann.link(world.partner("https://other.example"), password=NEW_PASSWORD)
    assert ann.suspended() == [False, False]


def test_second_reset_suspends_again(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """A confirmation holds until the next reset, even within one second."""
    ann.link(shop)
    ann.reset()
    ann.confirm(shop)
    world.deliver()
    user = world.store.find_user(ann.sub)
    assert user is not None
    world.outbox.post(MailKind.RESET, to=LOGIN, now=NOW)  # the owner may ask again only a minute later
    world.passwords.reset(world.code(MailKind.RESET), PASSWORD, now=NOW)
    ann.sid = world.claims(world.log_in()).sid or ""
    assert ann.suspended() == [True]


def test_linking_a_suspended_identity_again_confirms_it(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The password and a fresh token of the partner prove more than a confirmation asks for."""
    ann.link(shop)
    ann.reset(now=NOW + 1)
    ann.link(shop, password=NEW_PASSWORD, now=NOW + 1)
    assert ann.suspended(now=NOW + 1) == [False]
    assert world.journal.names()[-1] == "identity_confirmed"


def test_confirming_a_live_link_changes_nothing(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """No second mail is sent."""
    link = ann.link(shop)
    told = notices(world)
    assert (ann.confirm(shop, password=PASSWORD, now=NOW + 9), notices(world)) == (link, told)


def test_managed_partners_link_survives_a_reset(world: PartnerWorld, ann: Owner) -> None:
    """An employer decides who its employees are."""
    employer = world.partner("https://work.example", managed=True)
    ann.link(employer)
    ann.reset(now=NOW + 1)
    assert ann.suspended(now=NOW + 1) == [False]
    assert world.come(employer, now=NOW + 1).sub == ann.sub


@pytest.mark.parametrize("managed", [False, True])
def test_reset_takes_the_roles_of_suspended_links(world: PartnerWorld, ann: Owner, *, managed: bool) -> None:
    """The next sign-in by a confirmed link gives them back. A managed partner's roles stay."""
    shop = with_role(world, world.partner(managed=managed))
    ann.link(shop)
    world.come(shop, roles=["editor"])
    assert roles_of(world, ann.sub) == ("user", "privacy")
    ann.reset(now=NOW + 1)
    assert roles_of(world, ann.sub) == (("user", "privacy") if managed else ("user",))
    ann.confirm(shop, now=NOW + 1)
    world.come(shop, now=NOW + 1, roles=["editor"])
    assert roles_of(world, ann.sub) == ("user", "privacy")


def test_role_that_an_operator_gave_meanwhile_stays(world: PartnerWorld, ann: Owner) -> None:
    """A suspended link gives nothing, so removing it takes nothing."""
    shop = with_role(world, world.partner())
    ann.link(shop)
    world.come(shop, roles=["editor"])
    ann.reset(now=NOW + 1)
    user = world.store.find_user(ann.sub)
    assert user is not None
    world.store.set_standing(user, status=user.status, roles=("user", "privacy"), epoch=user.epoch)
    ann.unlink(shop, password=NEW_PASSWORD, now=NOW + 1)
    assert roles_of(world, ann.sub) == ("user", "privacy")


def test_reset_that_meets_a_change_reads_the_account_again(
    world: PartnerWorld, shop: Partner, ann: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is made while the password is reset is suspended too."""
    change = world.store.change_password

    def slowly(*args: Any) -> bool:
        monkeypatch.undo()
        ann.link(shop, now=NOW + 5)
        return change(*args)

    monkeypatch.setattr(world.store, "change_password", slowly)
    ann.reset(now=NOW + 1)
    assert ann.suspended(now=NOW + 1) == [True]


def test_session_of_a_suspended_link_ends_at_its_refresh(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """Also one that is of the present epoch, as a session that begins while the password is reset could be."""
    ann.link(shop)
    answer = world.come(shop).tokens
    user = world.store.find_user(ann.sub)
    assert user is not None
    world.put_user(replace(user, reset_at=NOW))
    with refuses(Errors.INVALID_GRANT):
        world.refresh(answer, now=NOW + 1)
    assert [each.partner_id for each in world.store.list_sessions(ann.sub, NOW)] == [""]


def test_account_that_only_partners_open_has_no_reset(world: PartnerWorld, shop: Partner) -> None:
    """Its link is live from the start."""
    answer = world.come(shop)
    assert world.link_of(answer, shop).confirmed_at == NOW
    assert world.come(shop).sub == answer.sub


# ---- What a link is ----


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
    asked = NewLink(assertion, "", PASSWORD, ADDRESS)
    world.links.add(ann.sub, ann.sid, asked, now=NOW)
    with refuses(Errors.INVALID_GRANT):
        world.links.add(ann.sub, ann.sid, asked, now=NOW)
    assert world.reasons() == ["replayed"]


def test_unlinking_ends_what_the_partner_gave(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The partner's sessions and mapped roles end. A later sign-in with the external id creates a new user."""
    ann.link(shop)
    partners_session = world.claims(world.come(shop).tokens).sid or ""
    ann.unlink(shop)
    assert [session.sid for session in world.store.list_sessions(ann.sub, NOW)] == [ann.sid]
    assert partners_session != ann.sid
    answer = world.come(shop)
    assert (answer.created, answer.sub != ann.sub) == (True, True)


def test_link_with_a_partner_that_is_gone_can_be_removed(world: PartnerWorld, shop: Partner, ann: Owner) -> None:
    """The mail names the partner by its id, and there is nothing left to confirm."""
    ann.link(shop)
    world.store.delete_partner(shop)
    with refuses(Errors.NOT_FOUND):
        ann.confirm(shop, password=PASSWORD)
    ann.unlink(shop)
    assert world.waiting()[-1].data == {"partner": shop.partner_id}


def test_only_way_in_stays(world: PartnerWorld, shop: Partner) -> None:
    """The last link of a user without a password cannot be removed, since the user would be locked out."""
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    with refuses(Errors.VALIDATION_FAILED):
        world.links.remove(answer.sub, sid, shop.partner_id, "", now=NOW)
    assert len(world.links.of(answer.sub, sid, now=NOW)) == 1


def test_link_with_a_disabled_partner_is_no_other_way_in(world: PartnerWorld, shop: Partner) -> None:
    """It opens nothing, so the one that does must stay."""
    other = world.partner("https://other.example")
    answer = world.come(shop)
    sid = world.claims(answer.tokens).sid or ""
    token = world.signer.sign(claims(other.issuer, "me-there"))
    world.links.add(answer.sub, sid, NewLink(token, "", "", ADDRESS), now=NOW)
    world.set_partner(other, status=Status.DISABLED)
    with refuses(Errors.VALIDATION_FAILED):
        world.links.remove(answer.sub, sid, shop.partner_id, "", now=NOW)
    world.links.remove(answer.sub, sid, other.partner_id, "", now=NOW)
    assert world.come(shop).sub == answer.sub


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
    world.links.remove(answer.sub, sid, other.partner_id, "", now=NOW)
    monkeypatch.setattr(world.store, "list_links", lambda _: both)
    with refuses(Errors.CONFLICT):
        world.links.remove(answer.sub, sid, shop.partner_id, "", now=NOW)
    assert world.come(shop).sub == answer.sub


@pytest.mark.parametrize("act", ["of", "remove", "confirm"])
def test_ended_session_sees_and_changes_nothing(world: PartnerWorld, shop: Partner, ann: Owner, act: str) -> None:
    """The access token of an ended session is rejected here."""
    world.store.end_session(ann.sub, ann.sid)
    rest: dict[str, Any] = {"now": NOW}
    arguments = [ann.sub, ann.sid, *([] if act == "of" else [shop.partner_id, PASSWORD])]
    with pytest.raises(ServiceError, match="invalid_token"):
        getattr(world.links, act)(*arguments, **rest)


@pytest.mark.parametrize("act", ["unlink", "confirm"])
def test_link_that_is_not_there_is_not_found(shop: Partner, ann: Owner, act: str) -> None:
    """Removing or confirming a link that does not exist returns `not_found`."""
    with refuses(Errors.NOT_FOUND):
        getattr(ann, act)(shop, password=PASSWORD)
