"""The records of an import, as people have them."""

from __future__ import annotations

from typing import Any

import pytest

from functions.transfer.app import _batch
from latchkey.core.model import UserStatus
from latchkey.core.users.transfer import ImportRecord

BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


def read(user: dict[str, Any]) -> ImportRecord:
    """Return the one record of a batch."""
    batch = _batch((user,), 1000)
    assert batch.refused == ()
    return batch.records[0]


def fault(user: dict[str, Any]) -> tuple[str, str]:
    """Return the member and the code for which a record is rejected."""
    [refusal] = _batch((user,), 1000).refused
    return refusal.error.fields[0].field, refusal.error.fields[0].code


LOGINS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "address": ({"email": "kc@example.com"}, ("kc@example.com", "")),
    "user name": ({"username": "kc1"}, ("kc1", "")),
    "login": ({"login": "KC1"}, ("kc1", "")),
    "both": ({"username": "kc1", "email": "KC@example.com"}, ("kc@example.com", "kc1")),
    "both, as an export has them": ({"login": "kc@example.com", "username": "kc1"}, ("kc@example.com", "kc1")),
    "the same twice": ({"username": "kc@example.com", "email": "KC@Example.com "}, ("kc@example.com", "")),
    "two addresses": (
        {"username": "old@example.com", "email": "kc@example.com"},
        ("kc@example.com", "old@example.com"),
    ),
    "three spellings of two": ({"login": "KC1", "username": "kc1", "email": "a@b.example"}, ("a@b.example", "kc1")),
    "null": ({"username": "kc1", "email": None, "login": None}, ("kc1", "")),
    "empty": ({"username": "kc1", "email": "", "login": "  "}, ("kc1", "")),
    **{
        f"white space, {blank!a}": ({"email": f"{blank}kc@example.com{blank}"}, ("kc@example.com", ""))
        for blank in (" ", "\t", "\r\n", "\u00a0", "\u200b", "\ufeff", "\u3000", " \u200b \ufeff\t")
    },
}


@pytest.mark.parametrize(("user", "logins"), LOGINS.values(), ids=LOGINS)
def test_record_has_one_login_or_two(user: dict[str, Any], logins: tuple[str, str]) -> None:
    """Mail goes to the first; white space around a login, spellings and empty members make no difference."""
    record = read(user)
    assert (record.login, record.username) == logins


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ({}, ("login", "required")),
        ({"email": None}, ("login", "required")),
        ({"email": "\u200b"}, ("login", "required")),
        ({"login": "a@b.example", "username": "kc1", "email": "c@b.example"}, ("login", "ambiguous")),
        ({"login": "capa", "username": "\u0441\u0430\u0440\u0430"}, ("login", "ambiguous")),
        ({"email": "kc 1@example.com"}, ("email", "invalid_login")),
        ({"email": "kc@example.com", "username": "no name!"}, ("username", "invalid_login")),
        ({"email": "kc@example.com", "username": 7}, ("username", "not_a_text")),
        ({"login": "kc\x00"}, ("login", "bad_characters")),
        ({"login": "x" * 321}, ("login", "too_long")),
        ({"login": "kc1", "created_at": -1}, ("created_at", "bad_value")),
        ({"login": "kc1", "verified_at": -1}, ("verified_at", "bad_value")),
        ({"login": "kc1", "verified_at": True}, ("verified_at", "not_a_number")),
        ({"login": "kc1", "status": "deleting"}, ("status", "bad_value")),
        ({"login": "kc1", "more": 1}, ("more", "unknown_member")),
        ({"login": "kc1", "password_hash": 7}, ("password_hash", "malformed_hash")),
        ({"login": "kc1", "password_hash": "plain"}, ("password_hash", "unknown_hash")),
        ({"login": "kc1", "password_hash": BCRYPT.replace("$05", "$14")}, ("password_hash", "hash_too_costly")),
    ],
)
def test_record_that_cannot_be_read_names_its_member(user: dict[str, Any], named: tuple[str, str]) -> None:
    """The rejection has the member and a code."""
    assert fault(user) == named


@pytest.mark.parametrize("stand_in", [None, "", "!", "*", {"passwordHash": "", "salt": ""}])
def test_stand_in_for_a_hash_is_no_password(stand_in: object) -> None:
    """What systems write for users without a password brings an account without one."""
    assert read({"login": "kc1", "password_hash": stand_in}).password_hash is None


def test_null_is_absence() -> None:
    """A record whose optional members are all null is one without them."""
    texts = ("password_hash", "id", "name", "locale", "source", "roles", "status")
    optional = (*texts, "created_at", "verified_at", "email_verified")
    assert read({"login": "kc1"} | dict.fromkeys(optional)) == read({"login": "kc1"}) == ImportRecord("kc1")


@pytest.mark.parametrize(
    ("user", "status", "verified_at"),
    [
        ({}, UserStatus.ACTIVE, 0),
        ({"verified_at": 17}, UserStatus.ACTIVE, 17),
        ({"status": "disabled", "verified_at": 17}, UserStatus.DISABLED, 17),
        ({"email_verified": True}, UserStatus.ACTIVE, 1000),
        ({"email_verified": True, "verified_at": 17}, UserStatus.ACTIVE, 17),
        ({"email_verified": False}, UserStatus.ACTIVE, 0),
        ({"status": "pending"}, UserStatus.ACTIVE, 0),
        ({"status": "pending", "email_verified": True}, UserStatus.ACTIVE, 0),
        ({"status": "pending", "verified_at": 17}, UserStatus.ACTIVE, 0),
    ],
)
def test_pending_account_is_an_active_one_without_a_confirmed_address(
    user: dict[str, Any], status: UserStatus, verified_at: int
) -> None:
    """There are no pending accounts here: such a user signs in, and the address counts as unconfirmed."""
    record = read({"email": "kc@example.com"} | user)
    assert (record.status, record.verified_at) == (status, verified_at)
