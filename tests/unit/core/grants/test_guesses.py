"""Wrong passwords of strangers never lock out an owner's devices, and never get more guesses than the rules give."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants import password as password_module
from latchkey.core.grants.password import SignIn
from latchkey.core.model import MailKind, User
from latchkey.core.throttle import (
    ADDRESS_RULE,
    DEVICE_RULE,
    MOST_DEVICES,
    MOST_FAILURES,
    OWNER_RULE,
    STRANGERS_RULE,
    sign_ins_from,
    strangers_of,
)
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD, World

WRONG = "not the right one"
NEW_PASSWORD = "a walk in the rain"
LONGEST_WAIT = STRANGERS_RULE.waits[-1]


def error_of(world: World, asked: SignIn, now: int = NOW) -> Errors | None:
    """Return the error that a sign-in ends in, if it fails."""
    try:
        world.sign_in(asked, now=now)
    except ServiceError as error:
        return error.error
    return None


def guess(world: World, login: str = LOGIN, *, device_token: str = "", now: int = NOW) -> Errors | None:
    """Return the error that a wrong password from another address gets."""
    return error_of(world, SignIn(login, WRONG, "", "198.51.100.1", device_token), now)


def storm(world: World, login: str = LOGIN, *, now: int = NOW) -> None:
    """Let strangers guess until they have to wait."""
    while guess(world, login, now=now) is Errors.INVALID_CREDENTIALS:
        pass


def known(world: World, *, now: int = NOW) -> str:
    """Return the device token of a sign-in."""
    return world.log_in(now=now).device_token


def confirmed(world: World) -> User:
    """Open an account whose address is confirmed."""
    user = replace(world.register(), verified_at=NOW)
    world.put_user(user)
    return user


def fail_often(world: World, login: str = LOGIN) -> int:
    """Let strangers fail as often as they may in a row, and return the time at which the next may try."""
    now = NOW
    for _ in range(MOST_FAILURES):
        now += LONGEST_WAIT
        assert guess(world, login, now=now) is Errors.INVALID_CREDENTIALS
    return now + LONGEST_WAIT


def test_strangers_hold_up_no_known_device(world: World) -> None:
    """The owner signs in again and again while strangers guess, and each sign-in returns the next device token."""
    world.register()
    token = known(world)
    for _ in range(30):
        storm(world)
        token = world.log_in(device_token=token).device_token
    assert error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS)) is Errors.RATE_LIMITED


def test_a_full_address_holds_up_no_known_device(world: World) -> None:
    """The owner shares an address with someone who guesses."""
    world.register()
    token = known(world)
    for number in range(ADDRESS_RULE.free + 1):
        error_of(world, SignIn(f"user{number}@example.com", WRONG, "", ADDRESS))
    assert error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS)) is Errors.RATE_LIMITED
    assert world.log_in(device_token=token)
    assert world.store.attempts(sign_ins_from(ADDRESS)[0], NOW).count == ADDRESS_RULE.free


def test_parallel_guesses_from_one_address_get_exactly_its_limit(world: World) -> None:
    """Of 170 wrong passwords at once, a hundred are checked; no two of them read the same count."""

    def one(number: int) -> Errors | None:
        return error_of(world, SignIn(f"user{number}@example.com", WRONG, "", ADDRESS))

    with ThreadPoolExecutor(32) as pool:
        errors = list(pool.map(one, range(170)))
    assert errors.count(Errors.INVALID_CREDENTIALS) == ADDRESS_RULE.free
    assert errors.count(Errors.RATE_LIMITED) == 170 - ADDRESS_RULE.free


def test_right_passwords_count_for_no_address(world: World) -> None:
    """A hundred people behind one address sign in, and the next one does too."""
    world.register()
    for _ in range(ADDRESS_RULE.free + 1):
        world.log_in()
    assert world.store.attempts(sign_ins_from(ADDRESS)[0], NOW).count == 0


def test_a_device_token_gives_no_more_guesses_than_a_device_has(world: World) -> None:
    """The thief of a device token gets ten guesses, then waits; the other devices of the owner do not wait."""
    world.register()
    stolen, own = known(world), known(world)
    errors = [guess(world, device_token=stolen) for _ in range(DEVICE_RULE.free + 1)]
    assert errors == [Errors.INVALID_CREDENTIALS] * DEVICE_RULE.free + [Errors.RATE_LIMITED]
    assert world.log_in(device_token=own)
    assert world.log_in()


def test_a_right_password_clears_the_count_of_the_device(world: World) -> None:
    """An owner who mistypes nine times and then signs in has all attempts again."""
    world.register()
    token = known(world)
    for _ in range(3):
        for _ in range(DEVICE_RULE.free - 1):
            assert guess(world, device_token=token) is Errors.INVALID_CREDENTIALS
        world.log_in(device_token=token)


def test_a_device_keeps_its_count_when_its_token_is_replaced(world: World) -> None:
    """The new token of a sign-in names the same device, so old tokens give no guesses beside the new one."""
    world.register()
    old = known(world)
    new = world.log_in(device_token=old).device_token
    assert new.split(".")[1] == old.split(".")[1]
    for _ in range(DEVICE_RULE.free):
        guess(world, device_token=old)
    assert guess(world, device_token=new) is Errors.RATE_LIMITED


def test_a_login_has_only_some_known_devices_a_day(world: World) -> None:
    """A device beyond them counts as a stranger: a collection of tokens is no collection of guesses."""
    world.register()
    tokens = [known(world) for _ in range(MOST_DEVICES + 1)]
    for token in tokens:
        guess(world, device_token=token)
    assert world.store.attempts(strangers_of(LOGIN), NOW).count == 1
    assert world.log_in(device_token=tokens[0])


SPOILED: dict[str, Callable[[str], str]] = {
    "none": lambda _: "",
    "the beginning": lambda _: "lkd1",
    "too short": lambda token: token[:-1],
    "too long": lambda token: token + "A",
    "upper case": str.upper,
    "another format": lambda token: token.replace("lkd1", "lkd2"),
    "another time": lambda token: token.replace(str(NOW), str(NOW + 9)),
    "not ASCII": lambda _: "é" * 9000,
    "a line break": lambda token: token + "\n",
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_text_that_is_no_device_token_makes_a_stranger(world: World, spoil: Callable[[str], str]) -> None:
    """It is ignored: it stops no sign-in, and it helps no one past a full counter."""
    world.register()
    text = spoil(known(world))
    assert world.log_in(device_token=text)
    storm(world)
    assert error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS, text)) is Errors.RATE_LIMITED


def test_a_device_token_of_another_login_makes_a_stranger(world: World) -> None:
    """A guesser with an account of their own is known to no other login."""
    world.register()
    world.register("eve@example.com")
    foreign = world.log_in("eve@example.com").device_token
    storm(world)
    assert guess(world, device_token=foreign) is Errors.RATE_LIMITED


def test_a_device_is_known_for_400_days(world: World) -> None:
    """A token expires a second later, by its own time."""
    world.register()
    token = known(world)
    life = 400 * 86_400
    storm(world, now=NOW + life - 1)
    assert world.log_in(device_token=token, now=NOW + life - 1)
    storm(world, now=NOW + life)
    assert guess(world, device_token=token, now=NOW + life) is Errors.RATE_LIMITED


def test_a_reset_of_the_seal_keys_forgets_all_devices(world: World) -> None:
    """A thief of the old key makes no known devices with it."""
    world.register()
    token = known(world)
    keys = world.seals.held
    world.seals.held = replace(
        keys, keys=(replace(keys.newest, key_id=b"n" * 8, secret=b"n" * 32), replace(keys.newest, at_rest_only=True))
    )
    storm(world)
    assert guess(world, device_token=token) is Errors.RATE_LIMITED


def test_a_rotation_of_the_seal_keys_forgets_no_device(world: World) -> None:
    """Every key whose seals clients carry still knows its devices."""
    world.register()
    token = known(world)
    keys = world.seals.held
    world.seals.held = replace(keys, keys=(replace(keys.newest, key_id=b"n" * 8, secret=b"n" * 32), *keys.keys))
    storm(world)
    assert world.log_in(device_token=token)


def test_sign_ins_go_on_without_seal_keys(world: World) -> None:
    """There is no device token then, and every device counts as a stranger."""
    world.register()
    token = known(world)
    world.seals.away = True
    answer = world.log_in(device_token=token)
    assert (answer.device_token, "device_token" in answer.to_json()) == ("", False)
    storm(world)
    assert guess(world, device_token=token) is Errors.RATE_LIMITED


def test_a_table_that_fails_to_give_back_costs_no_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is stored by then, and the person is signed in."""
    world.register()

    def fail(*_: object) -> None:
        raise ServiceError(Errors.UNAVAILABLE)

    monkeypatch.setattr(world.store, "clear", fail)
    assert world.log_in()


