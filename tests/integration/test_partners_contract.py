"""The store's contract for partners and their links."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.model import Status, UserStatus
from tests.integration import samples
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Link, User


def test_partner_is_found_as_it_was_stored(store: Store) -> None:
    """A partner is found by its id and by its issuer, with every member."""
    partner = samples.partner()
    assert store.create_partner(partner)
    assert store.find_partner(partner.partner_id) == store.find_issuer(partner.issuer) == partner
    assert (store.find_partner("prt_none"), store.find_issuer("https://none.example")) == (None, None)


def test_issuer_has_one_partner(store: Store) -> None:
    """A second partner with the same issuer is not stored."""
    first = samples.partner()
    second = samples.partner(first.issuer)
    assert (store.create_partner(first), store.create_partner(second)) == (True, False)
    assert store.find_partner(second.partner_id) is None
    assert store.find_issuer(first.issuer) == first


def test_next_version_replaces_the_last(store: Store) -> None:
    """A change to an outdated or missing record changes nothing."""
    partner = samples.partner()
    store.create_partner(partner)
    changed = replace(partner, version=2, name="Other", status=Status.ACTIVE, keys={}, role_map={}, jwks_uri="")
    assert [store.replace_partner(each) for each in (changed, changed, replace(partner, version=4))] == [
        True,
        False,
        False,
    ]
    assert store.find_partner(partner.partner_id) == changed
    assert not store.replace_partner(samples.partner())


def test_deleted_partner_is_gone_and_its_issuer_free(store: Store) -> None:
    """Only the version that was read is deleted."""
    partner = samples.partner()
    store.create_partner(partner)
    assert [store.delete_partner(each) for each in (replace(partner, version=2), partner, partner)] == [
        False,
        True,
        False,
    ]
    assert (store.find_partner(partner.partner_id), store.find_issuer(partner.issuer)) == (None, None)
    assert store.create_partner(samples.partner(partner.issuer))


def test_partners_are_listed_oldest_first(empty_store: Store) -> None:
    """The pages hold each partner once, and no deleted one."""
    partners = [replace(samples.partner(), created_at=NOW + number) for number in (2, 0, 1, 3)]
    for partner in partners:
        empty_store.create_partner(partner)
    empty_store.delete_partner(partners[3])
    first = empty_store.list_partners(after="", limit=2)
    rest = empty_store.list_partners(after=first.after, limit=2)
    assert (*first.items, *rest.items) == (partners[1], partners[2], partners[0])
    assert rest.after == ""


def test_assertion_is_used_once(store: Store) -> None:
    """An assertion is rejected while its item exists, even long after it has expired."""
    digest = samples.unique("")
    assert not store.was_used(digest)
    assert [store.use_assertion(digest, until=1) for _ in range(2)] == [True, False]
    assert store.was_used(digest)


def test_seats_are_as_many_as_allowed(store: Store) -> None:
    """A seat given back is free, a limit of 0 means no limit, and a later limit counts every seat."""
    partner_id = samples.unique("prt_")
    assert [store.take_seat(partner_id, 2) for _ in range(3)] == [True, True, False]
    store.return_seat(partner_id)
    assert [store.take_seat(partner_id, 2), store.take_seat(partner_id, 0), store.take_seat(partner_id, 3)] == [
        True,
        True,
        False,
    ]


def guest(store: Store) -> tuple[User, Link]:
    """Store a user without a login."""
    user = samples.external_user()
    link = samples.link(user)
    assert store.create_external_user(user, link)
    return user, link


def test_user_without_a_login_is_stored_with_the_link(store: Store) -> None:
    """The account, its place in the list, the link and the target of the external id are stored."""
    user, link = guest(store)
    assert store.find_user(user.sub) == user
    assert store.find_link(user.sub, link.partner_id) == link
    assert store.list_links(user.sub) == (link,)
    assert store.find_external(link.partner_id, link.external_id) == user.sub


def test_user_without_a_login_is_listed(empty_store: Store) -> None:
    """A user without a login is listed with all others."""
    user, _ = guest(empty_store)
    assert empty_store.list_users(after="", limit=9).items == (user,)


def test_taken_external_id_stores_nothing(store: Store) -> None:
    """A taken external id stores nothing, and other partners may still use it."""
    user, link = guest(store)
    other = samples.external_user()
    assert not store.create_external_user(other, replace(link, sub=other.sub))
    assert (store.find_user(other.sub), store.find_link(other.sub, link.partner_id)) == (None, None)
    assert store.create_external_user(other, samples.link(other, external_id=link.external_id))
    assert store.find_external(link.partner_id, link.external_id) == user.sub


def test_links_are_no_sessions(store: Store) -> None:
    """An account's links are not listed with its sessions, and stay when those end."""
    user, _ = guest(store)
    session = samples.session(user.sub)
    store.create_session(session)
    assert store.find_user_and_session(user.sub, session.sid, NOW) == (user, session)
    assert store.list_sessions(user.sub, NOW) == (session,)
    assert store.end_sessions(user.sub) == 1
    assert len(store.list_links(user.sub)) == 1


