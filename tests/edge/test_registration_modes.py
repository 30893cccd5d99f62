"""How people register, by the parameters of the stack."""

from __future__ import annotations

import pytest

from latchkey.edge.settings import BadSettings, Settings

STACK = {"LATCHKEY_TABLE": "t", "LATCHKEY_SIGNING_SECRET": "s", "LATCHKEY_AUDIENCE": "a"}


@pytest.mark.parametrize(
    ("registration", "mail_from", "expected"),
    [
        ("", "", "closed"),
        ("auto", "", "closed"),
        ("open", "", "open"),
        ("auto", "no-reply@example.com", "confirm"),
        ("open", "no-reply@example.com", "open"),
        ("confirm", "no-reply@example.com", "confirm"),
        ("closed", "no-reply@example.com", "closed"),
    ],
)
def test_registration_is_by_mail_where_mail_can_be_sent(registration: str, mail_from: str, expected: str) -> None:
    """By default a stack confirms addresses if it can send mail, and is closed to strangers if it cannot."""
    settings = Settings.load(STACK | {"LATCHKEY_REGISTRATION": registration, "LATCHKEY_MAIL_FROM": mail_from})
    assert (settings.registration, settings.confirms) == (expected, expected == "confirm")


def test_registration_by_mail_needs_a_sender() -> None:
    """Without mail, no address could be confirmed."""
    with pytest.raises(BadSettings, match="LATCHKEY_MAIL_FROM"):
        Settings.load(STACK | {"LATCHKEY_REGISTRATION": "confirm"})
