"""Registration by mail: drafts, decoys, and the two ways to confirm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.draft_letters import MOST_MAILS
from latchkey.core.mail.store import MOST_LINK_TRIES, MOST_TRIES
from latchkey.core.model import Draft, Mail, MailKind, UsedDraft, User, UserStatus
from latchkey.core.throttle import confirmations_from, registrations_from, reserve_all
from latchkey.core.users.accounts import Registration
from latchkey.core.users.confirmations import REPEATABLE
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.sealing import reset_seal_keys, rotate_seal_keys
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD, Sent, World

DAY = 86_400
THEIRS = "the stranger's own words"
CONFIRM = "https://app.example/v1/user/confirm/"


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def spent() -> pytest.RaisesExc[ServiceError]:
    return refuses(Errors.CODE_USED_OR_EXPIRED)


def all_spent(*attempts: Callable[[], None]) -> None:
    """Expect every attempt to be refused as a used code is."""
    for attempt in attempts:
        with spent():
            attempt()


def sign_up(world: World, password: str = PASSWORD, *, login: str = LOGIN, now: int = NOW) -> str:
    """Register, and return the flow."""
    return world.signup.register(Registration(login, password, "Ann", "ru", "app"), address=ADDRESS, now=now)


def link_code(letter: Sent) -> str:
    """Return the code in the link of a letter."""
    assert letter.link.startswith(CONFIRM)
    return letter.link.removeprefix(CONFIRM)


def mailed(world: World, *, now: int = NOW) -> tuple[str, str]:
    """Send all waiting mails, and return the digits and the link's code of the one confirmation."""
    [letter] = [each for each in world.deliver(now=now) if each.about == MailKind.CONFIRM]
    return letter.code, link_code(letter)


def enter(world: World, flow: str, digits: str, *, now: int = NOW) -> None:
    """Enter the digits on the device that registered."""
    world.draft_confirmations.on_device(flow, digits, now=now)


def follow(world: World, code: str, password: str = PASSWORD, *, now: int = NOW) -> None:
    """Open the link, and enter a password."""
    world.draft_confirmations.by_link(code, password, address=ADDRESS, now=now)


def other(digits: str) -> str:
    """Return six other digits."""
    return f"{(int(digits) + 1) % 10**6:06}"


def owner(world: World, login: str = LOGIN) -> User | None:
    """Return the account that has the login."""
    credential = world.store.find_credential(login)
    return world.store.find_user(credential.sub) if credential else None


def draft_of(world: World, flow: str, *, now: int = NOW) -> Draft | UsedDraft | None:
    """Return the stored draft of a flow."""
    return world.store.find_draft(flow.partition(".")[0], now)


# The two ways


def test_registration_is_no_account_until_it_is_confirmed(world: World) -> None:
    """The digits of the mail make it one: active, verified, with the members of the registration."""
    flow = sign_up(world)
    digits, _ = mailed(world)
    assert owner(world) is None
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in()
    enter(world, flow, digits, now=NOW + 9)
    user = owner(world)
    assert user is not None
    expected = User(
        user.sub, LOGIN, UserStatus.ACTIVE, ("user",), 0, NOW + 9, "Ann", "ru", "app", NOW + 9, can_sign_in=True
    )
    assert user == expected
    assert world.log_in()
    assert world.journal.names()[:3] == ["mail_sent", "login_failed", "user_registered"]


def test_link_confirms_with_the_password_of_the_registration(world: World) -> None:
    """It may be opened on any device, for a day."""
    sign_up(world)
    _, code = mailed(world)
    world.draft_confirmations.require_open(code, now=NOW + DAY - 1)
    follow(world, code, now=NOW + DAY - 1)
    assert world.log_in()


def test_looking_at_a_link_changes_nothing(world: World) -> None:
    """Programs that scan mail follow links."""
    flow = sign_up(world)
    digits, code = mailed(world)
    for _ in range(MOST_LINK_TRIES + 1):
        world.draft_confirmations.require_open(code, now=NOW)
    assert owner(world) is None
    enter(world, flow, digits)
    with spent():
        world.draft_confirmations.require_open(code, now=NOW)


