"""The mails in English."""

from __future__ import annotations

from latchkey.mails import Words

CLOSING = "{{ service }}"

WORDS = {
    "confirm": Words(
        "Confirm your e-mail address",
        (
            "Someone wants to open an account at {{ service }} with this address.",
            "If it was you, enter this code in the app within ten minutes:",
        ),
        ("If it was not you, do nothing: without this there is no account. Do not share this code with anyone.",),
        between=("Or open this link within a day, and enter the password that you chose:",),
    ),
    "confirm_address": Words(
        "Confirm your e-mail address",
        (
            "Someone asked to confirm this address for an account at {{ service }}.",
            "If it was you, enter this code in the app within a day, with the password of the account:",
        ),
        ("If it was not you, do nothing. Do not share this code with anyone.",),
        between=("Or open this link, and enter the password there:",),
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
        (
            "Someone asked for a new password for your account at {{ service }}.",
            "If it was you, enter this code in the app within half an hour, and choose a new password:",
        ),
        ("If it was not you, do nothing: your password stays as it is. Do not share this code with anyone.",),
        between=("Or open this link, and choose the new password there:",),
    ),
    "change_email": Words(
        "Confirm your new e-mail address",
        ("Someone entered this address for an account at {{ service }}. If it was you, enter this code in the app:",),
        ("The code works for 10 minutes. If it was not you, do nothing, and do not share the code with anyone.",),
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
            "If it was not you, undo the change within 3 days. All devices are then signed out.",
            "You then get another mail, to set a new password. To undo the change, enter this code in the app:",
        ),
        ("If it was you, do nothing. Do not share this code with anyone.",),
        between=("Or open this link:",),
    ),
    "email_change_undone": Words(
        "A change of your e-mail address was undone",
        (
            "Your account at {{ service }} has its former e-mail address again, and no longer this one.",
            "Someone used the link that we had sent to the former address. All devices were signed out.",
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