def test_both_logins_of_an_account_share_one_count(world: World) -> None:
    """Guesses at one login are guesses at the other, and a device is known to both."""
    user = replace(world.register(), username="ann.lee")
    world.put_user(user)
    vars(world.store)["_aliases"]["ann.lee"] = user.sub
    token = world.log_in("ann.lee").device_token
    errors = [guess(world, login) for _ in range(STRANGERS_RULE.free // 2) for login in (LOGIN, "ann.lee")]
    assert errors == [Errors.INVALID_CREDENTIALS] * STRANGERS_RULE.free
    assert [guess(world, login) for login in (LOGIN, "ann.lee")] == [Errors.RATE_LIMITED] * 2
    assert world.log_in(LOGIN, device_token=token)
    assert world.log_in("ann.lee", device_token=token)


# What forgets the known devices


def test_a_change_of_password_forgets_the_other_devices(world: World) -> None:
    """The device that changed it is known at once, in the same second; the others are strangers."""
    world.register()
    answer = world.log_in()
    claims = world.claims(answer)
    other = known(world)
    token = world.passwords.change(claims.sub, claims.sid or "", PASSWORD, NEW_PASSWORD, now=NOW)
    assert error_of(world, SignIn(LOGIN, NEW_PASSWORD, "", ADDRESS, other)) is None
    storm(world)
    assert error_of(world, SignIn(LOGIN, NEW_PASSWORD, "", ADDRESS, other)) is Errors.RATE_LIMITED
    assert world.log_in(LOGIN, NEW_PASSWORD, device_token=token)


def test_forgotten_devices_take_no_room_from_the_known_ones(world: World) -> None:
    """A thief who once had the password, and kept many device tokens, does not make the owner's device a stranger."""
    world.register()
    kept = [known(world) for _ in range(MOST_DEVICES)]
    claims = world.claims(world.log_in())
    token = world.forget_devices(claims.sub, claims.sid or "", PASSWORD, now=NOW)
    for each in kept:
        guess(world, device_token=each)
    assert world.store.attempts(strangers_of(LOGIN), NOW).count == STRANGERS_RULE.free
    assert world.log_in(device_token=token)


def test_an_owner_forgets_all_devices(world: World) -> None:
    """All but the one that asks, which gets a new token; sessions go on, and the journal has it."""
    world.register()
    answer = world.log_in()
    claims = world.claims(answer)
    token = world.forget_devices(claims.sub, claims.sid or "", PASSWORD, now=NOW)
    storm(world)
    assert guess(world, device_token=answer.device_token) is Errors.RATE_LIMITED
    assert world.log_in(device_token=token)
    assert world.store.find_user_and_session(claims.sub, claims.sid or "", NOW)[1]
    assert ("devices_forgotten", claims.sub, claims.sid) in {
        (event.name, event.sub, event.sid) for event in world.journal.events
    }


def test_the_thief_of_a_session_forgets_no_device(world: World) -> None:
    """It takes the password."""
    world.register()
    answer = world.log_in()
    claims = world.claims(answer)
    with pytest.raises(ServiceError, match="invalid_credentials"):
        world.forget_devices(claims.sub, claims.sid or "", WRONG, now=NOW)
    storm(world)
    assert world.log_in(device_token=answer.device_token)


def test_a_new_address_knows_the_device_that_confirmed_it(world: World) -> None:
    """Device tokens are for one login, so the change returns one for the new login."""
    world.register()
    claims = world.claims(world.log_in())
    who = claims.sub, claims.sid or ""
    world.emails.request(*who, "new@example.com", PASSWORD, now=NOW)
    token = world.emails.confirm(*who, world.code(MailKind.CHANGE_EMAIL), now=NOW)
    storm(world, "new@example.com")
    assert world.log_in("new@example.com", device_token=token)


# The owner elsewhere


def test_strangers_hold_up_no_owner_who_is_signed_in(world: World) -> None:
    """The present password is counted per session, and a right one counts nothing."""
    world.register()
    claims = world.claims(world.log_in())
    storm(world)
    passwords = [PASSWORD, NEW_PASSWORD]
    for _ in range(OWNER_RULE.free + 1):
        world.passwords.change(claims.sub, claims.sid or "", *passwords, now=NOW)
        passwords.reverse()


def test_the_thief_of_a_session_holds_up_no_other_session(world: World) -> None:
    """Wrong passwords in one session make that session wait, and neither another one nor a sign-in."""
    user = world.register()
    thief, owner = (world.claims(world.log_in()).sid or "" for _ in range(2))
    errors = []
    for _ in range(OWNER_RULE.free + 1):
        with pytest.raises(ServiceError) as caught:
            world.passwords.change(user.sub, thief, WRONG, NEW_PASSWORD, now=NOW)
        errors.append(caught.value.error)
    assert errors == [Errors.INVALID_CREDENTIALS] * OWNER_RULE.free + [Errors.RATE_LIMITED]
    assert world.log_in()
    world.passwords.change(user.sub, owner, PASSWORD, NEW_PASSWORD, now=NOW)


def test_an_owner_signs_in_at_once_after_a_reset_by_mail(world: World) -> None:
    """On the device that reset it: in the same second, and while strangers go on."""
    world.register()
    storm(world)
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    token = world.passwords.reset(world.code(MailKind.RESET), NEW_PASSWORD, now=NOW)
    storm(world)
    assert world.log_in(LOGIN, NEW_PASSWORD, device_token=token)


def test_a_reset_by_mail_lets_a_stranger_try_again(world: World) -> None:
    """The owner may have reset the password in a browser, and sign in with an app that knows nothing of it."""
    world.register()
    storm(world)
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    world.passwords.reset(world.code(MailKind.RESET), NEW_PASSWORD, now=NOW)
    assert world.log_in(LOGIN, NEW_PASSWORD)


# A hundred failures in a row


def test_a_hundred_failures_close_the_password_for_strangers(world: World) -> None:
    """Then no password opens the account from such a device, at whatever pace; a known device still signs in."""
    confirmed(world)
    token = known(world)
    now = fail_often(world)
    assert error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS), now) is Errors.INVALID_CREDENTIALS
    assert world.journal.events[-1].reason == "closed_to_strangers"
    assert world.log_in(device_token=token, now=now)
    year = now + 365 * 86_400
    assert error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS), year) is Errors.INVALID_CREDENTIALS


