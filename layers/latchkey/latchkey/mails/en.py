"""The mails in English."""

from __future__ import annotations

from latchkey.mails import Words

CLOSING = "{{ service }}"

WORDS = {
    "confirm": Words(
        "Confirm your e-mail address",
        ("Someone opened an account at {{ service }} with this address. If it was you, confirm it within a day:",),
        ("If it was not you, do nothing: without this the account stays closed.",),
    ),
    "already_registered": Words(
        "You already have an account",
        (
            "Someone, perhaps you, tried to open an account at {{ service }} with this address. You already have one.",
            "Sign in as before. If you do not know the password, ask the app for a new one.",
        ),
        ("If it was not you, do nothing: nothing has changed.",),
    ),
    "reset": Words(
        "Set a new password",
        ("Someone asked for a new password for your account at {{ service }}. Set it with this within half an hour:",),
        ("If it was not you, do nothing: your password stays as it is. Do not share this code with anyone.",),
    ),
    "change_email": Words(
        "Confirm your new e-mail address",
        ("Someone entered this address for an account at {{ service }}. If it was you, confirm it within an hour:",),
        ("If it was not you, do nothing.",),
    ),
    "password_changed": Words(
        "Your password was changed",
        (
            "The password of your account at {{ service }} was changed, and other devices were signed out.",
            "If it was not you, set a new password at once.",
        ),
    ),
    "email_changed": Words(
        "Your e-mail address was changed",
        (
            "Your account at {{ service }} now has another e-mail address: {{ email }}",
            "If it was not you, write to the people behind {{ service }} at once.",
        ),
    ),
    "identity_linked": Words(
        "A new way to sign in",
        (
            "From now on, {{ partner }} can sign you in to your account at {{ service }}.",
            "If it was not you, set a new password at once with a code from a mail: ask the app for one.",
            "This also stops every sign-in through a linked service until you confirm it again.",
        ),
    ),
    "identity_unlinked": Words(
        "A way to sign in was removed",
        (
            "From now on, {{ partner }} cannot sign you in to your account at {{ service }}.",
            "If it was not you, set a new password at once with a code from a mail: ask the app for one.",
        ),
    ),
    "refresh_reuse": Words(
        "A device was signed out",
        (
            "Someone used an old key of one of your devices at {{ service }}, so that device was signed out.",
            "The cause may be a fault of the device. If you did not expect this, set a new password.",
        ),
    ),
    "account_deleted": Words(
        "Your account was deleted",
        ("Your account at {{ service }} was deleted, as requested.",),
    ),
}
