"""The store's contract for waiting mails and for changes of several items, checked on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import CodePurpose, UserStatus
from tests.integration import samples
from tests.integration.contract import refuses, step_from
from tests.integration.races import RACERS, race
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.adapters.store import Store
    from latchkey.core.authenticators.store import NewLogin, NewPassword
    from latchkey.core.model import OneTimeCode, Session, User


def registered(store: Store, **members: Any) -> User:
    user = replace(samples.user(), **members)
    store.create_user(user, samples.credential(user))
    return user


def coded(store: Store, purpose: CodePurpose = CodePurpose.RESET) -> OneTimeCode:
    code = samples.code(purpose=purpose)
    store.save_code(code)
    return code


def in_session(store: Store, user: User) -> Session:
    session = samples.session(user.sub)
    store.create_session(session)
    return session


def password_changes(store: Store, changes: list[NewPassword]) -> Callable[[int], bool]:
    """Return the act of each racer."""
    return lambda number: store.change_password(changes[number])


def moves(store: Store, change: NewLogin) -> bool:
    """Say whether an account moves: another may have the new login."""
    try:
        return store.change_login(change)
    except ServiceError as error:
        if error.error is Errors.USER_EXISTS:
            return False
        raise


def moved(store: Store, user: User, **members: Any) -> NewLogin:
    """Return a change of login that was made."""
    change = samples.new_login(user, code=coded(store, CodePurpose.CHANGE_EMAIL), **members)
    assert store.change_login(change)
    return change


def is_spent(store: Store, code: OneTimeCode) -> bool:
    return store.find_code(code.code_hash, code.purpose, NOW) is None


# Codes that are only looked at


def test_a_code_that_is_looked_at_is_there_still(store: Store) -> None:
    """Reading a code does not use it."""
    code = coded(store)
    found = [store.find_code(code.code_hash, code.purpose, NOW) for _ in range(2)]
    assert (found, store.consume_code(code.code_hash, code.purpose, NOW)) == ([code, code], code)


def test_a_used_an_expired_and_a_foreign_code_are_not_found(store: Store) -> None:
    """A code that cannot be used is not found either."""
    used, code = coded(store), coded(store)
    store.consume_code(used.code_hash, used.purpose, NOW)
    found = (
        store.find_code(used.code_hash, used.purpose, NOW),
        store.find_code(code.code_hash, code.purpose, code.expires_at),
        store.find_code(code.code_hash, CodePurpose.CONFIRM, NOW),
    )
    assert found == (None, None, None)


# The outbox


def test_a_mail_waits_with_every_member(store: Store) -> None:
    """A mail is found as it was posted."""
    mail = samples.mail()
    store.post_mail(mail)
    assert store.find_mail(mail.mail_id, NOW) == mail


def test_a_mail_waits_until_it_expires(store: Store) -> None:
    """An old mail is absent, whether or not it was swept."""
    mail = samples.mail()
    store.post_mail(mail)
    found = [store.find_mail(mail.mail_id, mail.expires_at - past) is not None for past in (1, 0)]
    assert found == [True, False]


def test_a_mail_is_taken_out_once(store: Store) -> None:
    """A second caller finds no mail."""
    mail = samples.mail()
    store.post_mail(mail)
    assert [store.remove_mail(mail.mail_id) for _ in range(2)] == [True, False]
    assert store.find_mail(mail.mail_id, NOW) is None


def test_a_taken_mail_id_is_refused(store: Store) -> None:
    """Two mails of one id raise CONFLICT."""
    mail = samples.mail()
    store.post_mail(mail)
    with refuses(Errors.CONFLICT):
        store.post_mail(mail)


# A new password


def test_a_new_password_comes_with_all_that_belongs_to_it(store: Store) -> None:
    """Hash, epochs, code, kept session and mail change together."""
    user, code, mail = registered(store), coded(store), samples.mail()
    session = in_session(store, user)
    assert store.change_password(samples.new_password(user, code, session.sid, mail))
    credential = store.find_credential(user.login)
    assert credential == replace(samples.credential(user, "$argon2id$new"), epoch=4, devices_since=NOW)
    assert store.find_user(user.sub) == replace(user, epoch=4, reset_at=NOW)
    assert store.advance(step_from(session, epoch=4)).advanced
    assert is_spent(store, code)
    assert store.find_mail(mail.mail_id, NOW) == mail


def test_known_devices_are_forgotten(store: Store) -> None:
    """The credential says since when, and nothing else changes."""
    user = registered(store)
    assert store.forget_devices(samples.credential(user), NOW + 7)
    assert store.find_credential(user.login) == replace(samples.credential(user), devices_since=NOW + 7)
    assert store.find_user(user.sub) == user


def test_devices_of_another_account_or_of_none_are_not_forgotten(store: Store) -> None:
    """A login that has moved to another account, or is free, keeps what it has."""
    user = registered(store)
    other = replace(samples.credential(user), sub=samples.unique("usr_"))
    assert not store.forget_devices(other, NOW)
    assert store.find_credential(user.login) == samples.credential(user)
    free = replace(samples.credential(user), login=samples.unique("free@"))
    assert not store.forget_devices(free, NOW)
    assert store.find_credential(free.login) is None


def test_devices_that_were_forgotten_meanwhile_stay_forgotten(store: Store) -> None:
    """A change that was decided before does not bring them back."""
    user = registered(store)
    assert store.forget_devices(samples.credential(user), NOW)
    assert not store.change_password(samples.new_password(user))
    assert not store.change_login(samples.new_login(user, code=coded(store)))


def test_a_new_password_leaves_a_disabled_account_disabled(store: Store) -> None:
    """Only the operator decides otherwise."""
    user = registered(store, status=UserStatus.DISABLED)
    assert store.change_password(samples.new_password(user, coded(store)))
    assert store.find_user(user.sub) == replace(user, epoch=4, reset_at=NOW)


def test_a_new_password_by_its_owner_is_no_reset(store: Store) -> None:
    """Only a code from a mail proves the mailbox."""
    user = registered(store)
    assert store.change_password(samples.new_password(user))
    assert store.find_user(user.sub) == replace(user, epoch=4)


def test_a_first_password_lets_the_account_sign_in(store: Store) -> None:
    """The account says so from the same write on."""
    user = registered(store, can_sign_in=False)
    assert store.change_password(samples.new_password(user, coded(store)))
    found = store.find_user(user.sub)
    assert found is not None
    assert found.can_sign_in


def test_a_reset_takes_the_roles_of_suspended_links(store: Store) -> None:
    """The account loses the roles, and the link forgets that it gave them. Nothing else of the link changes."""
    user = registered(store)
    link, bare = replace(samples.link(user), roles=("shop",)), replace(samples.link(user), roles=())
    for each in (link, bare):
        assert store.add_link(user, each)
    change = replace(samples.new_password(user, coded(store)), suspended=(link, bare))
    assert store.change_password(change)
    assert store.find_user(user.sub) == replace(user, epoch=4, reset_at=NOW, roles=("user",))
    found = [store.find_link(user.sub, each.partner_id) for each in (link, bare)]
    assert found == [replace(link, roles=()), bare]


@pytest.mark.parametrize(("age", "verified_at"), [(-20, NOW), (0, NOW), (20, NOW + 20)])
def test_a_reset_proves_the_mailbox(store: Store, age: int, verified_at: int) -> None:
    """The code went to the present login. A later confirmation stays."""
    user = registered(store, verified_at=NOW + age)
    code = samples.code(data={"login": user.login, "to": user.login})
    store.save_code(code)
    assert store.change_password(samples.new_password(user, code))
    assert store.find_user(user.sub) == replace(user, epoch=4, reset_at=NOW, verified_at=verified_at)


def test_a_reset_by_a_code_to_another_address_proves_no_mailbox(store: Store) -> None:
    """The password is set, and the address stays unconfirmed."""
    user = registered(store, verified_at=0)
    code = samples.code(data={"login": user.login, "to": "ada@example.org"})
    store.save_code(code)
    assert store.change_password(samples.new_password(user, code))
    assert store.find_user(user.sub) == replace(user, epoch=4, reset_at=NOW)


def test_a_reset_is_never_earlier_than_a_link(store: Store) -> None:
    """Where clocks differ, a link may have been confirmed later than now. The reset still suspends it."""
    user = registered(store, linked_at=NOW + 7)
    assert store.change_password(samples.new_password(user, coded(store)))
    found = store.find_user(user.sub)
    assert found is not None
    assert found.reset_at == NOW + 7


def test_a_link_made_meanwhile_is_not_overlooked_by_a_reset(store: Store) -> None:
    """The reset is refused as a whole, and the code is not used: the caller reads the links again."""
    user, code = registered(store), coded(store)
    change = samples.new_password(user, code)
    assert store.add_link(user, replace(samples.link(user), confirmed_at=NOW + 1))
    assert not store.change_password(change)
    assert not is_spent(store, code)


def test_a_link_removed_meanwhile_refuses_a_reset(store: Store) -> None:
    """Nothing changes: the roles that the account had were read together with the link."""
    user, code = registered(store), coded(store)
    link = replace(samples.link(user), roles=("shop",))
    change = replace(samples.new_password(user, code), suspended=(link,))
    assert not store.change_password(change)
    assert store.find_user(user.sub) == user
    assert not is_spent(store, code)


@pytest.mark.parametrize(
    "spoilt",
    [
        "used code",
        "expired code",
        "other hash",
        "other epoch",
        "other status",
        "other roles",
        "session gone",
        "other links",
    ],
)
def test_a_password_change_that_is_refused_changes_nothing(store: Store, spoilt: str) -> None:
    """If any record differs from what was read, nothing changes: the code is not used, and no mail waits."""
    user, code, mail = registered(store), coded(store), samples.mail()
    change = samples.new_password(user, code, mail=mail)
    if spoilt == "used code":
        store.consume_code(code.code_hash, code.purpose, NOW)
    change = {
        "used code": change,
        "expired code": replace(change, now=code.expires_at),
        "other hash": replace(change, held=replace(change.held, password_hash="$argon2id$older")),
        "other epoch": replace(change, user=replace(user, epoch=2)),
        "other status": replace(change, user=replace(user, status=UserStatus.DISABLED)),
        "other roles": replace(change, user=replace(user, roles=("user",))),
        "session gone": replace(change, keep="ses_gone"),
        "other links": replace(change, user=replace(user, linked_at=NOW - 1)),
    }[spoilt]
    assert not store.change_password(change)
    assert (store.find_user(user.sub), store.find_credential(user.login)) == (user, samples.credential(user))
    assert is_spent(store, code) == (spoilt == "used code")
    assert store.find_mail(mail.mail_id, NOW) is None


def test_one_code_sets_one_password(store: Store, rounds: int) -> None:
    """Thirty resets with one code, round after round, succeed once each time."""
    for _ in range(rounds):
        user, code = registered(store), coded(store)
        change = samples.new_password(user, code)
        won = race(password_changes(store, [replace(change, password_hash=f"${number}") for number in range(RACERS)]))
        held = store.find_credential(user.login)
        assert won.count(True) == 1
        assert held is not None
        assert held.password_hash == f"${won.index(True)}"


# Another login


def test_an_account_moves_with_its_credential(store: Store) -> None:
    """The old login opens nothing, the new one opens the account as before, the code is used, the mail waits."""
    user, code, mail = registered(store), coded(store, CodePurpose.CHANGE_EMAIL), samples.mail()
    change = samples.new_login(user, code=code, mail=mail)
    assert store.change_login(change)
    moved = replace(samples.credential(user), login=change.login)
    assert (store.find_credential(user.login), store.find_credential(change.login)) == (None, moved)
    assert store.find_user(user.sub) == replace(user, login=change.login, verified_at=NOW, address_changed_at=NOW)
    assert is_spent(store, code)
    assert store.find_mail(mail.mail_id, NOW) == mail


def test_a_login_that_is_not_reserved_is_free(store: Store) -> None:
    """Another account can take it at once, and the account that left it need not wait."""
    user = registered(store)
    move = samples.new_login(user, code=coded(store, CodePurpose.CHANGE_EMAIL), reserved_until=0)
    assert store.change_login(move)
    moved = store.find_user(user.sub)
    assert (moved and moved.address_changed_at, store.find_reservation(user.login, NOW)) == (0, None)
    registered(store, login=user.login)


@pytest.mark.parametrize("spoilt", ["taken login", "unknown code", "other hash", "other epoch"])
def test_a_move_that_is_refused_changes_nothing(store: Store, spoilt: str) -> None:
    """Both logins keep their owners, the code is not used, and no mail waits."""
    user, code, mail = registered(store), coded(store, CodePurpose.CHANGE_EMAIL), samples.mail()
    other = registered(store)
    change = samples.new_login(user, code=code, mail=mail)
    change = {
        "taken login": replace(change, login=other.login),
        "unknown code": replace(change, code=samples.code(purpose=CodePurpose.CHANGE_EMAIL)),
        "other hash": replace(change, held=replace(change.held, password_hash="$argon2id$older")),
        "other epoch": replace(change, user=replace(user, epoch=2)),
    }[spoilt]
    assert not moves(store, change)
    held = store.find_credential(user.login), store.find_credential(other.login), store.find_user(user.sub)
    assert held == (samples.credential(user), samples.credential(other), user)
    assert not is_spent(store, code)
    assert store.find_mail(mail.mail_id, NOW) is None


def test_one_address_gets_one_of_many_accounts(store: Store) -> None:
    """Thirty accounts move to one address at once: one gets it, and the others keep their own."""
    login = samples.unique("new@")
    users = [registered(store) for _ in range(30)]
    changes = [samples.new_login(user, login, coded(store, CodePurpose.CHANGE_EMAIL)) for user in users]
    won = race(lambda number: moves(store, changes[number]))
    held = store.find_credential(login)
    assert won.count(True) == 1
    assert held is not None
    assert held.sub == users[won.index(True)].sub
    stayed = [user for user, moved in zip(users, won, strict=True) if not moved]
    assert [store.find_credential(user.login) for user in stayed] == [samples.credential(user) for user in stayed]


# The end


def test_an_account_is_marked_before_it_is_deleted(store: Store) -> None:
    """A marked account has a new epoch and a waiting mail. Only then can it be deleted, with its login."""
    user, mail = registered(store), samples.mail()
    assert not store.delete_user(user)
    assert store.begin_deletion(user, mail=mail)
    assert store.find_user(user.sub) == replace(user, status=UserStatus.DELETING, epoch=4)
    assert store.find_mail(mail.mail_id, NOW) == mail
    assert store.delete_user(user)
    assert (store.find_user(user.sub), store.find_credential(user.login)) == (None, None)


@pytest.mark.parametrize(
    "change", [{"epoch": 2}, {"roles": ("user",)}, {"status": UserStatus.DISABLED}, {"login": "eve@example.com"}]
)
def test_an_account_that_changed_is_not_marked(store: Store, change: dict[str, Any]) -> None:
    """A decision made on an older state is not carried out."""
    user = registered(store)
    assert not store.begin_deletion(replace(user, **change), mail=None)
    assert store.find_user(user.sub) == user


def test_a_deletion_takes_no_login_of_another(store: Store) -> None:
    """A marked account whose login belongs to another is not deleted, and neither is the login."""
    user, other = registered(store, status=UserStatus.DELETING), registered(store)
    assert not store.delete_user(replace(user, login=other.login))
    assert store.find_credential(other.login) == samples.credential(other)
