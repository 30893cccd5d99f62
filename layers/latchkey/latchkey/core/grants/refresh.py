"""Refresh: the next tokens of a session (RFC 6749 section 6).

A session's refresh tokens are a hash chain (`signing/refresh.py`). The session in the store says where the chain
stands, but it is not enough to make a token. What a token of generation `n` gets when the session stands at `g`:

    wrong family                 refused and reported: a key has leaked. The session goes on, or its thief could end it
    n > g, or a wrong link       refused: the table was restored from a backup
    n = g                        the next generation, by one conditional write
    n = g - 1                    the same successor: a retry. `repeats.py` says which retries are counted
    older, of this burst         503: a delayed duplicate of a request that was answered
    older than that              the session ends: reuse (RFC 9700 section 4.14.2)

So parallel refreshes get the same tokens, a lost response signs no one out, and a copied token is detected.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.issuing import Issuer, TokenAnswer, granted_scope
from latchkey.core.grants.repeats import (
    RULE,
    Bucket,
    Chain,
    Presented,
    Rule,
    Verdict,
    advanced,
    classify,
    counted,
    is_over,
)
from latchkey.core.grants.sessions import Sessions
from latchkey.core.grants.store import Advance, SessionStore
from latchkey.core.ids import Entropy
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import FIRST_PARTY_CLIENT, MailKind, Session, UserStatus, upholds
from latchkey.core.partners.store import LinkStore
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import Roles, below_operators
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, WrongMac, fingerprint, verify_refresh

_MARK = 32  # hex digits of a hash that distinguishes two keys, or two networks, of one session


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A request to refresh.

    `network` is the caller's address cut to /24 or /48. `idempotency_key` is empty where the request has none.
    `client_id` is the authenticated client, or the public one that the request names; without one, the session must be
    the first-party app's, or a service's own. `scope` may narrow the new access token and never widens it.
    """

    text: str
    network: str = ""
    idempotency_key: str = ""
    client_id: str = ""
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The subject of a session at this moment: its present epoch, its roles, and the last reset of its password."""

    epoch: int
    roles: tuple[str, ...]
    reset_at: int = 0


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """Renews sessions."""

    store: SessionStore
    links: LinkStore
    clients: ClientDirectory
    policies: PolicySource
    issuer: Issuer
    sessions: Sessions
    roles: Roles
    journal: Journal
    outbox: Outbox
    entropy: Entropy

    def __call__(self, asked: RefreshRequest, *, now: int) -> TokenAnswer:
        """Exchange a refresh token for the session's next tokens.

        Raises `INVALID_GRANT`, `INVALID_SCOPE`, or `UNAVAILABLE` for a delayed duplicate. One read and one write; a
        counted repeat takes one write more. A session of a service or of a partner's user takes one or two reads more.
        """
        policy, token = self._verified(asked.text, now)
        holder, read = self._holder(token, now)
        granted = "" if asked.scope is None else granted_scope(asked.scope, read.scope.split(" "))
        session, successor = self._advance(token, read, asked, holder, policy, now)
        roles = self._within_partner(session, holder)
        return self.issuer.for_session(session, successor, roles, policy, scope=granted or session.scope, now=now)

    def _verified(self, text: str, now: int) -> tuple[SigningPolicy, RefreshToken]:
        """Return the content of the token, and the policy whose keys prove it."""
        policy = self.policies.policy()
        try:
            try:
                return policy, verify_refresh(text, policy.refresh_keys, now)
            except WrongMac:  # another instance may have read a newer policy
                policy = self.policies.reread()
                return policy, verify_refresh(text, policy.refresh_keys, now)
        except InvalidToken as error:
            raise ServiceError(Errors.INVALID_GRANT, f"refresh token: {error}") from None

    def _holder(self, token: RefreshToken, now: int) -> tuple[Holder, Session]:
        """Return the subject of the session, or end the session if its account or API key is gone."""
        if token.sub.startswith("cli_"):
            session = self.store.find_session(token.sub, token.sid, now)
            roles = self.clients.service_roles(session.api_key_id, token.sub, now=now) if session else None
            holder = None if roles is None else Holder(0, roles)
        else:
            user, session = self.store.find_user_and_session(token.sub, token.sid, now)
            active = user is not None and user.status is UserStatus.ACTIVE
            holder = Holder(user.epoch, user.roles, user.reset_at) if user and active else None
        if session is None:
            raise ServiceError(Errors.INVALID_GRANT, "no such session")
        if fingerprint(token.family) != session.family_hash:
            raise self._forged(token, session)
        if holder is None:
            self.sessions.end(token.sub, token.sid, reason="holder_not_active")
            raise ServiceError(Errors.INVALID_GRANT, "the account is gone or not active")
        return replace(holder, roles=self.roles.effective_roles(holder.roles)), session

    def _within_partner(self, session: Session, holder: Holder) -> tuple[str, ...]:
        """Return the roles that a session may carry; end the session if its partner may no longer open one."""
        if not session.partner_id:
            return holder.roles
        partner, link = self.links.find_partner_and_link(session.sub, session.partner_id)
        if not upholds(partner, link, session, reset_at=holder.reset_at):
            self.sessions.end(session.sub, session.sid, reason="partner_not_active")
            raise ServiceError(Errors.INVALID_GRANT, "the partner or its link no longer opens the account")
        return below_operators(self.roles, holder.roles)

    def _advance(  # noqa: PLR0913, PLR0917 - as many as decide where the chain goes
        self,
        token: RefreshToken,
        read: Session,
        asked: RefreshRequest,
        holder: Holder,
        policy: SigningPolicy,
        now: int,
    ) -> tuple[Session, RefreshToken]:
        """Return the session at the generation that this token earns, and its token of that generation."""
        client_id = asked.client_id or _own_client(token)
        salt = self.entropy(LINK_BYTES)
        successor = token.successor(salt)
        presented, rule = _presented(token, asked, now), replace(RULE, limit=policy.refresh_retry_limit)
        chain = advanced(_chain(read), presented, rule)
        rotation = self.store.advance(
            Advance(
                sub=token.sub,
                sid=token.sid,
                generation=token.generation,
                family_hash=fingerprint(token.family),
                link_hash=fingerprint(token.link),
                next_link_hash=fingerprint(successor.link),
                salt=b64url_encode(salt),
                client_id=client_id,
                epoch=holder.epoch,
                now=now,
                expires_at=now + policy.refresh_idle_ttl,
                network_mark=presented.network,
                key_mark=presented.key,
                burst=chain.burst,
                burst_at=chain.burst_at,
            )
        )
        if rotation.session is None:
            raise ServiceError(Errors.INVALID_GRANT, "no such session")
        if rotation.advanced:
            return rotation.session, successor
        self._require_own(token, rotation.session, client_id, holder)
        return self._past(token, rotation.session, presented, rule)

    def _require_own(self, token: RefreshToken, session: Session, client_id: str, holder: Holder) -> None:
        """Reject a token whose session belongs to another client or family, or is older than the credential."""
        if session.client_id != client_id:
            raise ServiceError(Errors.INVALID_GRANT, "the session is another client's")
        if fingerprint(token.family) != session.family_hash:
            raise self._forged(token, session)
        if session.epoch < holder.epoch:
            self.sessions.end(token.sub, token.sid, reason="epoch")
            raise ServiceError(Errors.INVALID_GRANT, "the session is older than the credential")

    def _past(
        self, token: RefreshToken, session: Session, presented: Presented, rule: Rule
    ) -> tuple[Session, RefreshToken]:
        """Answer a token of another generation than that of its session."""
        behind = session.generation - token.generation
        if behind <= 0:  # a current token that did not advance the session has another link
            raise self._stale(token, session)
        successor = token.successor(b64url_decode(session.salt))
        if behind == 1 and fingerprint(successor.link) != session.link_hash:
            raise self._stale(token, session)
        verdict = classify(presented, _chain(session), rule)
        if verdict is Verdict.DUPLICATE:
            raise ServiceError(Errors.UNAVAILABLE, "a delayed duplicate", retry_after=1)
        if verdict is Verdict.REUSE:
            raise self._reuse(token, session, f"{behind} generations behind", presented.at)
        if verdict is Verdict.LATE:
            self._count(token, session, presented.at, rule)
        return session, successor

    def _count(self, token: RefreshToken, session: Session, now: int, rule: Rule) -> None:
        """Count a late repeat; end the session if its bucket is full."""
        before = Bucket(session.late_level, session.late_generation)
        after = counted(before, token.generation, rule)
        if after == before:
            return
        self._report("refresh_late", token, session, f"level {after.level}")
        if is_over(after, rule):
            raise self._reuse(token, session, f"level {after.level}", now)
        try:
            self.store.count_repeat(session, level=after.level, generation=after.generation)
        except ServiceError as error:  # the answer is the same, counted or not
            if error.error is not Errors.UNAVAILABLE:
                raise

    def _forged(self, token: RefreshToken, session: Session) -> ServiceError:
        self._report("refresh_forged", token, session)
        return ServiceError(Errors.INVALID_GRANT, "a token of another family: a refresh key has leaked")

    def _stale(self, token: RefreshToken, session: Session) -> ServiceError:
        self._report("refresh_stale", token, session, f"generation {token.generation} at {session.generation}")
        return ServiceError(Errors.INVALID_GRANT, "the store is behind this token, as after a restored backup")

    def _reuse(self, token: RefreshToken, session: Session, reason: str, now: int) -> ServiceError:
        """End the session, report the reuse, and notify the owner once, even if several requests detect it."""
        if self.store.end_session(token.sub, token.sid):
            self._report("refresh_reuse", token, session, reason)
            if token.sub.startswith("usr_"):
                self.outbox.post(MailKind.REFRESH_REUSE, sub=token.sub, now=now)
        return ServiceError(Errors.INVALID_GRANT, "refresh token reuse")

    def _report(self, name: str, token: RefreshToken, session: Session, reason: str = "") -> None:
        self.journal.record(Event(name, token.sub, token.sid, session.client_id, reason))


def _own_client(token: RefreshToken) -> str:
    return token.sub if token.sub.startswith("cli_") else FIRST_PARTY_CLIENT


def _presented(token: RefreshToken, asked: RefreshRequest, now: int) -> Presented:
    network, key = _mark(token.sid, asked.network), _mark(token.sid, asked.idempotency_key)
    return Presented(token.generation, now, network, key)


def _chain(session: Session) -> Chain:
    """Return the advances that a session remembers."""
    if session.generation == 0:
        return Chain()
    last = Presented(session.generation - 1, session.rotated_at, session.network_mark, session.key_mark)
    return Chain(session.generation, last, session.key_mark_before, session.burst, session.burst_at)


def _mark(sid: str, text: str) -> str:
    """Return a short hash of a text, which distinguishes it from other texts of the same session."""
    return hashlib.sha256(f"{sid}\n{text}".encode()).hexdigest()[:_MARK] if text else ""
