"""The store's contract for operators: the list of accounts, their status and roles, and the last admin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import User, UserStatus
from tests.integration import samples
from tests.integration.contract import refuses
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.adapters.store import Store


def made(store: Store, *roles: str, created_at: int = NOW) -> User:
    """Return an account that is in the store."""
    user = replace(samples.user(roles=roles or ("user",)), created_at=created_at)
    store.create_user(user, samples.credential(user))
    return user


def test_an_empty_store_lists_no_users(empty_store: Store) -> None:
    """An empty store has one empty page."""
    page = empty_store.list_users(after="", limit=10)
    assert (page.items, page.after) == ((), "")


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_hold_every_account_once_oldest_first(empty_store: Store, limit: int) -> None:
    """The pages hold every account once, oldest first, and no page exceeds the limit."""
    users = [made(empty_store, created_at=NOW + age) for age in (4, 1, 3, 0, 2)]
    listed: list[User] = []
    after, pages = "", 0
    while pages == 0 or after:
        page = empty_store.list_users(after=after, limit=limit)
        assert len(page.items) <= limit
        listed += page.items
        after, pages = page.after, pages + 1
    assert listed == sorted(users, key=lambda user: user.created_at)


def test_list_shows_accounts_as_they_stand(empty_store: Store) -> None:
    """The list shows the owner's changes at once."""
    user = made(empty_store)
    empty_store.update_profile(user.sub, {"name": "Grace"})
    assert [each.name for each in empty_store.list_users(after="", limit=10).items] == ["Grace"]


def test_a_refused_registration_is_not_listed(empty_store: Store) -> None:
    """A user whose registration was rejected is in no list."""
    first = made(empty_store)
    second = samples.user(first.login)
    with refuses(Errors.USER_EXISTS):
        empty_store.create_user(second, samples.credential(second))
    assert empty_store.list_users(after="", limit=10).items == (first,)


def test_standing_changes_and_is_found_so(store: Store) -> None:
    """Status, roles and epoch change together, and the rest of the account stays."""
    user = made(store)
    changed = store.set_standing(user, status=UserStatus.DISABLED, roles=("user", "privacy"), epoch=user.epoch + 1)
    expected = replace(user, status=UserStatus.DISABLED, roles=("user", "privacy"), epoch=user.epoch + 1)
    assert (changed, store.find_user(user.sub)) == (expected, expected)


def test_credential_gets_the_epoch_of_its_account(store: Store) -> None:
    """Otherwise an account that is enabled again could never sign in."""
    user = made(store)
    store.set_standing(user, status=UserStatus.DISABLED, roles=user.roles, epoch=user.epoch + 1)
    credential = store.find_credential(user.login)
    assert credential is not None
    assert credential.epoch == user.epoch + 1


@pytest.mark.parametrize("change", [{"roles": ("privacy",)}, {"epoch": 7}, {"status": UserStatus.PENDING}])
def test_standing_that_has_moved_is_left(store: Store, change: dict[str, object]) -> None:
    """A caller who read an older state changes nothing and is told so."""
    user = made(store)
    read = replace(user, **change)  # type: ignore[arg-type]
    changed = store.set_standing(read, status=UserStatus.DISABLED, roles=("user",), epoch=user.epoch)
    assert (changed, store.find_user(user.sub)) == (None, user)


def test_standing_of_a_missing_user_makes_no_account(store: Store) -> None:
    """An account that is not there is not made."""
    missing = samples.user()
    changed = store.set_standing(missing, status=UserStatus.ACTIVE, roles=("user",), epoch=missing.epoch)
    assert (changed, store.find_user(missing.sub)) == (None, None)


@pytest.mark.parametrize(
    ("status", "roles"), [(UserStatus.DISABLED, ("admin",)), (UserStatus.ACTIVE, ("user",)), (UserStatus.PENDING, ())]
)
def test_the_last_admin_stays(empty_store: Store, status: UserStatus, roles: tuple[str, ...]) -> None:
    """The one active admin can neither be disabled nor lose the role, and nothing of the attempt is left."""
    admin = made(empty_store, "admin")
    with refuses(Errors.LAST_ADMIN):
        empty_store.set_standing(admin, status=status, roles=roles, epoch=admin.epoch + 1)
    assert empty_store.find_user(admin.sub) == admin
    assert empty_store.find_credential(admin.login) == samples.credential(admin)


