"""A new address: digits to the new one, entered in the session that asked; what waits afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.authenticators.address_window import ADDRESS_CHANGE_WAIT, FORMER_LOGIN_HELD
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import MailKind, User, UserStatus
from latchkey.signing.sealing import reset_seal_keys
from tests.world import LOGIN, NOW, PASSWORD, Sent, World

DAY = 86_400
NEW_LOGIN = "ann@elsewhere.example"
THIRD_LOGIN = "ann@third.example"
NEW_PASSWORD = "seven grey herons wading"


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def signed_in(world: World, login: str = LOGIN, *, now: int = NOW) -> tuple[str, str]:
    claims = world.claims(world.log_in(login, now=now), now=now)
    return claims.sub, claims.sid or ""


def ask(world: World, who: tuple[str, str], to: str = NEW_LOGIN, *, now: int = NOW) -> str:
    """Return the digits that this session asked for."""
    world.emails.request(*who, to, PASSWORD, now=now)
    return world.code(MailKind.CHANGE_EMAIL, now=now)


def move(world: World, who: tuple[str, str], to: str = NEW_LOGIN, *, now: int = NOW) -> list[Sent]:
    """Move the account and return the mails that tell of it."""
    world.emails.confirm(*who, ask(world, who, to, now=now), now=now)
    return world.deliver(now=now)


def user_of(world: World, who: tuple[str, str]) -> User:
    user = world.store.find_user(who[0])
    assert user is not None
    return user


def other_digits(digits: str) -> str:
    return f"{(int(digits) + 1) % 1_000_000:06d}"


# Digits to the new address


def test_an_account_moves_to_its_new_address(world: World) -> None:
    """The new login opens it with the same password, the old does not, sessions go on, and the address is confirmed."""
    world.register()
    answer = world.log_in()
    who = signed_in(world)
    move(world, who)
    assert world.log_in(NEW_LOGIN)
    assert world.refresh(answer, now=NOW + 1)
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in()
    assert (user_of(world, who).login, user_of(world, who).verified_at) == (NEW_LOGIN, NOW)
    assert world.journal.names().count("email_changed") == 1


def test_six_digits_go_to_the_new_address_and_a_notice_with_a_way_back_to_the_old(world: World) -> None:
    """Only a reader of the new mailbox can finish the move, and a reader of the old one can undo it."""
    world.register()
    who = signed_in(world)
    world.emails.request(*who, NEW_LOGIN, PASSWORD, now=NOW)
    [letter] = world.deliver()
    assert (letter.to, len(letter.code), letter.code.isdigit(), letter.link) == (NEW_LOGIN, 6, True, "")
    world.emails.confirm(*who, letter.code, now=NOW)
    [notice] = world.deliver()
    assert (notice.to, notice.about) == (LOGIN, MailKind.EMAIL_CHANGED)
    assert notice.link == f"https://app.example/v1/user/email/undo#{notice.code}"


def test_nothing_moves_before_the_digits_come_back(world: World) -> None:
    """Asking alone changes nothing."""
    world.register()
    who = signed_in(world)
    ask(world, who)
    assert (world.store.find_credential(NEW_LOGIN), user_of(world, who).login) == (None, LOGIN)


def test_the_store_never_holds_the_digits(world: World) -> None:
    """Neither the waiting mail nor the stored code has them, nor a plain hash of them."""
    world.register()
    who = signed_in(world)
    world.emails.request(*who, NEW_LOGIN, PASSWORD, now=NOW)
    held = str(vars(world.store)).replace(str(NOW), "")
    digits = world.code(MailKind.CHANGE_EMAIL)
    assert digits not in held


def test_digits_work_only_in_the_session_that_asked(world: World) -> None:
    """A stranger who gets the mail, even with a session of the same account, can do nothing with the digits."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    for other in (signed_in(world), ("usr_stranger", who[1])):
        with pytest.RaisesExc(ServiceError):
            world.emails.confirm(*other, digits, now=NOW)
    world.emails.confirm(*who, digits, now=NOW)


