"""Confirmations of an e-mail address: they make a draft into an account, or note that the owner reads the mail.

Following a stranger's mail opens nothing. A draft needs either the flow that the registering device keeps, with the
digits from the mail, or the link from the mail, with the password of this very draft. So no one wakes an account whose
password someone else has set (Sudhodanan and Paverd, "Pre-hijacked accounts", USENIX Security 2022).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from latchkey.core.credentials.passwords import Argon2Cost, WrongPassword, verify_password
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, fingerprint, new_id
from latchkey.core.mail.codes import draft_and_secret, live_code, spent
from latchkey.core.mail.mailed_secrets import StoredDigits, key_id_of, key_in_force, proof_mac, require_digits
from latchkey.core.mail.store import CodeStore, Door, DraftStore
from latchkey.core.model import CodePurpose, Credential, Draft, UsedDraft, User, UserStatus
from latchkey.core.policy import SealSource
from latchkey.core.throttle import ThrottleStore, confirmations_from, reserve_all
from latchkey.core.users.store import UserStore

REPEATABLE = 600
"""Seconds in which the same proof gets the same answer again: the first answer may have been lost."""


@dataclass(frozen=True, slots=True)
class DraftConfirmations:
    """Makes accounts of drafts. Every refusal is `CODE_USED_OR_EXPIRED`, and never says how many tries are left."""

    users: UserStore
    drafts: DraftStore
    seals: SealSource
    attempts: ThrottleStore
    journal: Journal
    entropy: Entropy
    cost: Argon2Cost

    def require_open(self, code: str, *, now: int) -> None:
        """Refuse the code of a link unless it opens a draft that is not used yet; change nothing."""
        draft_id, secret = draft_and_secret(code)
        draft = self.drafts.find_draft(draft_id, now)
        if not isinstance(draft, Draft) or not hmac.compare_digest(draft.link_hash, fingerprint(secret)):
            raise spent("no such draft")

    def on_device(self, flow: str, digits: str, *, now: int) -> None:
        """Confirm a draft on the device that registered, with the digits from the mail."""
        draft_id, secret = draft_and_secret(flow)
        found = self.drafts.try_draft(draft_id, Door.FLOW, fingerprint(secret), now)
        if isinstance(found, Draft):
            require_digits(StoredDigits(found.key_id, found.digits_mac), draft_id, digits, self.seals)
            self._open(found, secret, digits, now)
        else:
            self._require_repeat(found, secret, digits, now)

    def by_link(self, code: str, password: str, *, address: str, now: int) -> None:
        """Confirm a draft with the code of the link, and the password of this draft.

        Raises `RATE_LIMITED` before anything is hashed.
        """
        draft_id, secret = draft_and_secret(code)
        reserve_all(self.attempts, confirmations_from(address), now)
        found = self.drafts.try_draft(draft_id, Door.LINK, fingerprint(secret), now)
        if isinstance(found, Draft):
            if key_in_force(self.seals, found.key_id) is None:
                raise spent("the seal key of the link is gone")
            _require_password(password, found.password_hash, self.cost)
            self._open(found, secret, password, now)
        else:
            self._require_repeat(found, secret, password, now)

    def _open(self, draft: Draft, secret: str, proof: str, now: int) -> None:
        """Make the account, unless the draft is used or its login is taken by now."""
        user = _account_of(draft, new_id("usr_", self.entropy), now)
        credential = Credential(user.login, user.sub, draft.password_hash, user.epoch)
        key = self.seals.seal_keys().newest
        used = UsedDraft(draft.draft_id, now, proof_mac(key, draft.draft_id, secret, proof), key_id_of(key))
        if self.users.confirm_draft(user, credential, used):
            self.journal.record(Event("user_registered", sub=user.sub))
            self.journal.record(Event("user_confirmed", sub=user.sub))
        else:  # another request was first: perhaps a parallel one with the same proof
            self._require_repeat(self.drafts.find_draft(draft.draft_id, now), secret, proof, now)

    def _require_repeat(self, found: Draft | UsedDraft | None, secret: str, proof: str, now: int) -> None:
        if not isinstance(found, UsedDraft) or now - found.used_at >= REPEATABLE:
            raise spent("no draft that this opens")
        key = key_in_force(self.seals, found.proof_key_id)
        if key is None or not hmac.compare_digest(proof_mac(key, found.draft_id, secret, proof), found.proof_mac):
            raise spent("used with another proof")


@dataclass(frozen=True, slots=True)
class AddressConfirmations:
    """Notes that the owner of an account reads the mail of its login, where that was never confirmed."""

    users: UserStore
    credentials: CredentialStore
    codes: CodeStore
    attempts: ThrottleStore
    journal: Journal
    cost: Argon2Cost

    def require_open(self, text: str, *, now: int) -> None:
        """Refuse a code that confirms nothing, and change nothing. Raises `CODE_USED_OR_EXPIRED`."""
        live_code(self.codes, text, CodePurpose.CONFIRM, now)

    def by_link(self, text: str, password: str, *, address: str, now: int) -> None:
        """Confirm the address with the code of the link, and the password of the account. Repeating it is harmless.

        The password shows that the account is the reader's own: in `open` mode a stranger can register any address.
        Raises `CODE_USED_OR_EXPIRED`, and `RATE_LIMITED` before anything is hashed.
        """
        reserve_all(self.attempts, confirmations_from(address), now)
        code = self.codes.try_code(fingerprint(text), CodePurpose.CONFIRM, now)
        credential = self.credentials.find_credential(code.data["login"]) if code else None
        if code is None or credential is None or credential.sub != code.sub:
            raise spent("no code, or the account has another login")
        _require_password(password, credential.password_hash, self.cost)
        if not self.users.verify_login(code.sub, credential.login, now):
            raise spent("the account is not active, or has another login")
        self.journal.record(Event("user_confirmed", sub=code.sub))


def _require_password(password: str, password_hash: str, cost: Argon2Cost) -> None:
    try:
        verify_password(password, password_hash, cost)
    except WrongPassword:
        raise spent("wrong password") from None


def _account_of(draft: Draft, sub: str, now: int) -> User:
    return User(
        sub=sub,
        login=draft.login,
        status=UserStatus.ACTIVE,
        roles=("user",),
        epoch=0,
        created_at=now,
        name=draft.name,
        locale=draft.locale,
        source=draft.source,
        verified_at=now,
        can_sign_in=True,
    )