def test_an_admin_may_go_while_another_stays(empty_store: Store) -> None:
    """Two admins can become one, and one cannot become none."""
    first, second = made(empty_store, "admin"), made(empty_store, "admin")
    assert empty_store.set_standing(first, status=UserStatus.ACTIVE, roles=("user",), epoch=first.epoch)
    with refuses(Errors.LAST_ADMIN):
        empty_store.set_standing(second, status=UserStatus.ACTIVE, roles=("user",), epoch=second.epoch)


def test_who_becomes_admin_or_comes_back_counts(empty_store: Store) -> None:
    """A promoted user and an admin who is enabled again each let another one go."""
    first, second = made(empty_store, "admin"), made(empty_store)
    assert empty_store.set_standing(second, status=UserStatus.ACTIVE, roles=("admin",), epoch=second.epoch)
    gone = empty_store.set_standing(first, status=UserStatus.DISABLED, roles=("admin",), epoch=first.epoch)
    assert gone is not None
    assert empty_store.set_standing(gone, status=UserStatus.ACTIVE, roles=("admin",), epoch=gone.epoch)
    promoted = empty_store.find_user(second.sub)
    assert promoted is not None
    assert empty_store.set_standing(promoted, status=UserStatus.ACTIVE, roles=("user",), epoch=promoted.epoch)


def test_a_disabled_admin_does_not_count(empty_store: Store) -> None:
    """A disabled admin does not count, neither as the last one nor when losing the role."""
    made(empty_store, "admin")
    idle = made(empty_store, "admin")
    disabled = empty_store.set_standing(idle, status=UserStatus.DISABLED, roles=("admin",), epoch=idle.epoch)
    assert disabled is not None
    assert empty_store.set_standing(disabled, status=UserStatus.DISABLED, roles=("user",), epoch=idle.epoch)


# Admins who cannot sign in


def idle_admin(store: Store) -> User:
    """Return an account in the store that has the role, and no password yet."""
    user = replace(samples.user(roles=("admin",)), can_sign_in=False)
    store.create_user(user, samples.credential(user))
    return user


def test_an_admin_who_cannot_sign_in_does_not_count(empty_store: Store) -> None:
    """The only admin who can sign in stays, also when the others are promoted, disabled or enabled again."""
    admin, idle, other = made(empty_store, "admin"), idle_admin(empty_store), made(empty_store)
    assert not may_go(empty_store, admin)
    disabled = empty_store.set_standing(idle, status=UserStatus.DISABLED, roles=idle.roles, epoch=4)
    assert disabled is not None
    assert empty_store.set_standing(disabled, status=UserStatus.ACTIVE, roles=idle.roles, epoch=4)
    assert not may_go(empty_store, admin)
    assert empty_store.set_standing(other, status=other.status, roles=("admin",), epoch=other.epoch)
    assert may_go(empty_store, admin)


def test_a_partners_user_does_not_count_as_admin(empty_store: Store) -> None:
    """Links never count: the sessions that a partner opens operate nothing."""
    admin, guest = made(empty_store, "admin"), samples.external_user()
    assert empty_store.create_external_user(guest, samples.link(guest))
    assert empty_store.set_standing(guest, status=guest.status, roles=("admin",), epoch=guest.epoch)
    assert not may_go(empty_store, admin)


def test_an_admin_counts_from_the_first_password_on(empty_store: Store) -> None:
    """One write sets the password and counts: then one of the two may go, and the last one stays."""
    admin, idle = made(empty_store, "admin"), idle_admin(empty_store)
    assert empty_store.change_password(samples.new_password(idle))
    awake = empty_store.find_user(idle.sub)
    assert awake is not None
    assert [may_go(empty_store, each) for each in (admin, awake)] == [True, False]


