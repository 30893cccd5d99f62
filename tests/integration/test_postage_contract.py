"""Counted mails: what every store must hold to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from latchkey.core.throttle import Counter
from tests.integration import samples
from tests.integration.contract import RULE
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Mail


def posted(store: Store) -> Mail:
    """Return a mail that waits."""
    mail = samples.mail()
    store.post_mail(mail)
    return mail


def counters(number: int = 2) -> tuple[Counter, ...]:
    """Return counters that have counted nothing. Two are free."""
    return tuple(Counter("letter", samples.unique("ada@"), RULE) for _ in range(number))


def counts(store: Store, charges: tuple[Counter, ...], now: int = NOW) -> list[int]:
    """Return what the counters have counted."""
    return [store.attempts(each, now).count for each in charges]


def test_mail_is_counted_once_however_often_it_is_delivered(store: Store) -> None:
    """A second delivery finds the mark and may send the mail, even later and with other counters."""
    mail, charges, others = posted(store), counters(), counters()
    assert store.charge_mail(mail, "ada@example.com", charges, NOW)
    assert store.charge_mail(mail, "ada@example.com", charges, NOW + 1)
    assert store.charge_mail(mail, "ada@example.com", others, NOW + 2)
    assert (counts(store, charges), counts(store, others)) == ([1, 1], [0, 0])
    assert store.find_mail(mail.mail_id, NOW) == replace(mail, charged_at=NOW, charged_to="ada@example.com")


def test_mail_is_counted_on_all_counters_or_on_none(store: Store) -> None:
    """One full counter refuses the mail, and the others stay as they are."""
    full, free = charges = counters()
    for _ in range(2):
        store.reserve_attempt(full, NOW)
    mail = posted(store)
    assert not store.charge_mail(mail, mail.to, charges, NOW)
    assert not store.charge_mail(mail, mail.to, (free, full), NOW)
    assert (counts(store, charges), store.find_mail(mail.mail_id, NOW)) == ([2, 0], mail)
    assert store.charge_mail(mail, mail.to, charges, NOW + 30)


def test_mail_that_does_not_wait_is_not_counted(store: Store) -> None:
    """It was sent before, and no item is made of it."""
    mail, charges = posted(store), counters()
    store.remove_mail(mail.mail_id)
    assert not store.charge_mail(mail, mail.to, charges, NOW)
    assert (counts(store, charges), store.find_mail(mail.mail_id, NOW)) == ([0, 0], None)


def test_returned_mail_gives_back_once_and_in_the_window_that_counted_it(store: Store) -> None:
    """The mail is gone with it. A later window keeps what it has."""
    mail, charges, later = posted(store), counters(), NOW + RULE.window
    assert store.charge_mail(mail, mail.to, charges, NOW)
    store.reserve_attempt(charges[0], later)
    held = store.find_mail(mail.mail_id, NOW)
    assert held is not None
    assert [store.return_mail(held, charges) for _ in range(2)] == [True, False]
    assert (counts(store, charges), counts(store, charges, later)) == ([0, 0], [1, 0])
    assert store.find_mail(mail.mail_id, NOW) is None


def test_returned_mail_brings_no_counter_below_zero(store: Store) -> None:
    """A counter that was cleared meanwhile stays at 0, the others are given back, and the mail is gone."""
    mail, charges = posted(store), counters(3)
    assert store.charge_mail(mail, mail.to, charges, NOW)
    held = store.find_mail(mail.mail_id, NOW)
    assert held is not None
    store.give_back(charges[1], NOW)
    assert store.return_mail(held, charges)
    assert (counts(store, charges), store.find_mail(mail.mail_id, NOW)) == ([0, 0, 0], None)