def test_digits_work_once_and_for_ten_minutes(world: World) -> None:
    """They end by use and by time."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, digits, now=NOW + 600)
    world.emails.confirm(*who, digits, now=NOW + 599)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, digits, now=NOW + 599)


@pytest.mark.parametrize(("wrong", "moves"), [(4, True), (5, False)])
def test_five_tries_are_all(world: World, wrong: int, moves: bool) -> None:
    """After five wrong tries the right digits are refused as the wrong ones are."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    for _ in range(wrong):
        with refuses(Errors.CODE_USED_OR_EXPIRED):
            world.emails.confirm(*who, other_digits(digits), now=NOW)
    if moves:
        world.emails.confirm(*who, digits, now=NOW)
    else:
        with refuses(Errors.CODE_USED_OR_EXPIRED):
            world.emails.confirm(*who, digits, now=NOW)
    assert (user_of(world, who).login == NEW_LOGIN) is moves


@pytest.mark.parametrize("text", ["", "12345", "0123456", "lkc_nothing", "٠١٢٣٤٥", "é" * 400])
def test_what_are_no_digits_is_refused_alike(world: World, text: str) -> None:
    """Any other text is a wrong code and does not crash."""
    world.register()
    who = signed_in(world)
    ask(world, who)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, text, now=NOW)


def test_the_last_request_of_a_session_counts(world: World) -> None:
    """A second mail has new digits with five tries, and the digits of the first are refused."""
    world.register()
    who = signed_in(world)
    first = ask(world, who)
    for _ in range(5):
        with refuses(Errors.CODE_USED_OR_EXPIRED):
            world.emails.confirm(*who, other_digits(first), now=NOW)
    second = ask(world, who, THIRD_LOGIN, now=NOW + 60)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, first, now=NOW + 60)
    world.emails.confirm(*who, second, now=NOW + 60)
    assert user_of(world, who).login == THIRD_LOGIN


def test_an_account_asks_for_few_digits(world: World) -> None:
    """Otherwise five tries for each of many mails would find the digits of a mailbox that belongs to another person."""
    world.register()
    who = signed_in(world)
    for number in range(5):
        world.emails.request(*who, f"ann{number}@example.com", PASSWORD, now=NOW)
    with refuses(Errors.RATE_LIMITED):
        world.emails.request(*who, NEW_LOGIN, PASSWORD, now=NOW)


def test_digits_end_with_a_reset_of_the_keys(world: World) -> None:
    """Digits that were mailed before are refused, and a mail that still waits is not sent."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    world.emails.request(*who, THIRD_LOGIN, PASSWORD, now=NOW + 1)
    world.seals.held = reset_seal_keys(world.seals.held, NOW + 1, world.entropy)
    assert world.deliver(now=NOW + 1) == []
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, digits, now=NOW + 1)


def test_late_digits_are_not_mailed(world: World) -> None:
    """A mail that has waited for ten minutes would show digits that work no longer."""
    world.register()
    world.emails.request(*signed_in(world), NEW_LOGIN, PASSWORD, now=NOW)
    assert world.deliver(now=NOW + 600) == []


def test_a_taken_address_gets_no_account(world: World) -> None:
    """The reader of that mailbox learns that it has an account. Both accounts stay unchanged."""
    world.register()
    other = world.register(NEW_LOGIN)
    who = signed_in(world)
    digits = ask(world, who)
    with refuses(Errors.USER_EXISTS):
        world.emails.confirm(*who, digits, now=NOW)
    held = world.store.find_credential(NEW_LOGIN)
    assert (held and held.sub, user_of(world, who).login) == (other.sub, LOGIN)


def test_a_changed_password_ends_a_move(world: World) -> None:
    """A thief's request to move the account dies with the thief's password."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    world.passwords.change(*who, PASSWORD, NEW_PASSWORD, now=NOW)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, digits, now=NOW)


def test_a_session_that_has_ended_moves_nothing(world: World) -> None:
    """Signing out ends what the session began."""
    world.register()
    who = signed_in(world)
    digits = ask(world, who)
    world.sessions.end(*who, reason="logout")
    with refuses(Errors.INVALID_TOKEN):
        world.emails.confirm(*who, digits, now=NOW)


