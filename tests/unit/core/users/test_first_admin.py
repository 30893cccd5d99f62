"""The first admin of a stack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.model import UserStatus
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS
from latchkey.core.users.accounts import Registration
from latchkey.core.users.first_admin import FirstAdmin
from tests.world import LOGIN, NOW, PASSWORD, World

BOSS = Registration("Boss@Example.com", PASSWORD)


@pytest.fixture
def first(world: World) -> FirstAdmin:
    """Return the service for the first admin, in a stack that is closed to strangers."""
    return FirstAdmin(world.store, replace(world.accounts, open_to_all=False), world.journal)


def refusal(first: FirstAdmin, registration: Registration) -> Errors:
    """Return the error with which a request for a first admin is rejected."""
    with pytest.raises(ServiceError) as raised:
        first.create(registration, now=NOW)
    return raised.value.error


def test_first_admin_signs_in_at_once(world: World, first: FirstAdmin) -> None:
    """The account is active and its login canonical, whatever the stack's rules for registration are."""
    user = first.create(BOSS, now=NOW)
    assert (user.status, user.login) == (UserStatus.ACTIVE, "boss@example.com")
    assert world.claims(world.log_in("boss@example.com")).sub == user.sub


def test_first_admin_can_give_every_built_in_role_to_people(first: FirstAdmin) -> None:
    """Operators cannot give what they lack, so the first admin has every permission. Machines have their own role."""
    permissions = set(BUILT_IN.permissions(first.create(BOSS, now=NOW).roles))
    assert PERMISSIONS - permissions == BUILT_IN.roles["service"]


def test_first_admin_is_in_the_journal_without_login_or_password(world: World, first: FirstAdmin) -> None:
    """The event names the account and nothing else of it."""
    user = first.create(BOSS, now=NOW)
    assert world.journal.events == [Event("admin_initialised", sub=user.sub)]


def test_second_first_admin_is_refused(world: World, first: FirstAdmin) -> None:
    """A second request writes nothing and reports no event."""
    first.create(BOSS, now=NOW)
    assert refusal(first, Registration("eve@example.com", PASSWORD)) is Errors.ADMIN_EXISTS
    assert world.store.find_credential("eve@example.com") is None
    assert world.journal.names() == ["admin_initialised"]


def test_account_of_a_stranger_is_not_promoted(world: World, first: FirstAdmin) -> None:
    """A stranger who registered the admin's login first knows that account's password."""
    ann = world.register()
    assert refusal(first, Registration(LOGIN, PASSWORD)) is Errors.USER_EXISTS
    assert world.store.find_user(ann.sub) == ann


@pytest.mark.parametrize(
    ("registration", "error"),
    [
        (Registration("boss@example.com", "boss1234"), Errors.WEAK_PASSWORD),
        (Registration("boss@example.com", "short"), Errors.WEAK_PASSWORD),
        (Registration("no one", PASSWORD), Errors.INVALID_REQUEST),
    ],
)
def test_bad_wish_leaves_the_way_open(first: FirstAdmin, registration: Registration, error: Errors) -> None:
    """The usual rules for logins and passwords apply, and a rejected request can be repeated."""
    assert refusal(first, registration) is error
    assert first.create(BOSS, now=NOW)
