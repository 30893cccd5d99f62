"""The limits of mail: per kind, mailbox and asker, and what is given back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.postage import by_operator, by_stranger, letter_counters, mailbox_of
from latchkey.core.mail.store import Undeliverable
from latchkey.core.model import MailKind, User, UserStatus
from latchkey.core.throttle import LETTER_RULE, MAILBOX_RULE
from latchkey.core.users.accounts import Registration
from tests.integration.contract import refuses
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD, World

STRANGER = "198.51.100.9"
HOUR = 3_600


def ask(world: World, about: MailKind, *, address: str = ADDRESS, now: int = NOW) -> int:
    """Ask for a mail and let the mailer run; return how many mails went out."""
    world.mail_requests(about, LOGIN, address=address, now=now)
    return len(world.deliver(now=now))


def stranger(number: int) -> str:
    """Return the address of one of many strangers."""
    return f"198.51.{number // 250}.{number % 250 + 1}"


def counts(world: World, about: MailKind, asked_by: str, *, now: int = NOW) -> list[int]:
    """Return what a mail of that kind to Ann is counted on."""
    return [world.store.attempts(each, now).count for each in letter_counters(about, LOGIN, asked_by)]


@pytest.fixture
def ann(world: World) -> User:
    """Ann has an account, and her address is confirmed."""
    user = world.register()
    world.store.verify_login(user.sub, user.login, NOW)
    return user


def test_stranger_who_asks_for_confirmations_stops_no_reset(world: World, ann: User) -> None:
    """Asked for once a minute all day, confirmations of a confirmed address send nothing and count nothing."""
    del ann
    for minute in range(100):
        assert ask(world, MailKind.CONFIRM_ADDRESS, address=stranger(minute), now=NOW + minute * 60) == 0
    assert ask(world, MailKind.RESET, now=NOW + 6_000) == 1
    assert counts(world, MailKind.CONFIRM_ADDRESS, by_stranger(stranger(0))) == [0, 0]


def test_twenty_requests_in_twenty_minutes_send_few_mails(world: World, ann: User) -> None:
    """Three at once, then after a minute and after five more; the next would come after a quarter of an hour."""
    del ann
    sent = [ask(world, MailKind.RESET, now=NOW + minute * 60) for minute in range(20)]
    assert [minute for minute, mails in enumerate(sent) if mails] == [0, 1, 2, 3, 8]


def test_stranger_at_another_address_delays_no_mail_of_the_owner(world: World, ann: User) -> None:
    """The stranger's three mails are counted on the stranger."""
    del ann
    assert [ask(world, MailKind.RESET, address=STRANGER) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert [ask(world, MailKind.RESET) for _ in range(5)] == [1, 1, 1, 0, 0]


def test_mailbox_gets_ten_mails_a_day_and_then_one_an_hour(world: World, ann: User) -> None:
    """A hundred strangers fill no mailbox, and the owner still gets a mail within the hour."""
    del ann
    sent = sum(ask(world, MailKind.RESET, address=stranger(number)) for number in range(30))
    assert sent == MAILBOX_RULE.free
    assert ask(world, MailKind.RESET, now=NOW + HOUR - 1) == 0
    assert ask(world, MailKind.RESET, now=NOW + HOUR) == 1


def test_operator_sends_a_reset_while_strangers_ask(world: World, ann: User) -> None:
    """A full mailbox of strangers closes nothing to an operator, who has counters of their own."""
    for number in range(30):
        ask(world, MailKind.RESET, address=stranger(number))
    world.outbox.post(MailKind.RESET, to=ann.login, asked_by=by_operator("usr_admin"), now=NOW)
    assert len(world.deliver()) == 1
    assert counts(world, MailKind.RESET, by_operator("usr_admin")) == [1, 1]


def test_tagged_registrations_share_the_cap_of_their_mailbox(world: World) -> None:
    """Sixty registrations of one mailbox under sixty tags send ten mails. Each gets the same answer and a draft."""
    flows = [
        world.signup.register(Registration(f"name+{number}@example.com", PASSWORD), address=stranger(number), now=NOW)
        for number in range(60)
    ]
    assert len(world.deliver()) == MAILBOX_RULE.free
    drafts = [world.store.find_draft(flow.partition(".")[0], NOW) for flow in flows]
    assert all(drafts)


def test_tagged_registrations_from_one_address_are_slowed_down_more(world: World) -> None:
    """One asker gets three mails to one mailbox at once."""
    for number in range(60):
        world.signup.register(Registration(f"name+{number}@example.com", PASSWORD), address=ADDRESS, now=NOW)
    assert len(world.deliver()) == LETTER_RULE.free


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann+shop@Example.com", "ann@example.com"),
        ("a.n.n@example.com", "a.n.n@example.com"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("an.n@googlemail.com", "ann@gmail.com"),
        ("+tag@example.com", "+tag@example.com"),
    ],
)
def test_addresses_of_a_mailbox_count_together(address: str, mailbox: str) -> None:
    """Tags are folded everywhere, dots at Gmail alone."""
    assert mailbox_of(address) == mailbox