def test_an_admin_who_cannot_sign_in_goes_without_a_count(empty_store: Store) -> None:
    """Losing the role, and deletion, do not lower the count."""
    admin = made(empty_store, "admin")
    assert may_go(empty_store, idle_admin(empty_store))
    assert empty_store.begin_deletion(idle_admin(empty_store), mail=None)
    assert not may_go(empty_store, admin)
    made(empty_store, "admin")
    assert may_go(empty_store, admin)


def test_an_admin_without_a_password_who_wakes_does_not_count(empty_store: Store) -> None:
    """Confirming the address is not enough."""
    admin = made(empty_store, "admin")
    late = replace(samples.user(roles=("admin",)), status=UserStatus.PENDING, can_sign_in=False)
    empty_store.create_user(late, samples.credential(late))
    assert empty_store.activate_user(late.sub) == replace(late, status=UserStatus.ACTIVE)
    assert not may_go(empty_store, admin)


# Accounts that wake, give way or go


def waiting_admin(store: Store) -> User:
    """Return an account in the store that is made admin before it is confirmed."""
    user = replace(samples.user(roles=("admin",)), status=UserStatus.PENDING)
    store.create_user(user, samples.credential(user))
    return user


def may_go(store: Store, admin: User) -> bool:
    """Remove an admin's role if the store allows it, and return whether it did."""
    try:
        return store.set_standing(admin, status=admin.status, roles=("user",), epoch=admin.epoch) is not None
    except ServiceError as error:
        if error.error is not Errors.LAST_ADMIN:
            raise
        return False


def test_an_admin_who_waits_does_not_count(empty_store: Store) -> None:
    """An admin who has not confirmed the address does not count as the last admin."""
    admin = made(empty_store, "admin")
    waiting_admin(empty_store)
    assert not may_go(empty_store, admin)


def test_an_admin_who_wakes_counts_once(empty_store: Store) -> None:
    """Confirming the address twice counts once: one of the two admins may go, and the last one stays."""
    admin, late = made(empty_store, "admin"), waiting_admin(empty_store)
    awake = [empty_store.activate_user(late.sub) for _ in range(2)]
    assert awake == [replace(late, status=UserStatus.ACTIVE)] * 2
    gone = [may_go(empty_store, each) for each in (admin, replace(late, status=UserStatus.ACTIVE))]
    assert gone == [True, False]


def test_an_admin_who_wakes_by_a_new_password_counts(empty_store: Store) -> None:
    """A new password counts once as well: one of the two admins may go, and the last one stays."""
    admin, late = made(empty_store, "admin"), waiting_admin(empty_store)
    code = samples.code()
    empty_store.save_code(code)
    assert empty_store.change_password(samples.new_password(late, code))
    awake = empty_store.find_user(late.sub)
    assert awake is not None
    assert [may_go(empty_store, each) for each in (admin, awake)] == [True, False]


def test_a_new_password_of_an_admin_changes_no_count(empty_store: Store) -> None:
    """The number of admins stays one."""
    admin = made(empty_store, "admin")
    assert empty_store.change_password(samples.new_password(admin))
    changed = empty_store.find_user(admin.sub)
    assert changed is not None
    assert not may_go(empty_store, changed)


def test_who_takes_the_place_of_an_account_is_listed_and_counted(empty_store: Store) -> None:
    """The list holds the new account and no longer the old, and an active admin counts."""
    admin, old = made(empty_store, "admin"), waiting_admin(empty_store)
    new = replace(samples.user(old.login, roles=("admin",)), created_at=NOW + 1)
    assert empty_store.replace_pending_user(old, new, samples.credential(new), mail=None)
    assert empty_store.list_users(after="", limit=2).items == (admin, new)  # no place is taken by the old one
    assert [may_go(empty_store, each) for each in (admin, new)] == [True, False]


def test_who_does_not_give_way_stays_listed(empty_store: Store) -> None:
    """A refused registration leaves the list as it was."""
    user = made(empty_store)
    new = samples.user(user.login)
    pending = replace(user, status=UserStatus.PENDING)
    assert not empty_store.replace_pending_user(pending, new, samples.credential(new), mail=None)
    assert empty_store.list_users(after="", limit=10).items == (user,)