def test_user_without_a_login_is_disabled(store: Store) -> None:
    """The account has no credential, so only the account's epoch changes."""
    user, _ = guest(store)
    changed = store.set_standing(user, status=UserStatus.DISABLED, roles=("user",), epoch=4)
    assert changed == replace(user, status=UserStatus.DISABLED, roles=("user",), epoch=4) == store.find_user(user.sub)


def test_user_without_a_login_is_deleted(empty_store: Store) -> None:
    """Only the link's target stays."""
    user, link = guest(empty_store)
    assert not empty_store.delete_user(user)
    assert empty_store.begin_deletion(user, mail=None)
    assert empty_store.forget_links(user.sub) == 1
    assert (empty_store.delete_user(user), empty_store.delete_user(user)) == (True, False)
    assert (empty_store.find_user(user.sub), empty_store.list_links(user.sub)) == (None, ())
    assert empty_store.list_users(after="", limit=9).items == ()
    assert empty_store.find_external(link.partner_id, link.external_id) == user.sub
    assert not empty_store.create_external_user(samples.external_user(), link)


def ann(store: Store) -> User:
    """Store a user with a login."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    return user


def test_link_is_added_to_an_account(store: Store) -> None:
    """An account can have several links, one for each partner."""
    user = ann(store)
    links = [samples.link(user), samples.link(user)]
    assert [store.add_link(user, link) for link in links] == [True, True]
    assert store.list_links(user.sub) == tuple(sorted(links, key=lambda link: link.partner_id))
    assert store.find_user(user.sub) == user


@pytest.mark.parametrize("taken", ["external id", "place", "account changed", "account gone"])
def test_link_that_does_not_fit_is_not_added(store: Store, taken: str) -> None:
    """A link that does not fit changes nothing."""
    user, (other, theirs) = ann(store), guest(store)
    link = samples.link(user)
    match taken:
        case "external id":
            link = replace(theirs, sub=user.sub)
        case "place":
            assert store.add_link(user, samples.link(user, link.partner_id))
        case "account changed":
            store.set_standing(user, status=user.status, roles=("user",), epoch=user.epoch)
        case _:
            user = samples.user()
            link = samples.link(user)
    before = store.list_links(user.sub)
    assert not store.add_link(user, link)
    assert store.list_links(user.sub) == before
    assert store.find_external(theirs.partner_id, theirs.external_id) == other.sub


def test_link_is_renewed_with_its_account(store: Store) -> None:
    """The account's name, locale and roles change together with the link's roles and attributes."""
    user, link = guest(store)
    renewed = replace(user, name="Eve", locale="ru", roles=("shop",))
    said = replace(link, roles=("shop",), attributes="{}")
    assert store.renew_link(user, renewed, said)
    assert (store.find_user(user.sub), store.find_link(user.sub, link.partner_id)) == (renewed, said)


def test_link_of_an_account_that_changed_is_not_renewed(store: Store) -> None:
    """Neither the link nor the account changes, and an account without that link does not either."""
    user, link = guest(store)
    assert store.set_standing(user, status=UserStatus.DISABLED, roles=user.roles, epoch=user.epoch)
    assert not store.renew_link(user, replace(user, name="Eve"), replace(link, attributes="{}"))
    assert store.find_link(user.sub, link.partner_id) == link
    other = ann(store)
    assert not store.renew_link(other, replace(other, name="Eve"), samples.link(other))
    assert store.find_user(other.sub) == other


def test_link_stays_where_the_other_is_gone(store: Store) -> None:
    """An account without another way to sign in keeps one of its links."""
    user = ann(store)
    one, two = samples.link(user), samples.link(user)
    for link in (one, two):
        store.add_link(user, link)
    assert store.remove_link(user, one, besides=two)
    parted = store.find_user(user.sub)
    assert parted is not None
    assert not store.remove_link(parted, two, besides=one)
    assert store.list_links(user.sub) == (two,)


def test_removed_link_sets_its_external_id_free(store: Store) -> None:
    """A removed link frees its external id and takes its roles along. A second removal changes nothing."""
    user, mail = ann(store), samples.mail()
    link = replace(samples.link(user), roles=("shop",))
    store.add_link(user, link)
    assert store.remove_link(user, link, mail=mail)
    parted = replace(user, roles=("user",))
    assert not store.remove_link(parted, link, mail=samples.mail())
    assert (store.list_links(user.sub), store.find_external(link.partner_id, link.external_id)) == ((), None)
    assert (store.find_user(user.sub), store.find_mail(mail.mail_id, NOW)) == (parted, mail)


def test_link_of_an_account_that_changed_is_not_removed(store: Store) -> None:
    """The link stays, with its roles, and no mail waits."""
    user, mail = ann(store), samples.mail()
    link = samples.link(user)
    store.add_link(user, link)
    changed = store.set_standing(user, status=user.status, roles=("user",), epoch=user.epoch)
    assert not store.remove_link(user, link, mail=mail)
    assert (store.list_links(user.sub), store.find_user(user.sub)) == ((link,), changed)
    assert store.find_mail(mail.mail_id, NOW) is None


@pytest.mark.parametrize("age", [-5, 0, 5])
def test_account_notes_when_its_latest_link_was_confirmed(store: Store, age: int) -> None:
    """An earlier one changes nothing, and the mail is posted with the link."""
    user, mail = ann(store), samples.mail()
    link = replace(samples.link(user), confirmed_at=NOW + age)
    assert store.add_link(user, link, mail=mail)
    assert store.find_user(user.sub) == replace(user, linked_at=max(NOW, NOW + age))
    assert store.find_mail(mail.mail_id, NOW) == mail


def test_link_is_confirmed_with_its_account(store: Store) -> None:
    """The link, the account's note of it, and the mail are stored in one write."""
    user, mail = ann(store), samples.mail()
    link = samples.link(user)
    store.add_link(user, link)
    confirmed = replace(link, confirmed_at=NOW + 9)
    assert store.confirm_link(user, confirmed, mail=mail)
    assert (store.find_link(user.sub, link.partner_id), store.find_user(user.sub)) == (
        confirmed,
        replace(user, linked_at=NOW + 9),
    )
    assert store.find_mail(mail.mail_id, NOW) == mail


