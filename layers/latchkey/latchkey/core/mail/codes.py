"""The codes in mails: what each is for, how long it lives, and how a flow finds one."""

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
    """What a code in a mail is for, the seconds it lives, and where its link leads, behind the stack's own base."""

    purpose: CodePurpose
    life: int
    path: str


CODES: Mapping[MailKind, CodeRule] = MappingProxyType(
    {
        MailKind.CONFIRM: CodeRule(CodePurpose.CONFIRM, 86_400, "/v1/user/confirm/"),
        # Behind a "#", a code reaches no server and no log: the page or the app that opens the link reads it there.
        MailKind.RESET: CodeRule(CodePurpose.RESET, 1_800, "/v1/user/password/reset#"),
        MailKind.CHANGE_EMAIL: CodeRule(CodePurpose.CHANGE_EMAIL, 3_600, "/v1/user/email/confirm#"),
    }
)


def live_code(store: CodeStore, text: str, purpose: CodePurpose, now: int) -> OneTimeCode:
    """Return the code that somebody holds. Raises `CODE_USED_OR_EXPIRED`."""
    code = store.find_code(fingerprint(text), purpose, now)
    if code is None:
        raise spent("no such code")
    return code


def spent(private: str) -> ServiceError:
    """Return the error of a code that no longer opens anything."""
    return ServiceError(Errors.CODE_USED_OR_EXPIRED, private)