def test_a_deleted_account_is_not_listed(empty_store: Store) -> None:
    """An account is listed while its deletion runs, so no page hides it. Afterwards it is not, and pages are full."""
    user, other = made(empty_store), made(empty_store, created_at=NOW + 1)
    empty_store.begin_deletion(user, mail=None)
    marked = replace(user, status=UserStatus.DELETING, epoch=user.epoch + 1)
    assert empty_store.list_users(after="", limit=10).items == (marked, other)
    assert empty_store.delete_user(marked)
    assert empty_store.list_users(after="", limit=1).items == (other,)


def test_the_last_admin_is_not_deleted(empty_store: Store) -> None:
    """The last admin is not marked for deletion either, and no mail is sent."""
    admin, mail = made(empty_store, "admin"), samples.mail()
    with refuses(Errors.LAST_ADMIN):
        empty_store.begin_deletion(admin, mail=mail)
    assert empty_store.find_user(admin.sub) == admin
    assert empty_store.find_mail(mail.mail_id, NOW) is None


def test_a_deleted_admin_counts_no_more(empty_store: Store) -> None:
    """A deleted admin stops counting once, when marked: of three, a second may go after the first is deleted."""
    first, second, third = (made(empty_store, "admin") for _ in range(3))
    assert empty_store.begin_deletion(first, mail=None)
    assert empty_store.delete_user(replace(first, status=UserStatus.DELETING))
    assert [may_go(empty_store, each) for each in (second, third)] == [True, False]


def test_deletion_of_an_admin_who_does_not_count_changes_no_count(empty_store: Store) -> None:
    """A pending admin was never counted, so their deletion does not lower the count."""
    admin, late = made(empty_store, "admin"), waiting_admin(empty_store)
    assert empty_store.begin_deletion(late, mail=None)
    other = made(empty_store, "admin")
    assert [may_go(empty_store, each) for each in (admin, other)] == [True, False]


# The first admin


def first_admin(store: Store, login: str = "") -> User:
    """Return the admin that the store has accepted as its first."""
    user = samples.user(login, roles=("admin", "privacy"))
    store.create_first_admin(user, samples.credential(user))
    return user


def test_the_first_admin_is_there_whole(empty_store: Store) -> None:
    """The account, its credential, its place in the list and the count of admins are stored."""
    admin = first_admin(empty_store)
    assert empty_store.find_user(admin.sub) == admin
    assert empty_store.find_credential(admin.login) == samples.credential(admin)
    assert empty_store.list_users(after="", limit=10).items == (admin,)
    assert not may_go(empty_store, admin)


@pytest.mark.parametrize("make", [first_admin, lambda store: made(store, "admin")], ids=["as first", "by an admin"])
def test_there_is_one_first_admin(empty_store: Store, make: Callable[[Store], User]) -> None:
    """A second first admin is rejected, however the first was created, and the attempt leaves nothing behind."""
    admin = make(empty_store)
    with refuses(Errors.ADMIN_EXISTS):
        first_admin(empty_store, "late@example.com")
    assert empty_store.find_credential("late@example.com") is None
    assert empty_store.list_users(after="", limit=10).items == (admin,)


def test_the_first_admin_stays_the_first_when_gone(empty_store: Store) -> None:
    """After the first admin has gone, no second one is accepted as first."""
    admin = first_admin(empty_store)
    made(empty_store, "admin")
    assert may_go(empty_store, admin)
    with refuses(Errors.ADMIN_EXISTS):
        first_admin(empty_store)


def test_no_account_becomes_the_first_admin(empty_store: Store) -> None:
    """A taken login is rejected, and another login can still become the first admin."""
    user = made(empty_store)
    with refuses(Errors.USER_EXISTS):
        first_admin(empty_store, user.login)
    assert empty_store.find_user(user.sub) == user
    assert empty_store.find_credential(user.login) == samples.credential(user)
    assert first_admin(empty_store)


def test_a_further_admin_counts_beside_the_first(empty_store: Store) -> None:
    """One of the two admins may go, and the last one stays."""
    admins = [first_admin(empty_store), made(empty_store, "admin")]
    assert [may_go(empty_store, admin) for admin in admins] == [True, False]
