"""Sessions: refresh, end.

A refresh token names its session and the generation it was made at; nothing of it is stored. What a token of generation
`n` gets, when the session stands at `g`:

    n == g                        the next generation, by one conditional write
    n == g - 1, within 10 s       the present generation again: a parallel or repeated request; no write
    n == g - 1, later             the present generation once more: the phone never got the answer; remembered
    … generation after generation the session ends: a thief walks in step with the owner
    n <  g - 1                    the session ends: reuse (RFC 9700 section 4.14.2)

So parallel refreshes agree, a lost answer logs nobody out, and a stolen token is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from latchkey.adapters.store import Store
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.issuing import Issuer, TokenAnswer, granted_scope
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import FIRST_PARTY_CLIENT, MailKind, Session, Status, UserStatus
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import Roles, below_operators
from latchkey.signing.jws import InvalidToken
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import RefreshToken, verify_refresh

RETRY_WINDOW = 10
"""Seconds after a rotation in which the token before it is a repeated request and nothing else."""

_MARKING_TRIES = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a session speaks for at this moment: the epoch its sessions must not be older than, and its roles."""

    epoch: int
    roles: tuple[str, ...]


class Repeat(Enum):
    """What a refresh token of a past generation is taken for."""

    SAME = "a parallel or repeated request, or a late one already remembered"
    LATE = "a late request, to be remembered"
    REUSE = "somebody else has been refreshing"


def late_streak(generation: int, session: Session) -> int:
    """Return how many generations in a row have come back late, this one with them."""
    return session.streak + 1 if session.late == generation - 1 else 1


def judge_repeat(generation: int, session: Session, *, retry_limit: int, now: int) -> Repeat:
    """Judge a token of a past generation. A `retry_limit` of 0 is OAuth 2.1's letter: no token works twice."""
    if retry_limit == 0 or generation < session.generation - 1:
        return Repeat.REUSE
    if session.late == generation or now - session.rotated_at <= RETRY_WINDOW:
        return Repeat.SAME
    return Repeat.REUSE if late_streak(generation, session) > retry_limit else Repeat.LATE