def test_a_reset_by_mail_opens_a_closed_password(world: World) -> None:
    """For every device, also one that is not known."""
    confirmed(world)
    now = fail_often(world)
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=now)
    world.passwords.reset(world.code(MailKind.RESET, now=now), NEW_PASSWORD, now=now)
    assert world.log_in(LOGIN, NEW_PASSWORD, now=now)


def test_failures_in_a_row_end_with_a_success(world: World) -> None:
    """The hundredth attempt may be right, and the count begins again."""
    confirmed(world)
    now = NOW
    for _ in range(2):
        for _ in range(MOST_FAILURES - 1):
            now += LONGEST_WAIT
            guess(world, now=now)
        now += LONGEST_WAIT
        assert world.log_in(now=now)


@pytest.mark.parametrize("mails", [True, False], ids=["no confirmed address", "no mail"])
def test_an_account_that_no_mail_can_open_is_never_closed(world: World, *, mails: bool) -> None:
    """It goes on with waits of a quarter of an hour."""
    if mails:
        world.register()
    else:
        confirmed(world)
        world.sign_in = replace(world.sign_in, mails=False)
    now = fail_often(world)
    assert world.log_in(now=now)


def test_a_closed_password_costs_one_hash_like_any_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the answer nor the time tells whether the password was right."""
    confirmed(world)
    now = fail_often(world)
    spent: list[str] = []
    monkeypatch.setattr(password_module, "spend_time", lambda password, cost: spent.append(password))
    monkeypatch.setattr(password_module, "verify_password", lambda *_: pytest.fail("compared"))
    error_of(world, SignIn(LOGIN, PASSWORD, "", ADDRESS), now)
    assert spent == [PASSWORD]
