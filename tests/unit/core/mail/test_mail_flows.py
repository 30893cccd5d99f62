"""Mails that confirm an address or set a password, and the limits of each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.store import Undeliverable
from latchkey.core.model import Mail, MailKind, User, UserStatus
from latchkey.core.users.accounts import Registration
from latchkey.signing.policy import SigningPolicy
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD, World

DAY = 86_400
NEW_PASSWORD = "seven grey herons wading"
NEW_LOGIN = "ann@elsewhere.example"


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def ask(world: World, about: MailKind, login: str = LOGIN, *, now: int = NOW) -> None:
    world.mail_requests(about, login, address=ADDRESS, now=now)


def reset_code(world: World, *, now: int = NOW) -> str:
    ask(world, MailKind.RESET, now=now)
    return world.code(MailKind.RESET, now=now)


def present(world: World) -> User:
    credential = world.store.find_credential(LOGIN)
    assert credential is not None
    user = world.store.find_user(credential.sub)
    assert user is not None
    return user


# The outbox and the mailer


def test_the_outbox_never_holds_a_code(world: World) -> None:
    """A waiting mail names its recipient and has nothing that opens an account."""
    world.register()
    world.signup.register(Registration("bob@example.com", PASSWORD), address=ADDRESS, now=NOW)
    ask(world, MailKind.RESET)
    waiting = world.waiting()
    text = "\n".join(map(str, waiting))
    secrets = [secret for letter in world.deliver() for secret in (letter.code, letter.link) if secret]
    assert (len(waiting), len(secrets)) == (2, 4)
    assert [secret for secret in secrets if secret in text] == []


def test_a_mail_is_sent_once_though_it_is_delivered_twice(world: World) -> None:
    """The stream may deliver a record again. A mail that is no longer in the outbox was sent."""
    world.register()
    ask(world, MailKind.RESET)
    [mail] = world.waiting()
    for _ in range(2):
        world.mailroom.deliver(mail, now=NOW)
    assert len(world.postman.sent) == 1


def test_a_mail_that_could_not_be_sent_waits_on(world: World) -> None:
    """A temporary failure leaves the mail in the outbox, and the next try sends it with a code that works."""
    world.register()
    ask(world, MailKind.RESET)
    world.postman.refusals.append(ServiceError(Errors.UNAVAILABLE))
    with refuses(Errors.UNAVAILABLE):
        world.deliver()
    world.passwords.reset(world.code(MailKind.RESET), NEW_PASSWORD, now=NOW)
    assert world.log_in(password=NEW_PASSWORD)


def test_a_mail_that_cannot_be_delivered_is_given_up(world: World) -> None:
    """A rejected recipient does not block the stream."""
    world.register()
    ask(world, MailKind.RESET)
    world.postman.refusals.append(Undeliverable("MessageRejected"))
    world.deliver()
    assert world.waiting() == []
    assert "mail_failed" in world.journal.names()


def test_an_old_mail_is_not_sent(world: World) -> None:
    """A mail that has waited for an hour is dropped."""
    world.register()
    ask(world, MailKind.RESET)
    assert world.deliver(now=NOW + 3600) == []


def test_links_begin_where_the_stack_says(world: World) -> None:
    """A link is made of the stack's own base and the code."""
    world.register()
    ask(world, MailKind.RESET)
    [letter] = world.deliver()
    assert letter.link == f"https://app.example/v1/user/password/reset#{letter.code}"


def test_a_stack_without_a_sender_posts_nothing(world: World) -> None:
    """If the stack cannot send mail, no mail is stored."""
    silent = Outbox(world.store, world.entropy, sends=False)
    silent.post(MailKind.RESET, to=LOGIN, now=NOW)
    assert world.waiting() == []


def test_a_mail_goes_to_the_address_of_the_account_alone(world: World) -> None:
    """The mail goes to the canonical login, in whatever spelling the request had it."""
    world.register()
    ask(world, MailKind.RESET, "ANN@Example.com")
    assert [letter.to for letter in world.deliver()] == [LOGIN]


