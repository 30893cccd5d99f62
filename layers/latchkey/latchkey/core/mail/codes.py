"""The codes in mails: their purposes, how long they live, and how to look one up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import checksum_holds, fingerprint
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, MailKind, OneTimeCode

CODE_PREFIX = "lkc_"
CONFIRM_PATH = "/v1/user/confirm/"
DRAFT_LIFE = 86_400
"""Seconds in which a registration can be confirmed."""

_DRAFT_AND_SECRET = re.compile(r"(drf_[a-z2-7]{26})\.([a-z2-7]{59})")


@dataclass(frozen=True, slots=True)
class CodeRule:
    """The rule of one kind of code: its purpose, its life in seconds, and the path of its link below the base."""

    purpose: CodePurpose
    life: int
    path: str


CODES: Mapping[MailKind, CodeRule] = MappingProxyType(
    {
        MailKind.CONFIRM_ADDRESS: CodeRule(CodePurpose.CONFIRM, DRAFT_LIFE, CONFIRM_PATH),
        # A code behind a "#" reaches no server and no log. The page or app that opens the link reads it.
        MailKind.RESET: CodeRule(CodePurpose.RESET, 1_800, "/v1/user/password/reset#"),
        MailKind.EMAIL_CHANGED: CodeRule(CodePurpose.UNDO_EMAIL, 259_200, "/v1/user/email/undo#"),
    }
)


def draft_code(draft_id: str, secret: str) -> str:
    """Return the code in the link of a mail that confirms a draft."""
    return f"{CODE_PREFIX}{draft_id}.{secret}"


def draft_and_secret(text: str) -> tuple[str, str]:
    """Return the two parts of a flow, or of the code in a link. Raises `CODE_USED_OR_EXPIRED` for any other text."""
    parts = _DRAFT_AND_SECRET.fullmatch(text.removeprefix(CODE_PREFIX))
    if parts is None or not checksum_holds(parts[2]):
        raise spent("not the code of a draft")
    return parts[1], parts[2]


def live_code(store: CodeStore, text: str, purpose: CodePurpose, now: int) -> OneTimeCode:
    """Return the record of a code that a user presents. Raises `CODE_USED_OR_EXPIRED`."""
    code = store.find_code(fingerprint(text), purpose, now)
    if code is None:
        raise spent("no such code")
    return code


def spent(private: str) -> ServiceError:
    """Return the error of a code that no longer opens anything."""
    return ServiceError(Errors.CODE_USED_OR_EXPIRED, private)
