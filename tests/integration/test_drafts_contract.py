"""Registrations that wait for a confirmation: what every store must hold to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.mail.store import MOST_LINK_TRIES, MOST_TRIES, Door
from latchkey.core.model import UserStatus
from tests.integration import samples
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Draft, User


def stored(store: Store) -> Draft:
    """Return a draft in the store."""
    draft = samples.draft()
    assert store.save_draft(draft)
    return draft


def account_of(draft: Draft) -> User:
    """Return the account that a draft becomes."""
    return replace(samples.user(draft.login), verified_at=NOW, can_sign_in=True)


def secret_of(draft: Draft, door: Door) -> str:
    """Return the hash of the secret of a door."""
    return draft.link_hash if door is Door.LINK else draft.flow_hash


def test_draft_comes_back_with_every_member(store: Store) -> None:
    """A draft is stored once: storing it again changes nothing."""
    draft = samples.draft()
    assert store.save_draft(draft)
    again = store.save_draft(replace(draft, login="eve@example.com"))
    assert (again, store.find_draft(draft.draft_id, NOW)) == (False, draft)


def test_another_mail_renews_a_draft_and_its_tries(store: Store) -> None:
    """The new digits have five tries. A second mailer that read the draft before this mail changes nothing."""
    draft = stored(store)
    for _ in range(MOST_TRIES):
        store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW)
    renewed = samples.renewed(draft)
    assert store.renew_draft(draft, renewed, NOW)
    assert not store.renew_draft(draft, samples.renewed(draft), NOW)
    assert store.find_draft(draft.draft_id, NOW) == renewed
    assert store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW) == renewed


def test_another_mail_gives_no_more_tries_of_the_link(store: Store) -> None:
    """They are tries of one password, which a mail does not change."""
    draft = stored(store)
    for _ in range(MOST_LINK_TRIES):
        assert store.try_draft(draft.draft_id, Door.LINK, draft.link_hash, NOW)
    renewed = samples.renewed(draft)
    assert store.renew_draft(draft, renewed, NOW)
    assert store.try_draft(draft.draft_id, Door.LINK, renewed.link_hash, NOW) is None


@pytest.mark.parametrize(("door", "most"), [(Door.FLOW, MOST_TRIES), (Door.LINK, MOST_LINK_TRIES)])
def test_draft_has_its_tries_at_each_door(store: Store, door: Door, most: int) -> None:
    """The tries of one door do not count at the other, and a wrong secret counts nowhere."""
    draft = stored(store)
    assert store.try_draft(draft.draft_id, door, "0" * 64, NOW) is None
    assert store.try_draft(draft.draft_id, door, "", NOW) is None
    tries = [store.try_draft(draft.draft_id, door, secret_of(draft, door), NOW) for _ in range(most + 1)]
    assert tries == [draft] * most + [None]
    other = Door.LINK if door is Door.FLOW else Door.FLOW
    assert store.try_draft(draft.draft_id, other, secret_of(draft, other), NOW) == draft


def test_digits_expire_before_the_link(store: Store) -> None:
    """Each works until the second of its expiry, swept or not."""
    draft = stored(store)
    moments = (draft.digits_expires_at - 1, draft.digits_expires_at)
    assert [store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, now) for now in moments] == [draft, None]
    moments = (draft.expires_at - 1, draft.expires_at)
    assert [store.try_draft(draft.draft_id, Door.LINK, draft.link_hash, now) for now in moments] == [draft, None]
    assert [store.find_draft(draft.draft_id, now) for now in moments] == [draft, None]


def test_unknown_draft_is_absent(store: Store) -> None:
    """A try, a renewal and a use of it store nothing."""
    draft = samples.draft()
    user = account_of(draft)
    assert store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW) is None
    assert not store.renew_draft(draft, samples.renewed(draft), NOW)
    assert not store.confirm_draft(user, samples.credential(user), samples.used(draft))
    assert (store.find_draft(draft.draft_id, NOW), store.find_user(user.sub)) == (None, None)


def test_confirmation_makes_the_account_and_uses_the_draft(empty_store: Store) -> None:
    """Account, login and list entry are there, and the draft is used for good."""
    draft = stored(empty_store)
    user = account_of(draft)
    credential, used = samples.credential(user), samples.used(draft)
    assert empty_store.confirm_draft(user, credential, used)
    assert (empty_store.find_user(user.sub), empty_store.find_credential(draft.login)) == (user, credential)
    assert empty_store.list_users(after="", limit=9).items == (user,)
    assert empty_store.find_draft(draft.draft_id, NOW) == used
    for door in Door:
        assert empty_store.try_draft(draft.draft_id, door, secret_of(draft, door), NOW) == used
    assert not empty_store.save_draft(draft)
    assert not empty_store.renew_draft(draft, samples.renewed(draft), NOW)
    assert empty_store.find_draft(draft.draft_id, draft.expires_at) is None


def test_draft_is_used_once(store: Store) -> None:
    """A second confirmation makes no account, whatever its login."""
    draft = stored(store)
    first, second = account_of(draft), account_of(samples.draft())
    assert store.confirm_draft(first, samples.credential(first), samples.used(draft))
    assert not store.confirm_draft(second, samples.credential(second), samples.used(draft, NOW + 1))
    assert (store.find_user(second.sub), store.find_draft(draft.draft_id, NOW)) == (None, samples.used(draft))


def test_taken_login_uses_no_draft(store: Store) -> None:
    """The account that has the login stays, and the draft waits on."""
    draft = stored(store)
    owner, user = samples.user(draft.login), account_of(draft)
    store.create_user(owner, samples.credential(owner))
    assert not store.confirm_draft(user, samples.credential(user), samples.used(draft))
    found = store.find_user(user.sub), store.find_credential(draft.login), store.find_draft(draft.draft_id, NOW)
    assert found == (None, samples.credential(owner), draft)


def test_expired_draft_makes_no_account(store: Store) -> None:
    """The expiry is part of the write."""
    draft = stored(store)
    user = account_of(draft)
    assert not store.confirm_draft(user, samples.credential(user), samples.used(draft, draft.expires_at))
    assert store.find_user(user.sub) is None


def test_login_is_verified_once_while_the_account_has_it(store: Store) -> None:
    """The first time stays. Another login, a disabled account and a missing one verify nothing."""
    user, other = (replace(samples.user(), verified_at=0) for _ in range(2))
    for each in (user, other):
        store.create_user(each, samples.credential(each))
    assert [store.verify_login(user.sub, user.login, now) for now in (NOW, NOW + 9)] == [True, True]
    assert store.find_user(user.sub) == replace(user, verified_at=NOW)
    assert not store.verify_login(other.sub, user.login, NOW)
    store.set_standing(other, status=UserStatus.DISABLED, roles=other.roles, epoch=other.epoch)
    assert not store.verify_login(other.sub, other.login, NOW)
    assert not store.verify_login(samples.unique("usr_"), user.login, NOW)