# Requests


def test_a_request_for_an_unknown_login_leaves_the_same_note(world: World) -> None:
    """Known or unknown, the request writes one record of the same form. The mailer drops it if the login is unknown."""
    world.register()
    ask(world, MailKind.RESET)
    ask(world, MailKind.RESET, "nobody@example.com")
    known, unknown = world.waiting()
    assert replace(known, mail_id="", to="") == replace(unknown, mail_id="", to="")
    assert [letter.to for letter in world.deliver()] == [LOGIN]


def test_a_fourth_request_within_a_minute_sends_nothing(world: World) -> None:
    """Three mails are free, then one is sent after a minute. The caller does not see the difference."""
    world.register()
    for second in (0, 1, 2, 61, 62):
        ask(world, MailKind.RESET, now=NOW + second)
        world.deliver(now=NOW + second)
    assert len(world.postman.sent) == 4
    assert world.waiting() == []


def test_an_address_that_asks_about_many_logins_is_slowed_down(world: World) -> None:
    """Thirty requests are free, whichever logins they name."""
    for number in range(30):
        ask(world, MailKind.RESET, f"person{number}@example.com")
    with refuses(Errors.RATE_LIMITED):
        ask(world, MailKind.RESET, "one.more@example.com")


@pytest.mark.parametrize("status", [UserStatus.DISABLED, UserStatus.DELETING])
def test_a_disabled_account_gets_no_reset(world: World, status: UserStatus) -> None:
    """A user who may not sign in gets no mail."""
    world.put_user(replace(world.register(), status=status))
    ask(world, MailKind.RESET)
    assert world.deliver() == []


# A new password by mail


def test_a_reset_sets_the_password(world: World) -> None:
    """After the reset only the new password opens the account."""
    world.register()
    world.passwords.reset(reset_code(world), NEW_PASSWORD, now=NOW)
    assert world.log_in(password=NEW_PASSWORD)
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in()


def test_a_reset_ends_every_session(world: World) -> None:
    """A thief's session does not outlive the reset."""
    world.register()
    answer = world.log_in()
    world.passwords.reset(reset_code(world), NEW_PASSWORD, now=NOW)
    with refuses(Errors.INVALID_GRANT):
        world.refresh(answer, now=NOW + 1)


def test_a_reset_code_works_once(world: World) -> None:
    """The second use is refused and changes nothing."""
    world.register()
    code = reset_code(world)
    world.passwords.reset(code, NEW_PASSWORD, now=NOW)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.passwords.reset(code, "another fine password", now=NOW)
    assert world.log_in(password=NEW_PASSWORD)


def test_a_weak_password_does_not_use_the_code_up(world: World) -> None:
    """A user whose password was rejected may try again with the same code."""
    world.register()
    code = reset_code(world)
    with refuses(Errors.WEAK_PASSWORD):
        world.passwords.reset(code, "short", now=NOW)
    world.passwords.reset(code, NEW_PASSWORD, now=NOW)


def test_a_reset_code_lives_half_an_hour(world: World) -> None:
    """After that it is refused."""
    world.register()
    code = reset_code(world)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.passwords.reset(code, NEW_PASSWORD, now=NOW + 1800)


def test_a_reset_ends_the_other_codes(world: World) -> None:
    """A code asked for before the password changed opens nothing afterwards."""
    world.register()
    first, second = reset_code(world), reset_code(world, now=NOW + 60)
    world.passwords.reset(second, NEW_PASSWORD, now=NOW + 61)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.passwords.reset(first, PASSWORD, now=NOW + 62)


def test_a_disabled_account_stays_disabled(world: World) -> None:
    """A reset changes the password and nothing else."""
    world.register()
    code = reset_code(world)
    world.put_user(replace(present(world), status=UserStatus.DISABLED))
    world.passwords.reset(code, NEW_PASSWORD, now=NOW)
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in(password=NEW_PASSWORD)