@dataclass(frozen=True, slots=True)
class Sessions:
    """Renews and ends sessions."""

    store: Store
    clients: ClientDirectory
    policies: PolicySource
    issuer: Issuer
    roles: Roles
    journal: Journal
    outbox: Outbox | None = None

    def refresh(self, text: str, *, now: int, client_id: str = "", scope: str | None = None) -> TokenAnswer:
        """Exchange a refresh token for the session's next tokens (RFC 6749 section 6).

        `client_id` is the authenticated client, or the public one that the request names; without one, the session must
        be the first-party app's, or a service's own. `scope` may narrow the new access token and never widens it.
        Raises `INVALID_GRANT` or `INVALID_SCOPE`. One read and one write; further reads where `scope` is asked for, a
        service refreshes, or a partner opened the session.
        """
        policy = self.policies.policy()
        try:
            token = verify_refresh(text, policy.refresh_keys)
        except InvalidToken as error:
            raise ServiceError(Errors.INVALID_GRANT, f"refresh token: {error}") from None
        granted = self._narrowed(token, scope, now)
        holder = self._holder(token, now)
        session = self._advance(token, client_id or _own_client(token), holder, policy, now)
        roles = self._within_partner(session, holder.roles)
        return self.issuer.for_session(session, roles, policy, scope=granted or session.scope, now=now)

    def end(self, sub: str, sid: str, *, reason: str) -> bool:
        """End one session of this subject; say whether it was there to end."""
        ended = self.store.end_session(sub, sid)
        if ended:
            self.journal.record(Event("session_ended", sub=sub, sid=sid, reason=reason))
        return ended

    def end_all(self, sub: str, *, reason: str, keep: str = "", actor: str = "") -> int:
        """End every session of this subject but the one named `keep`; return how many there were.

        `actor` is the operator who ends them, where one does.
        """
        ended = self.store.end_sessions(sub, keep=keep)
        self.journal.record(Event("sessions_ended", sub=sub, reason=reason, actor=actor))
        return ended

    def _narrowed(self, token: RefreshToken, scope: str | None, now: int) -> str:
        """Return the narrower scope that was asked for, in the session's order; RFC 6749 section 6."""
        if scope is None:
            return ""
        session = self.store.find_session(token.sub, token.sid, now)
        if session is None:
            raise ServiceError(Errors.INVALID_GRANT, "no such session")
        return granted_scope(scope, session.scope.split(" "))

    def _holder(self, token: RefreshToken, now: int) -> Holder:
        """Return who the session speaks for, or end it when nobody may hold it any more."""
        if token.sub.startswith("cli_"):
            holder = self._service(token, now)
        else:
            user = self.store.find_user(token.sub)
            active = user is not None and user.status is UserStatus.ACTIVE
            holder = Holder(user.epoch, user.roles) if user and active else None
        if holder is None:
            self.end(token.sub, token.sid, reason="holder_not_active")
            raise ServiceError(Errors.INVALID_GRANT, "the account is gone or not active")
        return Holder(holder.epoch, self.roles.effective_roles(holder.roles))

    def _within_partner(self, session: Session, roles: tuple[str, ...]) -> tuple[str, ...]:
        """Return the roles that a session may carry; end it when the partner who opened it may do so no more."""
        if not session.partner_id:
            return roles
        if not self._is_upheld(session):
            self.end(session.sub, session.sid, reason="partner_not_active")
            raise ServiceError(Errors.INVALID_GRANT, "the partner is gone, was disabled, or is parted from the account")
        return below_operators(self.roles, roles)

    def _is_upheld(self, session: Session) -> bool:
        """Say whether the partner who opened a session still stands by it, and the account by the partner."""
        partner = self.store.find_partner(session.partner_id)
        if partner is None or partner.status is not Status.ACTIVE or session.created_at <= partner.closed_until:
            return False
        # A session that began at the moment of parting was not there to be ended with the others.
        return self.store.find_link(session.sub, session.partner_id) is not None

    def _service(self, token: RefreshToken, now: int) -> Holder | None:
        session = self.store.find_session(token.sub, token.sid, now)
        roles = self.clients.service_roles(session.api_key_id, now=now) if session else None
        return None if roles is None else Holder(0, roles)

    def _advance(self, token: RefreshToken, client_id: str, holder: Holder, policy: SigningPolicy, now: int) -> Session:
        """Return the session at the generation that this token earns."""
        rotation = self.store.rotate(
            token.sub,
            token.sid,
            token.generation,
            client_id=client_id,
            epoch=holder.epoch,
            now=now,
            expires_at=now + policy.refresh_idle_ttl,
        )
        session = rotation.session
        if session is None:
            raise ServiceError(Errors.INVALID_GRANT, "no such session")
        if rotation.advanced:
            return session
        if session.client_id != client_id:
            raise ServiceError(Errors.INVALID_GRANT, "the session is another client's")
        if session.epoch < holder.epoch:
            self.end(token.sub, token.sid, reason="epoch")
            raise ServiceError(Errors.INVALID_GRANT, "the session is older than the credential")
        if token.generation >= session.generation:
            raise ServiceError(Errors.INVALID_GRANT, "the token is ahead of the store, as after a restored backup")
        return self._repeat(token, session, policy.refresh_retry_limit, now)

    def _repeat(self, token: RefreshToken, session: Session, retry_limit: int, now: int) -> Session:
        """Answer a token whose generation has passed, or end the session."""
        for _ in range(_MARKING_TRIES):
            verdict = judge_repeat(token.generation, session, retry_limit=retry_limit, now=now)
            if verdict is Repeat.REUSE:
                raise self._reuse(token, session, now)
            if verdict is Repeat.SAME:
                return session
            if self.store.mark_late(session, late=token.generation, streak=late_streak(token.generation, session)):
                return session
            current = self.store.find_session(token.sub, token.sid, now)
            if current is None:
                raise ServiceError(Errors.INVALID_GRANT, "the session ended meanwhile")
            session = current
        raise ServiceError(Errors.UNAVAILABLE, "the session never stood still", retry_after=1)

    def _reuse(self, token: RefreshToken, session: Session, now: int) -> ServiceError:
        """End the session, report the reuse and tell the owner once, however many requests saw it."""
        behind = session.generation - token.generation
        if self.store.end_session(token.sub, token.sid):
            self.journal.record(
                Event("refresh_reuse", token.sub, token.sid, session.client_id, f"{behind} generations behind")
            )
            if self.outbox and token.sub.startswith("usr_"):
                self.outbox.post(MailKind.REFRESH_REUSE, sub=token.sub, now=now)
        return ServiceError(Errors.INVALID_GRANT, "refresh token reuse")


def _own_client(token: RefreshToken) -> str:
    return token.sub if token.sub.startswith("cli_") else FIRST_PARTY_CLIENT
