"""Accounts: one per login, weak passwords refused with a reason, nothing stored when refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.model import UserStatus
from latchkey.core.throttle import registrations_from, reserve_all
from latchkey.core.users.accounts import Registration
from tests.integration.contract import refuses
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD, World


def refusal(world: World, login: str = LOGIN, password: str = PASSWORD) -> ServiceError:
    """Return the error that a registration ends in."""
    with pytest.raises(ServiceError) as caught:
        world.register(login, password)
    return caught.value


def test_a_new_account_is_an_active_user(world: World) -> None:
    """It has the role `user`, an opaque id and its canonical login."""
    user = world.register("Ann@Example.com")
    assert (user.login, user.status, user.roles, user.sub[:4]) == (LOGIN, UserStatus.ACTIVE, ("user",), "usr_")


def test_a_taken_login_is_refused_and_keeps_its_password(world: World) -> None:
    """A second registration is rejected in any spelling of the login."""
    world.register()
    assert refusal(world, "ANN@example.com", "another long enough").error is Errors.USER_EXISTS
    world.log_in()


@pytest.mark.parametrize(
    ("password", "code"),
    [("short", "too_short"), ("aaaaaaaaaaaaaaa", "trivial"), ("latchkey1234567", "context"), ("x" * 2000, "too_long")],
)
def test_a_weak_password_is_refused_with_its_reason(world: World, password: str, code: str) -> None:
    """The error names the field and why, and nothing is stored."""
    error = refusal(world, password=password)
    assert (error.error, [(fault.field, fault.code) for fault in error.fields]) == (
        Errors.WEAK_PASSWORD,
        [("password", code)],
    )
    assert world.store.find_credential(LOGIN) is None


def test_a_bad_login_is_refused_by_name(world: World) -> None:
    """The field at fault is named."""
    error = refusal(world, "not an address@")
    assert (error.error, error.fields[0].field) == (Errors.INVALID_REQUEST, "login")


@pytest.mark.parametrize("login", ["admin", " Support ", "no-reply"])
def test_a_stranger_cannot_take_a_name_that_speaks_for_the_service(world: World, login: str) -> None:
    """An operator and an import may: `create` asks no such question."""
    with pytest.raises(ServiceError) as caught:
        world.accounts.register(Registration(login, PASSWORD), address=ADDRESS, now=NOW)
    assert caught.value.fields[0].code == "reserved_login"
    assert world.accounts.create(Registration(login, PASSWORD), roles=("user",), now=NOW).login == login.strip().lower()


def test_a_user_name_may_be_of_any_script(world: World) -> None:
    """A person signs in with the name in another case, and no other account may look like it."""
    world.accounts.register(Registration("\u0415\u0433\u043e\u0440", PASSWORD), address=ADDRESS, now=NOW)
    assert world.log_in("\u0415\u0413\u041e\u0420 ").access_token
    with refuses(Errors.USER_EXISTS):
        world.accounts.register(Registration("erop", PASSWORD), address=ADDRESS, now=NOW)
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in("erop")


def test_closed_registration_is_refused(world: World) -> None:
    """Operators who create all accounts themselves turn registration off."""
    closed = replace(world.accounts, open_to_all=False)
    with pytest.raises(ServiceError) as caught:
        closed.register(Registration(LOGIN, PASSWORD), address=ADDRESS, now=NOW)
    assert (caught.value.error, world.store.find_credential(LOGIN)) == (Errors.REGISTRATION_CLOSED, None)


def test_registrations_from_one_address_are_slowed_down_before_they_hash(world: World) -> None:
    """A hundred are free. The next one is refused before its password is looked at, and another address is free."""
    for _ in range(100):
        reserve_all(world.store, registrations_from(ADDRESS), NOW)
    with pytest.raises(ServiceError) as caught:
        world.accounts.register(Registration(LOGIN, "short"), address=ADDRESS, now=NOW)
    assert caught.value.error is Errors.RATE_LIMITED
    assert world.accounts.register(Registration(LOGIN, PASSWORD), address="192.0.2.8", now=NOW)


def test_account_that_is_opened_with_a_password_can_sign_in_and_is_not_verified(world: World) -> None:
    """Where no mail confirms an address, the account says so. Without a password, no one can sign in yet."""
    user = world.register()
    assert (user.can_sign_in, user.verified_at) == (True, 0)
    bare = world.accounts.create(Registration("bob@example.com", None), roles=("user",), now=NOW)
    assert (bare.can_sign_in, bare.verified_at) == (False, 0)


def test_a_token_of_an_ended_session_is_refused_on_our_own_routes(world: World) -> None:
    """Logout acts at once where the store is asked."""
    world.register()
    claims = world.claims(world.log_in())
    world.sessions.end(claims.sub, claims.sid or "", reason="logout")
    with pytest.raises(ServiceError) as caught:
        require_live_session(world.store, claims.sub, claims.sid or "", now=NOW)
    assert caught.value.error is Errors.INVALID_TOKEN


@pytest.mark.parametrize("change", [{"status": UserStatus.DISABLED}, {"status": UserStatus.DELETING}, {"epoch": 1}])
def test_a_token_of_an_account_that_changed_is_refused_on_our_own_routes(world: World, change: dict[str, Any]) -> None:
    """Disabling an account and changing its password act at once where the store is asked."""
    user = world.register()
    claims = world.claims(world.log_in())
    world.put_user(replace(user, **change))
    with pytest.raises(ServiceError) as caught:
        require_live_session(world.store, claims.sub, claims.sid or "", now=NOW)
    assert caught.value.error is Errors.INVALID_TOKEN


def test_a_profile_changes_only_what_is_named(world: World) -> None:
    """Setting the name leaves the locale as it was."""
    world.accounts.register(Registration(LOGIN, PASSWORD, name="Ann", locale="en"), address=ADDRESS, now=NOW)
    claims = world.claims(world.log_in())
    user = world.accounts.update_profile(claims.sub, claims.sid or "", {"name": "Anna"}, now=NOW)
    assert (user.name, user.locale) == ("Anna", "en")