def test_the_owner_is_told_of_a_reset(world: World) -> None:
    """The notice is in the outbox as soon as the password has changed."""
    world.register()
    world.passwords.reset(reset_code(world), NEW_PASSWORD, now=NOW)
    assert [(letter.to, letter.about) for letter in world.deliver()] == [(LOGIN, MailKind.PASSWORD_CHANGED)]


@pytest.mark.parametrize("about", [MailKind.CONFIRM_ADDRESS, MailKind.CHANGE_EMAIL])
def test_a_code_of_another_purpose_resets_nothing(world: World, about: MailKind) -> None:
    """Each code is for one thing."""
    world.register()
    if about is MailKind.CONFIRM_ADDRESS:
        ask(world, about)
    else:
        world.emails.request(*signed_in(world), NEW_LOGIN, PASSWORD, now=NOW)
    code = world.code(about)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.passwords.reset(code, NEW_PASSWORD, now=NOW)


# A new password by the user who knows the old one


def signed_in(world: World, *, now: int = NOW) -> tuple[str, str]:
    claims = world.claims(world.log_in(now=now), now=now)
    return claims.sub, claims.sid or ""


def test_a_change_keeps_the_session_that_asked(world: World) -> None:
    """The user's present device stays signed in and can refresh. The others cannot."""
    world.register()
    mine, other = world.log_in(), world.log_in()
    claims = world.claims(mine)
    world.passwords.change(claims.sub, claims.sid or "", PASSWORD, NEW_PASSWORD, now=NOW)
    assert world.refresh(mine, now=NOW + 1)
    with refuses(Errors.INVALID_GRANT):
        world.refresh(other, now=NOW + 1)


def test_a_wrong_present_password_changes_nothing(world: World) -> None:
    """The attempt is rejected and counted."""
    world.register()
    with refuses(Errors.INVALID_CREDENTIALS):
        world.passwords.change(*signed_in(world), "not my password", NEW_PASSWORD, now=NOW)
    assert world.log_in()


def test_wrong_present_passwords_are_slowed_down_as_sign_ins_are(world: World) -> None:
    """A stolen access token gives ten guesses, not a million."""
    world.register()
    who = signed_in(world)
    for _ in range(10):
        with refuses(Errors.INVALID_CREDENTIALS):
            world.passwords.change(*who, "not my password", NEW_PASSWORD, now=NOW)
    with refuses(Errors.RATE_LIMITED):
        world.passwords.change(*who, PASSWORD, NEW_PASSWORD, now=NOW)


def test_an_ended_session_changes_no_password(world: World) -> None:
    """An access token that outlives its session is refused here."""
    world.register()
    sub, sid = signed_in(world)
    world.sessions.end(sub, sid, reason="logout")
    with refuses(Errors.INVALID_TOKEN):
        world.passwords.change(sub, sid, PASSWORD, NEW_PASSWORD, now=NOW)


# A stolen refresh token


def test_the_owner_is_told_of_a_stolen_refresh_token(world: World) -> None:
    """The owner gets one mail about the reuse that ended the session."""
    world.register()
    first = world.log_in()
    second = world.refresh(first, now=NOW + 1)
    world.refresh(second, now=NOW + 2)
    for _ in range(2):
        with refuses(Errors.INVALID_GRANT):
            world.refresh(first, now=NOW + 1000)
    assert [(letter.to, letter.about) for letter in world.deliver()] == [(LOGIN, MailKind.REFRESH_REUSE)]


# The end


class Crash(Exception):
    """The function is gone between two writes."""


CRASHES = [
    ("begin_deletion", "after"),
    ("end_sessions", "before"),
    ("end_sessions", "after"),
    ("delete_user", "before"),
    ("delete_user", "after"),
]
"""Every point between two writes. Before the first one, the account is unchanged."""