def test_digits_live_for_ten_minutes_and_a_link_for_a_day(world: World) -> None:
    """Each is refused from the second of its expiry."""
    flow = sign_up(world)
    digits, code = mailed(world)
    all_spent(
        lambda: enter(world, flow, digits, now=NOW + 600),
        lambda: follow(world, code, now=NOW + DAY),
        lambda: world.draft_confirmations.require_open(code, now=NOW + DAY),
    )
    enter(world, flow, digits, now=NOW + 599)


def test_five_tries_of_the_digits(world: World) -> None:
    """After five wrong ones the right ones are refused too, and every refusal is the same. The link still works."""
    flow = sign_up(world)
    digits, code = mailed(world)
    for _ in range(MOST_TRIES):
        with spent():
            enter(world, flow, other(digits))
    with spent():
        enter(world, flow, digits)
    follow(world, code)


def test_fifth_try_may_be_the_right_one(world: World) -> None:
    """Four wrong ones leave one."""
    flow = sign_up(world)
    digits, _ = mailed(world)
    for _ in range(MOST_TRIES - 1):
        with spent():
            enter(world, flow, other(digits))
    enter(world, flow, digits)


def test_guesses_at_the_password_behind_a_link_end(world: World) -> None:
    """The reader of the mail may guess ten times."""
    sign_up(world)
    _, code = mailed(world)
    for _ in range(MOST_LINK_TRIES):
        with spent():
            follow(world, code, "not the right one")
    with spent():
        follow(world, code)


def test_stranger_cannot_use_up_the_tries(world: World) -> None:
    """The id of a draft stands in the link. A try counts only with the secret of the device."""
    flow = sign_up(world)
    digits, code = mailed(world)
    forged = [f"{flow.partition('.')[0]}.{code.partition('.')[2]}", sign_up(world, THEIRS, login="eve@example.com")]
    for _ in range(MOST_TRIES):
        for each in forged:
            with spent():
                enter(world, each, digits)
    enter(world, flow, digits)


def test_neither_secret_opens_the_other_door(world: World) -> None:
    """The flow is no link, the link is no flow, and the digits open nothing without the flow."""
    flow = sign_up(world)
    digits, code = mailed(world)
    with spent():
        follow(world, flow)
    with spent():
        follow(world, f"lkc_{flow}")
    with spent():
        enter(world, code, digits)
    assert owner(world) is None


def test_mail_never_holds_the_flow(world: World) -> None:
    """Nor does the outbox: it holds a hash of its secret, and a hash of the password."""
    flow = sign_up(world)
    secret = flow.partition(".")[2]
    [waiting] = world.waiting()
    [letter] = world.deliver()
    for text in (str(waiting), str(letter)):
        assert secret not in text
        assert PASSWORD not in text
    assert "argon2" not in str(letter)


@given(text=st.text(max_size=130) | st.from_regex(r"(lkc_)?drf_[a-z2-7]{26}\.[a-z2-7]{59}", fullmatch=True))
def test_any_other_text_opens_nothing(policy: SigningPolicy, text: str) -> None:
    """It is refused as a used code is, and nothing crashes."""
    world = World(policy)
    all_spent(
        lambda: enter(world, text, "123456"),
        lambda: follow(world, text),
        lambda: world.draft_confirmations.require_open(text, now=NOW),
    )


# Once, and again


def test_lost_answer_is_given_again_for_ten_minutes(world: World) -> None:
    """The same proof gets the same answer, and makes no second account. Another proof is refused."""
    flow = sign_up(world)
    digits, code = mailed(world)
    enter(world, flow, digits)
    made = owner(world)
    enter(world, flow, digits, now=NOW + REPEATABLE - 1)
    all_spent(
        lambda: enter(world, flow, other(digits)),
        lambda: follow(world, code),
        lambda: enter(world, flow, digits, now=NOW + REPEATABLE),
    )
    assert owner(world) == made
    assert world.journal.names().count("user_registered") == 1


