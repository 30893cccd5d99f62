"""The store's contract for former logins and the way back to them, checked on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.core.errors import Errors
from latchkey.core.mail.store import MOST_TRIES
from latchkey.core.model import CodePurpose
from tests.integration import samples
from tests.integration.contract import refuses
from tests.integration.races import race
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.authenticators.store import NewLogin, UndoneChange
    from latchkey.core.model import OneTimeCode, User

HELD = 259_200


def registered(store: Store, **members: Any) -> User:
    user = replace(samples.user(), **members)
    store.create_user(user, samples.credential(user))
    return user


def coded(store: Store, purpose: CodePurpose, now: int = NOW) -> OneTimeCode:
    code = replace(samples.code(purpose=purpose), expires_at=now + 600)
    store.save_code(code)
    return code


def moved(store: Store, user: User, login: str = "", *, now: int = NOW) -> NewLogin:
    """Return a change of login that was made."""
    code = coded(store, CodePurpose.CHANGE_EMAIL, now)
    change = samples.new_login(user, login, code, now=now, reserved_until=now + HELD)
    assert store.change_login(change)
    return change


def undone(store: Store, change: NewLogin, *later: NewLogin, links: int = 0, mails: int = 0) -> UndoneChange:
    """Return what undoes a change and every later one, with links that are stored and a code that is stored."""
    user = store.find_user(change.user.sub)
    assert user is not None
    added = tuple(samples.link(user) for _ in range(links))
    assert all(store.add_link(user, link) for link in added)
    user = store.find_user(change.user.sub)
    held = store.find_credential(user.login if user else "")
    assert user is not None
    assert held is not None
    code = coded(store, CodePurpose.UNDO_EMAIL)
    undo = samples.undone_change(change, user, held, code)
    return replace(
        undo,
        later=tuple(each.reservation for each in later if each.reservation),
        links=added,
        mails=tuple(samples.mail() for _ in range(mails)),
    )


# A code in place of another


def test_a_later_code_replaces_an_earlier_one_with_all_its_tries(store: Store) -> None:
    """What was tried or used before does not matter to the new one."""
    first = samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    second = replace(first, expires_at=first.expires_at + 1, data={"to": "new@example.com"})
    assert store.begin_change(first)
    for _ in range(MOST_TRIES):
        assert store.try_code(first.code_hash, first.purpose, NOW) == first
    assert store.try_code(first.code_hash, first.purpose, NOW) is None
    assert store.consume_code(first.code_hash, first.purpose, NOW) == first
    assert store.begin_change(second)
    tried = [store.try_code(second.code_hash, second.purpose, NOW) for _ in range(MOST_TRIES + 1)]
    assert tried == [second] * MOST_TRIES + [None]
    assert store.consume_code(second.code_hash, second.purpose, NOW) == second


def test_an_earlier_code_does_not_replace_a_later_one(store: Store) -> None:
    """Two requests may cross."""
    late = samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    early = replace(late, expires_at=late.expires_at - 1)
    assert [store.begin_change(each) for each in (late, early)] == [True, False]
    assert store.find_code(late.code_hash, late.purpose, NOW) == late


# A reserved login


def test_a_former_login_is_reserved_with_every_member(store: Store) -> None:
    """The reservation says whose it is, where the account went and when, and ends by itself."""
    user = registered(store)
    change = moved(store, user)
    assert change.reservation is not None
    found = [store.find_reservation(user.login, NOW + after) for after in (0, HELD - 1, HELD)]
    assert found == [change.reservation, change.reservation, None]
    assert (change.reservation.owner, change.reservation.successor) == (user.sub, change.login)
    assert store.find_reservation(change.login, NOW) is None


@pytest.mark.parametrize("after", [0, HELD - 1])
def test_a_reserved_login_opens_nothing_and_cannot_be_taken(store: Store, after: int) -> None:
    """It has no credential, and neither a new account nor a moving one gets it."""
    user = registered(store)
    moved(store, user)
    assert (store.find_credential(user.login), store.find_credentials([user.login])) == (None, {})
    with refuses(Errors.USER_EXISTS):
        registered(store, login=user.login, created_at=NOW + after)
    other = registered(store)
    with refuses(Errors.USER_EXISTS):
        moved(store, other, user.login, now=NOW + after)
    assert store.find_credential(other.login) == samples.credential(other)


def test_a_draft_of_a_reserved_login_is_not_confirmed(store: Store) -> None:
    """It becomes an account once the reservation is over, and no earlier."""
    former = registered(store)
    moved(store, former)
    draft = replace(samples.draft(), login=former.login, expires_at=NOW + 2 * HELD)
    store.save_draft(draft)
    newcomer = samples.user(draft.login)
    confirmed = [
        store.confirm_draft(newcomer, samples.credential(newcomer), replace(samples.used(draft), used_at=NOW + after))
        for after in (HELD - 1, HELD)
    ]
    assert confirmed == [False, True]
    assert store.find_credential(former.login) == samples.credential(newcomer)


def test_a_reservation_that_is_over_is_no_obstacle(store: Store) -> None:
    """Whether or not it was swept, the login can be registered, and moved to."""
    first, second = registered(store), registered(store)
    moved(store, first)
    moved(store, second)
    heir = registered(store, login=first.login, created_at=NOW + HELD)
    other = registered(store)
    moved(store, other, second.login, now=NOW + HELD)
    assert store.find_credential(first.login) == samples.credential(heir)
    found = store.find_credential(second.login)
    assert found is not None
    assert found.sub == other.sub
    assert store.find_reservation(second.login, NOW) is None


# The way back


def test_an_account_returns_with_all_that_belongs_to_it(store: Store) -> None:
    """Login, credential and account are those of the change, the links are gone, the code is used, the mails wait."""
    user = registered(store)
    change = undone(store, moved(store, user), links=2, mails=2)
    assert store.undo_change(change)
    assert store.find_user(user.sub) == change.changed
    assert (change.changed.login, change.changed.epoch) == (user.login, change.user.epoch + 1)
    assert (store.find_credential(user.login), store.find_credential(change.held.login)) == (change.credential, None)
    assert store.find_reservation(user.login, NOW) is None
    assert store.list_links(user.sub) == ()
    assert [store.find_external(link.partner_id, link.external_id) for link in change.links] == [None, None]
    assert store.find_code(change.code.code_hash, change.code.purpose, NOW) is None
    assert [store.find_mail(mail.mail_id, NOW) for mail in change.mails] == list(change.mails)
    registered(store, login=change.held.login)


def test_links_take_the_roles_that_they_gave(store: Store) -> None:
    """The account keeps the others."""
    user = registered(store, roles=("user", "shop", "editor"))
    change = undone(store, moved(store, user), links=1)
    assert store.undo_change(change)
    found = store.find_user(user.sub)
    assert (change.links[0].roles, found and found.roles) == (("user", "shop"), ("editor",))


def test_later_logins_are_free_again(store: Store) -> None:
    """An account that has moved twice returns to the first login, and the two others can be registered."""
    user = registered(store)
    first = moved(store, user)
    between = store.find_user(user.sub)
    assert between is not None
    second = moved(store, between)
    assert store.undo_change(undone(store, first, second))
    found = store.find_user(user.sub)
    assert found is not None
    assert found.login == user.login
    for login in (first.login, second.login):
        registered(store, login=login)


SPOILT = ["expired", "other owner", "used code", "other epoch", "other hash", "missing link", "missing later one"]


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_return_that_is_refused_changes_nothing(store: Store, spoilt: str) -> None:
    """The account keeps its login and its links, the code is not used, and no mail waits."""
    user = registered(store)
    change = undone(store, moved(store, user), links=1, mails=1)
    stranger = replace(change.reservation, login=samples.unique("former@"))
    change = {
        "expired": replace(change, now=NOW + HELD, code=replace(change.code, expires_at=NOW + 2 * HELD)),
        "other owner": replace(change, reservation=replace(change.reservation, owner="usr_other")),
        "used code": replace(change, code=samples.code(purpose=CodePurpose.UNDO_EMAIL)),
        "other epoch": replace(change, user=replace(change.user, epoch=9)),
        "other hash": replace(change, held=replace(change.held, password_hash="$argon2id$older")),
        "missing link": replace(change, links=(*change.links, samples.link(user))),
        "missing later one": replace(change, later=(stranger,)),
    }[spoilt]
    before = store.find_user(user.sub), store.list_links(user.sub), store.find_reservation(user.login, NOW)
    assert not store.undo_change(change)
    assert (store.find_user(user.sub), store.list_links(user.sub), store.find_reservation(user.login, NOW)) == before
    assert store.find_credential(change.held.login) is not None
    assert [store.find_mail(mail.mail_id, NOW) for mail in change.mails] == [None]


def test_one_of_many_returns_happens(store: Store) -> None:
    """Thirty uses of one code return the account once."""
    user = registered(store)
    change = undone(store, moved(store, user), links=1)
    won = race(lambda _: store.undo_change(change))
    assert won.count(True) == 1
    assert store.find_user(user.sub) == change.changed
