"""The codes in mails: their purposes, how long they live, and how to look one up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import fingerprint
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, MailKind, OneTimeCode

CODE_PREFIX = "lkc_"


@dataclass(frozen=True, slots=True)
class CodeRule:
    """The rule of one kind of code: its purpose, its life in seconds, and the path of its link below the base."""

    purpose: CodePurpose
    life: int
    path: str


CODES: Mapping[MailKind, CodeRule] = MappingProxyType(
    {
        MailKind.CONFIRM: CodeRule(CodePurpose.CONFIRM, 86_400, "/v1/user/confirm/"),
        # A code behind a "#" reaches no server and no log. The page or app that opens the link reads it.
        MailKind.RESET: CodeRule(CodePurpose.RESET, 1_800, "/v1/user/password/reset#"),
        MailKind.EMAIL_CHANGED: CodeRule(CodePurpose.UNDO_EMAIL, 259_200, "/v1/user/email/undo#"),
    }
)


def live_code(store: CodeStore, text: str, purpose: CodePurpose, now: int) -> OneTimeCode:
    """Return the record of a code that a user presents. Raises `CODE_USED_OR_EXPIRED`."""
    code = store.find_code(fingerprint(text), purpose, now)
    if code is None:
        raise spent("no such code")
    return code


def spent(private: str) -> ServiceError:
    """Return the error of a code that no longer opens anything."""
    return ServiceError(Errors.CODE_USED_OR_EXPIRED, private)