def test_confirmation_by_link_is_repeated_with_its_password_alone(world: World) -> None:
    """The repetition needs the password too, although the draft keeps no hash of it."""
    sign_up(world)
    _, code = mailed(world)
    follow(world, code)
    follow(world, code, now=NOW + REPEATABLE - 1)
    with spent():
        follow(world, code, "not the right one")


def test_used_draft_keeps_nothing(world: World) -> None:
    """What is left is a mark under a seal key: no hash of the password, of a secret or of the digits."""
    flow = sign_up(world)
    digits, _ = mailed(world)
    draft = draft_of(world, flow)
    assert isinstance(draft, Draft)
    enter(world, flow, digits)
    left = draft_of(world, flow)
    assert isinstance(left, UsedDraft)
    known = (draft.password_hash, draft.flow_hash, draft.link_hash, draft.digits_mac, LOGIN, digits)
    assert [each for each in known if each in str(left)] == []


def test_erased_account_frees_its_login_and_not_its_draft(world: World) -> None:
    """The digits that made the account cannot make it again."""
    flow = sign_up(world)
    digits, code = mailed(world)
    enter(world, flow, digits)
    claims = world.claims(world.log_in())
    world.erasure(claims.sub, claims.sid or "", PASSWORD, now=NOW)
    assert owner(world) is None
    with spent():
        follow(world, code)
    enter(world, flow, digits)  # the repetition within ten minutes: the same answer, and no account
    assert owner(world) is None


# Strangers


def test_stranger_who_registers_an_address_first_gains_nothing(world: World) -> None:
    """Whichever mail the owner follows, only the owner's password opens the account, and the stranger's draft is dead.

    This is the attack of Sudhodanan and Paverd: the stranger waits for the owner to confirm.
    """
    theirs = sign_up(world, THEIRS)
    their_digits, their_code = mailed(world)
    mine = sign_up(world)
    my_digits, my_code = mailed(world)
    with spent():
        follow(world, their_code, PASSWORD)  # the owner follows the stranger's mail, with the owner's own password
    with spent():
        enter(world, mine, their_digits)
    assert owner(world) is None
    enter(world, mine, my_digits)
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in(password=THEIRS)
    assert world.log_in()
    all_spent(
        lambda: enter(world, theirs, their_digits),
        lambda: follow(world, their_code, THEIRS),
        lambda: enter(world, theirs, my_digits),
        lambda: follow(world, my_code, THEIRS),
    )
    with refuses(Errors.INVALID_CREDENTIALS):
        world.log_in(password=THEIRS)


def test_draft_stands_in_no_ones_way(world: World) -> None:
    """While a stranger's draft waits, the owner registers and confirms at once."""
    sign_up(world, THEIRS)
    flow = sign_up(world)
    letters = world.deliver()
    enter(world, flow, letters[1].code)
    assert world.log_in()


def test_taken_login_is_told_to_its_owner_alone(world: World) -> None:
    """The answer has the same form, the draft looks like any other, and no code fits it."""
    holder = world.register()
    free, taken = sign_up(world, login="bob@example.com"), sign_up(world, THEIRS)
    letters = {letter.to: letter for letter in world.deliver()}
    assert (letters[LOGIN].about, letters[LOGIN].code, letters[LOGIN].link) == (MailKind.ALREADY_REGISTERED, "", "")
    real, decoy = draft_of(world, free), draft_of(world, taken)
    assert isinstance(real, Draft)
    assert isinstance(decoy, Draft)
    lengths = [[len(each) for each in (d.link_hash, d.digits_mac, d.key_id, d.flow_hash)] for d in (real, decoy)]
    assert lengths[0] == lengths[1]
    assert decoy.digits_expires_at == real.digits_expires_at
    for digits in ("000000", letters["bob@example.com"].code):
        with spent():
            enter(world, taken, digits)
    assert owner(world) == holder
    assert world.log_in()