@pytest.mark.parametrize("spoilt", ["link gone", "another identity", "account changed", "another link meanwhile"])
def test_link_that_does_not_stand_is_not_confirmed(store: Store, spoilt: str) -> None:
    """Neither link nor account changes, and no mail waits."""
    user, mail = ann(store), samples.mail()
    link = samples.link(user)
    store.add_link(user, link)
    read, confirmed = user, replace(link, confirmed_at=NOW + 9)
    match spoilt:
        case "link gone":
            confirmed = replace(confirmed, partner_id=samples.unique("prt_"))
        case "another identity":
            confirmed = replace(confirmed, external_id="another")
        case "account changed":
            read = replace(user, epoch=2)
        case _:
            store.add_link(user, replace(samples.link(user), confirmed_at=NOW + 1))
    before = store.find_user(user.sub), store.list_links(user.sub)
    assert not store.confirm_link(read, confirmed, mail=mail)
    assert (store.find_user(user.sub), store.list_links(user.sub)) == before
    assert store.find_mail(mail.mail_id, NOW) is None


def test_links_are_listed_with_their_partners(store: Store) -> None:
    """A link whose partner is gone has none."""
    user, partner = ann(store), samples.partner()
    assert store.list_links_and_partners(user.sub) == ()
    store.create_partner(partner)
    links = samples.link(user, partner.partner_id), samples.link(user)
    for link in links:
        store.add_link(user, link)
    expected = sorted(zip(links, (partner, None), strict=True), key=lambda pair: pair[0].partner_id)
    assert store.list_links_and_partners(user.sub) == tuple(expected)
