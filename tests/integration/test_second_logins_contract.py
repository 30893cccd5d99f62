"""The store's contract for accounts with two logins: both lead to one credential, and each is claimed once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import CodePurpose, Credential, User, UserStatus
from tests.integration import samples
from tests.integration.contract import refuses
from tests.integration.races import RACERS, race

if TYPE_CHECKING:
    from latchkey.adapters.store import Store


def two_logins(store: Store) -> User:
    """Return a stored account with an address and a user name."""
    user = replace(samples.user(), username=samples.unique("ada."))
    store.create_user(user, samples.credential(user))
    return user


def test_both_logins_lead_to_one_credential(store: Store) -> None:
    """The credential is that of the first login, whichever is asked for."""
    user = two_logins(store)
    assert store.find_user(user.sub) == user
    assert [store.find_credential(login) for login in (user.login, user.username)] == [samples.credential(user)] * 2


def test_batch_of_logins_names_the_account_of_a_second_one(store: Store) -> None:
    """In a batch a second login has an empty hash, which no password opens."""
    user, other = two_logins(store), samples.user()
    store.create_user(other, samples.credential(other))
    found = store.find_credentials([user.username, other.login, "nobody", user.login, user.username])
    assert found == {
        user.login: samples.credential(user),
        user.username: Credential(user.username, user.sub, "", 0),
        other.login: samples.credential(other),
    }


@pytest.mark.parametrize("which", ["login", "username"])
@pytest.mark.parametrize("claimed_as", ["login", "username"])
def test_taken_login_is_taken_in_either_place(store: Store, which: str, claimed_as: str) -> None:
    """A login cannot be claimed twice, neither as a first nor as a second one; the other account is not stored."""
    taken = str(getattr(two_logins(store), which))
    other = replace(samples.user(), login=taken) if claimed_as == "login" else replace(samples.user(), username=taken)
    with refuses(Errors.USER_EXISTS):
        store.create_user(other, samples.credential(other))
    assert store.find_user(other.sub) is None
    free = other.username if claimed_as == "login" else other.login
    assert not free or store.find_credential(free) is None


def test_one_of_many_claims_a_second_login(store: Store) -> None:
    """However many claim it at once, one account has it."""
    name = samples.unique("ada.")
    users = [replace(samples.user(), username=name) for _ in range(RACERS)]
    outcomes = race(lambda number: _claims(store, users[number]))
    [winner] = [user for user, won in zip(users, outcomes, strict=True) if won]
    assert store.find_credential(name) == samples.credential(winner)


def _claims(store: Store, user: User) -> bool:
    try:
        store.create_user(user, samples.credential(user))
    except ServiceError:
        return False
    return True


def test_new_password_is_that_of_both_logins(store: Store) -> None:
    """Hash and epoch change behind both at once, and a renewed hash too."""
    user = two_logins(store)
    assert store.change_password(samples.new_password(user))
    changed = store.find_credential(user.login)
    assert changed is not None
    assert (changed.password_hash, store.find_credential(user.username)) == ("$argon2id$new", changed)
    assert store.replace_password_hash(changed.login, "$argon2id$new", "$argon2id$renewed")
    assert store.find_credential(user.username) == replace(changed, password_hash="$argon2id$renewed")


def test_disabled_account_is_disabled_behind_both_logins(store: Store) -> None:
    """The epoch of the account is that of the credential, whichever login finds it."""
    user = two_logins(store)
    store.set_standing(user, status=UserStatus.DISABLED, roles=user.roles, epoch=user.epoch + 1)
    credential = store.find_credential(user.username)
    assert credential is not None
    assert credential.epoch == user.epoch + 1


def test_second_login_stays_when_the_first_one_moves(store: Store) -> None:
    """It leads to the new first login, and cannot become the first login of an account."""
    user = two_logins(store)
    code = samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    store.save_code(code)
    with refuses(Errors.USER_EXISTS):
        store.change_login(samples.new_login(user, user.username, code))
    move = samples.new_login(user, code=code)
    assert store.change_login(move)
    moved = replace(samples.credential(user), login=move.login)
    found = [store.find_credential(login) for login in (user.username, move.login, user.login)]
    assert found == [moved, moved, None]


def test_deleted_account_frees_both_logins(store: Store) -> None:
    """Both lead nowhere afterwards, and another account can claim them."""
    user = two_logins(store)
    assert store.begin_deletion(user, mail=None)
    assert store.delete_user(user)
    assert [store.find_credential(login) for login in (user.login, user.username)] == [None, None]
    other = replace(samples.user(user.username), username=user.login)
    store.create_user(other, samples.credential(other))
    assert store.find_credential(user.login) == samples.credential(other)