def test_letter_to_an_owner_is_in_the_owners_language(world: World) -> None:
    """A stranger does not choose it."""
    world.put_user(replace(world.register(), locale="en"))
    sign_up(world, THEIRS)
    assert [letter.locale for letter in world.deliver()] == ["en"]


def test_owner_of_a_disabled_account_gets_no_letter(world: World) -> None:
    """The login stays taken, and the draft is a decoy."""
    world.put_user(replace(world.register(), status=UserStatus.DISABLED))
    flow = sign_up(world, THEIRS)
    assert world.deliver() == []
    with spent():
        enter(world, flow, "000000")


def test_login_that_was_taken_meanwhile_confirms_nothing(world: World) -> None:
    """An operator opened the account between the mail and the digits: the account and its password stay."""
    flow = sign_up(world, THEIRS)
    digits, code = mailed(world)
    holder = world.register()
    with spent():
        enter(world, flow, digits)
    with spent():
        follow(world, code, THEIRS)
    assert owner(world) == holder


def test_user_name_cannot_register_by_mail(world: World) -> None:
    """A code needs a mailbox."""
    with refuses(Errors.INVALID_REQUEST):
        sign_up(world, login="ann")
    assert world.waiting() == []


def test_weak_password_registers_nothing(world: World) -> None:
    """The registrant is told at once, before any mail."""
    with refuses(Errors.WEAK_PASSWORD):
        sign_up(world, "short")
    assert world.waiting() == []


def test_address_is_slowed_down_before_anything_is_hashed(world: World) -> None:
    """Registrations and confirmations have a counter each: a hundred of one leave the other free."""
    sign_up(world)
    _, code = mailed(world)
    for _ in range(99):
        reserve_all(world.store, registrations_from(ADDRESS), NOW)
    with refuses(Errors.RATE_LIMITED):
        sign_up(world, "short")
    for _ in range(100):
        reserve_all(world.store, confirmations_from(ADDRESS), NOW)
    with refuses(Errors.RATE_LIMITED):
        follow(world, code)


# The mailer


def redeliver(world: World, mail: Mail, *, now: int) -> Sent:
    """Deliver a mail as the stream does after a crash, and return what was sent."""
    world.mailroom.deliver(mail, now=now)
    return world.postman.sent[-1]


def test_crash_between_the_draft_and_the_letter_loses_nothing(world: World) -> None:
    """The draft is stored, the letter is not sent. The next delivery sends it, and charges nothing again."""
    flow = sign_up(world)
    [mail] = world.waiting()
    world.postman.refusals.append(ServiceError(Errors.UNAVAILABLE))
    with refuses(Errors.UNAVAILABLE):
        world.mailroom.deliver(mail, now=NOW)
    before = draft_of(world, flow)
    letter = redeliver(world, mail, now=NOW + 5)
    assert draft_of(world, flow) == before
    enter(world, flow, letter.code, now=NOW + 6)


def test_crash_after_the_letter_sends_the_same_letter_again(world: World) -> None:
    """The mail was sent and is still in the outbox: the reader gets the same digits and the same link twice."""
    flow = sign_up(world)
    [mail] = world.waiting()
    world.mailroom.deliver(mail, now=NOW)
    world.store.post_mail(mail)  # as if the mailer had crashed before it removed the mail
    world.seals.held = rotate_seal_keys(world.seals.held, NOW, world.entropy, keep=DAY)
    redeliver(world, mail, now=NOW + 5)
    first, second = world.postman.sent
    assert first == second
    enter(world, flow, first.code)