def test_tags_stay_in_logins_and_in_where_mail_goes(world: World) -> None:
    """Folding is for counting alone."""
    world.register("ann+shop@example.com")
    world.mail_requests(MailKind.RESET, "ann+shop@example.com", address=ADDRESS, now=NOW)
    assert [letter.to for letter in world.deliver()] == ["ann+shop@example.com"]


# What is counted, and what is given back


def test_mail_for_no_account_is_counted_on_no_mailbox(world: World) -> None:
    """The request costs its address one attempt, and the mailer counts nothing."""
    assert ask(world, MailKind.RESET) == 0
    assert (counts(world, MailKind.RESET, by_stranger(ADDRESS)), world.waiting()) == ([0, 0], [])


def test_mail_that_is_delivered_twice_is_counted_once(world: World, ann: User) -> None:
    """The first try found no mail service."""
    del ann
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    [mail] = world.waiting()
    world.postman.refusals.append(ServiceError(Errors.UNAVAILABLE))
    with refuses(Errors.UNAVAILABLE):
        world.mailroom.deliver(mail, now=NOW)
    world.mailroom.deliver(mail, now=NOW + 5)
    assert len(world.postman.sent) == 1
    assert counts(world, MailKind.RESET, by_stranger(ADDRESS)) == [1, 1]


def test_mail_that_the_service_refuses_is_given_back(world: World, ann: User) -> None:
    """No mail has reached the mailbox."""
    del ann
    world.postman.refusals.append(Undeliverable("no such host"))
    assert ask(world, MailKind.RESET) == 0
    assert (counts(world, MailKind.RESET, by_stranger(ADDRESS)), world.waiting()) == ([0, 0], [])


def test_mail_whose_account_is_disabled_after_it_was_counted_is_given_back(world: World, ann: User) -> None:
    """The first delivery counted it and failed. The second has nothing to send."""
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    [mail] = world.waiting()
    world.postman.refusals.append(ServiceError(Errors.UNAVAILABLE))
    with refuses(Errors.UNAVAILABLE):
        world.mailroom.deliver(mail, now=NOW)
    world.put_user(replace(ann, status=UserStatus.DISABLED))
    world.mailroom.deliver(mail, now=NOW + 5)
    assert (counts(world, MailKind.RESET, by_stranger(ADDRESS)), world.waiting()) == ([0, 0], [])


def test_address_of_the_asker_goes_with_the_mail(world: World, ann: User) -> None:
    """It waits in the outbox alone, and is removed with the mail, sent or not."""
    del ann
    world.mail_requests(MailKind.RESET, LOGIN, address=ADDRESS, now=NOW)
    world.mail_requests(MailKind.RESET, "other@example.com", address=ADDRESS, now=NOW)
    assert {mail.asked_by for mail in world.waiting()} == {by_stranger(ADDRESS)}
    world.deliver()
    assert world.waiting() == []
    assert ADDRESS not in repr(vars(world.store))
