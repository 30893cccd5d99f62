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
    """The way to a first admin, in a stack that is closed to strangers."""
    return FirstAdmin(world.store, replace(world.accounts, open_to_all=False), world.journal)


def refusal(first: FirstAdmin, registration: Registration) -> Errors:
    """Return how a wish to be the first admin is refused."""
    with pytest.raises(ServiceError) as raised:
        first.create(registration, now=NOW)
    return raised.value.error


def test_first_admin_signs_in_at_once(world: World, first: FirstAdmin) -> None:
    """Whatever the stack asks of strangers, the account is active, and its login canonical."""
    user = first.create(BOSS, now=NOW)
    assert (user.status, user.login) == (UserStatus.ACTIVE, "boss@example.com")
    assert world.claims(world.log_in("boss@example.com")).sub == user.sub


def test_first_admin_can_give_every_built_in_role_to_people(first: FirstAdmin) -> None:
    """Nobody gives what he lacks, so what the first one lacks nobody would ever have; machines have a role apart."""
    permissions = set(BUILT_IN.permissions(first.create(BOSS, now=NOW).roles))
    assert PERMISSIONS - permissions == BUILT_IN.roles["service"]


def test_first_admin_is_in_the_journal_without_login_or_password(world: World, first: FirstAdmin) -> None:
    """Whose account it is, and no more."""
    user = first.create(BOSS, now=NOW)
    assert world.journal.events == [Event("admin_initialised", sub=user.sub)]


def test_second_first_admin_is_refused(world: World, first: FirstAdmin) -> None:
    """One shot, and nothing is written or said of another."""
    first.create(BOSS, now=NOW)
    assert refusal(first, Registration("eve@example.com", PASSWORD)) is Errors.ADMIN_EXISTS
    assert world.store.find_credential("eve@example.com") is None
    assert world.journal.names() == ["admin_initialised"]


def test_account_of_a_stranger_is_not_promoted(world: World, first: FirstAdmin) -> None:
    """Who registered the admin's login before the admin knows its password."""
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
    """The rules are those of everybody, and a refused wish is not the one shot."""
    assert refusal(first, registration) is error
    assert first.create(BOSS, now=NOW)