def test_mail_delivered_after_the_draft_was_used_is_not_sent(world: World) -> None:
    """It would offer digits that open nothing."""
    flow = sign_up(world)
    [mail] = world.waiting()
    digits, _ = mailed(world)
    enter(world, flow, digits)
    world.store.post_mail(mail)
    assert world.deliver() == []
    assert isinstance(draft_of(world, flow), UsedDraft)


def test_limit_of_mails_makes_decoys(world: World) -> None:
    """Three mails to an address are free. A registration beyond gets the same answer, no mail, and no code fits it."""
    flows = [sign_up(world, THEIRS) for _ in range(4)]
    letters = world.deliver()
    assert len(letters) == 3
    with spent():
        enter(world, flows[3], letters[2].code)
    assert isinstance(draft_of(world, flows[3]), Draft)
    enter(world, flows[2], letters[2].code)


def test_resets_do_not_wait_behind_confirmations(world: World) -> None:
    """A stranger who uses up the mails for registrations closes no other mail."""
    world.register()
    for _ in range(4):
        sign_up(world, THEIRS)
    world.deliver()
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    assert [letter.about for letter in world.deliver()] == [MailKind.RESET]


def test_reset_of_the_seal_keys_ends_all_mailed_secrets(world: World) -> None:
    """A thief of the old keys could compute them. Another mail makes new ones for the same draft."""
    flow = sign_up(world)
    digits, code = mailed(world)
    world.seals.held = reset_seal_keys(world.seals.held, NOW, world.entropy)
    with spent():
        enter(world, flow, digits)
    with spent():
        follow(world, code)
    again(world, flow)
    digits, _ = mailed(world)
    enter(world, flow, digits)


def test_registration_waits_through_a_rotation_of_the_seal_keys(world: World) -> None:
    """A rotation is routine."""
    flow = sign_up(world)
    digits, _ = mailed(world)
    world.seals.held = rotate_seal_keys(world.seals.held, NOW, world.entropy, keep=DAY)
    enter(world, flow, digits)


# Another mail for the same registration


def again(world: World, flow: str, *, now: int = NOW) -> None:
    """Ask for the mail of a registration again."""
    world.mailed_again(flow, address=ADDRESS, now=now)


def test_another_mail_brings_new_digits_and_the_same_link(world: World) -> None:
    """The digits of the mail before it no longer work; the new ones have ten minutes and five tries of their own."""
    flow = sign_up(world)
    digits, code = mailed(world)
    for _ in range(MOST_TRIES):
        with spent():
            enter(world, flow, other(digits))
    again(world, flow, now=NOW + 900)
    more_digits, same_code = mailed(world, now=NOW + 900)
    assert same_code == code
    with spent():
        enter(world, flow, digits, now=NOW + 901)
    enter(world, flow, more_digits, now=NOW + 901)


def test_another_mail_that_is_delivered_twice_is_the_same(world: World) -> None:
    """Its digits stay, and nothing is charged again."""
    flow = sign_up(world)
    world.deliver()
    again(world, flow)
    [mail] = world.waiting()
    world.mailroom.deliver(mail, now=NOW)
    world.store.post_mail(mail)
    world.mailroom.deliver(mail, now=NOW + 1)
    assert world.postman.sent[-1] == world.postman.sent[-2]
    draft = draft_of(world, flow)
    assert isinstance(draft, Draft)
    assert draft.mails == 2


def test_mails_for_one_draft_end(world: World) -> None:
    """Five mails with five tries each bound the guesses at one draft, however long the requester waits."""
    flow = sign_up(world)
    for number in range(MOST_MAILS + 2):
        again(world, flow, now=NOW + number * 4000)
        world.deliver(now=NOW + number * 4000)
    assert len(world.postman.sent) == MOST_MAILS


@pytest.mark.parametrize("flow", ["", "nonsense", "drf_aaaaaaaaaaaaaaaaaaaaaaaaaa.secret"])
def test_unknown_flow_sends_nothing(world: World, flow: str) -> None:
    """The request gets the same answer as any other."""
    again(world, flow)
    assert world.deliver() == []