def delete(world: World, who: tuple[str, str], password: str = PASSWORD) -> None:
    world.erasure(*who, password, now=NOW)


def test_a_deleted_account_is_gone_with_its_sessions_and_its_login(world: World) -> None:
    """Nothing of the account is left, its owner is told, and the login is free."""
    world.register()
    sub, sid = signed_in(world)
    delete(world, (sub, sid))
    left = world.store.find_user(sub), world.store.find_credential(LOGIN), world.store.list_sessions(sub, NOW)
    assert left == (None, None, ())
    assert [(letter.to, letter.about) for letter in world.deliver()] == [(LOGIN, MailKind.ACCOUNT_DELETED)]
    assert world.register().sub != sub


def test_a_wrong_password_deletes_nothing(world: World) -> None:
    """A stolen access token cannot end an account."""
    world.register()
    who = signed_in(world)
    with refuses(Errors.INVALID_CREDENTIALS):
        delete(world, who, "not my password")
    assert world.log_in()


def test_the_last_admin_cannot_delete_itself(world: World) -> None:
    """There must be another admin first. Until then the account stays signed in, and no mail is sent."""
    world.accounts.create(Registration(LOGIN, PASSWORD), roles=("admin",), now=NOW)
    who = signed_in(world)
    with refuses(Errors.LAST_ADMIN):
        delete(world, who)
    assert (present(world).status, world.waiting()) == (UserStatus.ACTIVE, [])
    world.accounts.create(Registration(NEW_LOGIN, PASSWORD), roles=("admin",), now=NOW)
    delete(world, who)
    assert world.store.find_user(who[0]) is None


def test_a_disabled_account_cannot_delete_itself(world: World) -> None:
    """Otherwise its owner could register again and evade the operator's decision."""
    world.register()
    who = signed_in(world)
    world.put_user(replace(present(world), status=UserStatus.DISABLED))
    with refuses(Errors.INVALID_TOKEN):
        delete(world, who)
    assert present(world).status is UserStatus.DISABLED


@pytest.mark.parametrize(("operation", "moment"), CRASHES)
def test_a_crash_leaves_nothing_that_can_sign_in(
    policy: SigningPolicy, monkeypatch: pytest.MonkeyPatch, operation: str, moment: str
) -> None:
    """After a crash at any write, no password, refresh token or code opens the account. A rerun finishes."""
    world = World(policy)
    world.register()
    answer = world.log_in()
    claims = world.claims(answer)
    who = claims.sub, claims.sid or ""
    code = reset_code(world)
    with monkeypatch.context() as patched:
        fail(world, patched, operation, moment)
        with pytest.raises(Crash):
            delete(world, who)
    refused = (Errors.INVALID_CREDENTIALS, Errors.INVALID_GRANT, Errors.CODE_USED_OR_EXPIRED)
    assert (
        refusal(world.log_in),
        refusal(lambda: world.refresh(answer, now=NOW + 1)),
        refusal(lambda: world.passwords.reset(code, NEW_PASSWORD, now=NOW)),
    ) == refused
    delete(world, who)
    assert (world.store.find_user(who[0]), world.store.find_credential(LOGIN)) == (None, None)


def fail(world: World, patched: pytest.MonkeyPatch, operation: str, moment: str) -> None:
    """Let the function die before or after one write."""
    write = getattr(world.store, operation)

    def dying(*args: object, **more: object) -> None:
        if moment == "after":
            write(*args, **more)
        raise Crash

    patched.setattr(world.store, operation, dying)


def refusal(action: object) -> Errors:
    assert callable(action)
    with pytest.raises(ServiceError) as raised:
        action()
    return raised.value.error


def test_mails_have_ids_of_their_own(world: World) -> None:
    """No two mails have the same id."""
    made = [world.outbox.mail(MailKind.RESET, to=LOGIN, now=NOW) for _ in range(2)]
    assert len({mail.mail_id for mail in made if isinstance(mail, Mail)}) == 2