def test_a_changed_password_stops_a_move_that_still_waits(world: World) -> None:
    """A request that waits in the outbox while the password changes is not sent."""
    world.register()
    world.emails.request(*signed_in(world), NEW_LOGIN, PASSWORD, now=NOW)
    world.passwords.change(*signed_in(world), PASSWORD, NEW_PASSWORD, now=NOW)
    assert [letter.about for letter in world.deliver()] == [MailKind.PASSWORD_CHANGED]


@pytest.mark.parametrize("email", [LOGIN, "ann", "no address@example.com"])
def test_what_is_no_new_address_is_refused(world: World, email: str) -> None:
    """The present address, a user name and a malformed address are rejected."""
    world.register()
    with refuses(Errors.INVALID_REQUEST):
        world.emails.request(*signed_in(world), email, PASSWORD, now=NOW)


def test_a_wrong_password_moves_nothing(world: World) -> None:
    """A stolen access token cannot send a code."""
    world.register()
    with refuses(Errors.INVALID_CREDENTIALS):
        world.emails.request(*signed_in(world), NEW_LOGIN, "not my password", now=NOW)
    assert world.waiting() == []


# The former login


@pytest.mark.parametrize(("after", "free"), [(FORMER_LOGIN_HELD - 1, False), (FORMER_LOGIN_HELD, True)])
def test_the_former_login_stays_reserved_for_three_days(
    world: World,
    after: int,
    free: bool,
) -> None:
    """Until then no one can register it, and no other account can move to it."""
    world.register()
    move(world, signed_in(world))
    world.register("bob@example.com")
    bob = signed_in(world, "bob@example.com", now=NOW + after - 1)
    digits = ask(world, bob, LOGIN, now=NOW + after)
    if free:
        world.emails.confirm(*bob, digits, now=NOW + after)
        assert user_of(world, bob).login == LOGIN
        return
    with refuses(Errors.USER_EXISTS):
        world.emails.confirm(*bob, digits, now=NOW + after)
    with refuses(Errors.USER_EXISTS):
        world.register()


def test_the_former_login_gets_no_mail_for_a_new_password(world: World) -> None:
    """It names no account: only the link in the notice leads back."""
    world.register()
    move(world, signed_in(world))
    world.mail_requests(MailKind.RESET, LOGIN, address="192.0.2.7", now=NOW)
    assert world.deliver() == []


def test_a_user_name_is_free_at_once(world: World) -> None:
    """It has no mailbox from which the move could be undone, so nothing is reserved and nothing waits."""
    world.register("ann")
    who = signed_in(world, "ann")
    assert move(world, who) == []
    assert user_of(world, who).address_changed_at == 0
    assert world.register("ann")
    move(world, who, THIRD_LOGIN, now=NOW + 1)


# What waits


@pytest.mark.parametrize(("after", "waits"), [(1, True), (ADDRESS_CHANGE_WAIT - 1, True), (ADDRESS_CHANGE_WAIT, False)])
def test_a_second_change_and_a_deletion_wait_for_a_day(
    world: World,
    after: int,
    waits: bool,
) -> None:
    """The error says for how long. Then the password, which both ask for, is enough."""
    world.register()
    who = signed_in(world)
    move(world, who)
    if not waits:
        move(world, who, THIRD_LOGIN, now=NOW + after)
        world.erasure(*who, PASSWORD, now=NOW + 2 * after)
        assert world.store.find_user(who[0]) is None
        return
    with refuses(Errors.ADDRESS_CHANGE_PENDING) as refused:
        world.emails.request(*who, THIRD_LOGIN, PASSWORD, now=NOW + after)
    assert refused.value.retry_after == ADDRESS_CHANGE_WAIT - after
    with refuses(Errors.ADDRESS_CHANGE_PENDING):
        world.erasure(*who, PASSWORD, now=NOW + after)
    assert user_of(world, who).login == NEW_LOGIN


def test_an_interrupted_deletion_is_finished_whatever_the_address(world: World) -> None:
    """Its owner was told that the account is deleted."""
    user = world.register()
    who = signed_in(world)
    move(world, who)
    world.put_user(replace(user_of(world, who), status=UserStatus.DELETING, epoch=user.epoch + 1))
    world.erasure(*who, PASSWORD, now=NOW + 1)
    assert world.store.find_user(who[0]) is None