def test_flow_with_another_secret_sends_nothing(world: World) -> None:
    """The id of a draft stands in its link; the mailer compares the secret."""
    flow = sign_up(world)
    digits, code = mailed(world)
    again(world, code.removeprefix("lkc_"))
    assert world.deliver() == []
    enter(world, flow, digits)


def test_decoy_beyond_the_limit_becomes_real_with_its_first_mail(world: World) -> None:
    """A person who registered too often asks for the mail a little later, and goes on."""
    flows = [sign_up(world) for _ in range(4)]
    world.deliver()
    again(world, flows[3], now=NOW + 60)
    digits, _ = mailed(world, now=NOW + 60)
    enter(world, flows[3], digits, now=NOW + 61)


def test_another_mail_for_a_taken_login_goes_to_its_owner(world: World) -> None:
    """It says the same as the first."""
    world.register()
    flow = sign_up(world, THEIRS)
    world.deliver()
    again(world, flow)
    assert [letter.about for letter in world.deliver()] == [MailKind.ALREADY_REGISTERED]


def test_requests_from_one_address_are_slowed_down(world: World) -> None:
    """Thirty are free, with whatever flow."""
    for _ in range(30):
        again(world, "nonsense")
    with refuses(Errors.RATE_LIMITED):
        again(world, "nonsense")


# An account whose address was never confirmed


def ask_to_confirm(world: World, login: str = LOGIN, *, now: int = NOW) -> None:
    world.mail_requests(MailKind.CONFIRM_ADDRESS, login, address=ADDRESS, now=now)


def confirm_address(world: World, code: str, password: str = PASSWORD, *, now: int = NOW) -> None:
    world.address_confirmations.by_link(code, password, address=ADDRESS, now=now)


def test_owner_confirms_the_address_of_an_account(world: World) -> None:
    """The link and the password of the account do it. Repeating it is harmless, and looking changes nothing."""
    user = world.register()
    ask_to_confirm(world)
    code = world.code(MailKind.CONFIRM_ADDRESS)
    world.address_confirmations.require_open(code, now=NOW)
    assert owner(world) == user
    for now in (NOW + 5, NOW + 9):
        confirm_address(world, code, now=now)
    assert owner(world) == replace(user, verified_at=NOW + 5)


def test_strangers_account_is_not_verified_by_its_mail(world: World) -> None:
    """In `open` mode a stranger registers any address; its owner, who follows the mail, has another password."""
    user = world.register(password=THEIRS)
    ask_to_confirm(world)
    code = world.code(MailKind.CONFIRM_ADDRESS)
    for _ in range(MOST_TRIES):
        with spent():
            confirm_address(world, code, PASSWORD)
    with spent():
        confirm_address(world, code, THEIRS)
    assert owner(world) == user


def test_only_an_account_that_was_never_confirmed_gets_this_mail(world: World) -> None:
    """A verified account, a disabled one and a login without an account get none."""
    world.put_user(replace(world.register(), verified_at=NOW))
    world.put_user(replace(world.register("bob@example.com"), status=UserStatus.DISABLED))
    for login in (LOGIN, "bob@example.com", "nobody@example.com"):
        ask_to_confirm(world, login)
    assert world.deliver() == []


def test_code_of_an_address_that_the_account_has_left_confirms_nothing(world: World) -> None:
    """The mail was about the old address."""
    user = world.register()
    ask_to_confirm(world)
    code = world.code(MailKind.CONFIRM_ADDRESS)
    world.put_user(replace(user, login="ann@elsewhere.example"))
    with spent():
        confirm_address(world, code)


def test_confirmation_of_an_address_is_counted_before_it_hashes(world: World) -> None:
    """As the confirmation of a draft is."""
    for _ in range(100):
        reserve_all(world.store, confirmations_from(ADDRESS), NOW)
    with refuses(Errors.RATE_LIMITED):
        confirm_address(world, "lkc_nothing")
