"""The digits and the link of a mail: the same for each delivery, unknown to a reader of the table."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import checksum_holds
from latchkey.core.mail.mailed_secrets import (
    StoredDigits,
    key_id_of,
    key_in_force,
    mailed_digits,
    mailed_link_secret,
    require_digits,
    stored_digits,
)
from latchkey.signing.sealing import SealKeys, first_seal_keys, reset_seal_keys, rotate_seal_keys

NOW = 1_800_000_000
_COUNTER = itertools.count(1)


def entropy(size: int) -> bytes:
    """Return bytes that never come twice."""
    return next(_COUNTER).to_bytes(size, "big")


KEYS = first_seal_keys(NOW, entropy)
KEY = KEYS.newest


class Held:
    """A source of seal keys; `newer` are those that its store has."""

    def __init__(self, keys: SealKeys, newer: SealKeys | None = None) -> None:
        self._keys = keys
        self._newer = newer

    def seal_keys(self) -> SealKeys:
        """Return the keys at hand."""
        return self._keys

    def reread_seal_keys(self) -> SealKeys:
        """Return the keys of the store."""
        return self._newer or self._keys


def refused(stored: StoredDigits, subject: str, digits: str, source: Held) -> bool:
    """Say whether the digits are refused as every other bad code is."""
    try:
        require_digits(stored, subject, digits, source)
    except ServiceError as error:
        return error.error is Errors.CODE_USED_OR_EXPIRED
    return False


@given(mail_id=st.text(max_size=40))
def test_mail_delivered_twice_shows_the_same_digits_and_link(mail_id: str) -> None:
    """Six digits, with leading zeros, and a secret with its checksum."""
    digits, secret = mailed_digits(KEY, mail_id), mailed_link_secret(KEY, mail_id)
    assert (digits, secret) == (mailed_digits(KEY, mail_id), mailed_link_secret(KEY, mail_id))
    assert (len(digits), digits.isascii(), digits.isdigit()) == (6, True, True)
    assert checksum_holds(secret)


def test_digits_are_spread_evenly() -> None:
    """Ten thousand mails have an average in the middle, and use every first digit about equally often."""
    drawn = [mailed_digits(KEY, f"mail_{number}") for number in range(10_000)]
    assert 485_000 < statistics.fmean(map(int, drawn)) < 515_000
    assert all(850 < sum(digits[0] == first for digits in drawn) < 1150 for first in "0123456789")


def test_digits_depend_on_mail_and_key() -> None:
    """Two mails, or two keys, have nothing to do with each other; nor have digits, link and stored MAC of one mail."""
    other = rotate_seal_keys(KEYS, NOW, entropy, keep=100).newest
    derived = {
        *(mailed_digits(key, mail) for key in (KEY, other) for mail in ("mail_a", "mail_b")),
        *(mailed_link_secret(key, mail) for key in (KEY, other) for mail in ("mail_a", "mail_b")),
    }
    assert len(derived) == 8
    assert KEY.derive("mailed digits", "mail_a") != KEY.derive("mailed link", "mail_a")
    assert KEY.derive("ab", "c") != KEY.derive("a", "bc")


def test_right_digits_are_accepted_for_their_own_subject() -> None:
    """The MAC is worth nothing with another draft, and wrong, short or long digits are refused."""
    stored = stored_digits(KEY, "drf_a", "012345")
    assert not refused(stored, "drf_a", "012345", Held(KEYS))
    assert refused(stored, "drf_b", "012345", Held(KEYS))
    assert all(refused(stored, "drf_a", bad, Held(KEYS)) for bad in ("012346", "12345", "0123450", "", "٠١٢٣٤٥"))


def test_stored_digits_hold_neither_digits_nor_a_plain_hash() -> None:
    """The MAC is 256 bits under the seal key, so a reader of the table cannot try a million digits."""
    stored = stored_digits(KEY, "drf_a", "012345")
    assert len(bytes.fromhex(stored.mac)) == 32
    assert "012345" not in f"{stored}"
    assert stored.key_id == key_id_of(KEY)


def test_digits_outlive_a_rotation_and_end_with_a_reset() -> None:
    """A rotation is routine. A reset follows a leak: a thief of the old keys could compute the digits of each mail."""
    stored = stored_digits(KEY, "drf_a", "012345")
    assert not refused(stored, "drf_a", "012345", Held(rotate_seal_keys(KEYS, NOW, entropy, keep=100)))
    assert refused(stored, "drf_a", "012345", Held(reset_seal_keys(KEYS, NOW, entropy)))


def test_digits_of_a_newer_key_make_the_keys_be_read_again() -> None:
    """The mailer may have read newer keys than the function that checks the digits."""
    newer = rotate_seal_keys(KEYS, NOW, entropy, keep=100)
    stored = stored_digits(newer.newest, "drf_a", "012345")
    assert not refused(stored, "drf_a", "012345", Held(KEYS, newer))
    assert refused(stored, "drf_a", "012345", Held(KEYS))
    assert key_in_force(Held(KEYS), stored.key_id) is None


@pytest.mark.parametrize("key_id", ["", "AAAA"])
def test_unknown_key_is_no_key(key_id: str) -> None:
    """An id that no key has is refused, and nothing raises."""
    assert key_in_force(Held(KEYS), key_id) is None
