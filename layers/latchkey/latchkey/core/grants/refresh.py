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
from typing import TypeAlias

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.gate import Carried, what_tokens_carry
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
from latchkey.core.model import (
    FIRST_PARTY_CLIENT,
    Client,
    MailKind,
    Partner,
    Session,
    Status,
    User,
    UserStatus,
    upholds,
)
from latchkey.core.partners.store import LinkStore
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import Roles
from latchkey.core.roles.scopes import Rights, known_scopes
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, WrongMac, fingerprint, verify_refresh

_MARK = 32  # hex digits of a hash that distinguishes two keys, or two networks, of one session


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A request to refresh.

    `network` is the caller's address cut to /24 or /48. `idempotency_key` is empty where the request has none.
    `client_id` is the client that has identified itself, or the public one that the request names; without one, the
    session must be that of `cli_app`, or a service's own. `scope` may narrow the new access token and never widens it.
    """

    text: str
    network: str = ""
    idempotency_key: str = ""
    client_id: str = ""
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """The account and the client of a person's session at this moment."""

    user: User
    client: Client


Holder: TypeAlias = Person | Rights
"""The holder of a session: a person, or a service with the rights that its API key has at this moment."""


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

        The access token carries what account, client, partner and API key permit at this moment: a scope that one of
        them may no longer give is left out. Raises `INVALID_GRANT`, `INVALID_SCOPE`, or `UNAVAILABLE` for a delayed
        duplicate. One read and one write; a counted repeat takes one write more. A session of a service or of a
        partner's user takes one read more.
        """
        policy, token = verified_refresh(self.policies, self.journal, asked.text, now)
        client_id = asked.client_id or own_client(token.sub)
        holder, read = self._holder(token, client_id, now)
        scope = granted_scope(asked.scope, read.scope.split())
        epoch = holder.user.epoch if isinstance(holder, Person) else 0
        session, successor = self._advance(token, read, asked, epoch, policy, now)
        carried = self._carried(session, holder, scope)
        return self.issuer.for_session(session, successor, carried.roles, policy, scope=carried.scope, now=now)

    def _holder(self, token: RefreshToken, client_id: str, now: int) -> tuple[Holder, Session]:
        """Return subject and client of the session; end the session if its account, client or API key is gone."""
        user, client, session = self.store.find_user_client_and_session(token.sub, client_id, token.sid, now)
        if session is None:
            raise ServiceError(Errors.INVALID_GRANT, "no such session")
        if fingerprint(token.family) != session.family_hash:
            raise forged(self.journal, token, session)
        if session.client_id != client_id:  # the request names that client, so it ends nothing
            raise ServiceError(Errors.INVALID_GRANT, "the session is another client's")
        if client is None or client.status is not Status.ACTIVE:
            raise self._ended(session, "client_not_active")
        if session.api_key_id:
            rights = self.clients.session_rights(session.api_key_id, client, now=now)
            if rights is not None:
                return rights, session
        elif user is not None and user.status is UserStatus.ACTIVE:
            return Person(user, client), session
        raise self._ended(session, "holder_not_active")

    def _ended(self, session: Session, reason: str) -> ServiceError:
        """End a session, and return the error for its token."""
        self.sessions.end(session.sub, session.sid, reason=reason)
        return ServiceError(Errors.INVALID_GRANT, reason)

    def _carried(self, session: Session, holder: Holder, scope: str) -> Carried:
        """Return what the access token carries; end the session if its partner may no longer open one."""
        if isinstance(holder, Rights):
            known = known_scopes(holder.scopes, self.roles)
            scopes = [each for each in scope.split() if each in known]
            return Carried(self.roles.effective_roles(holder.roles), " ".join(scopes))
        partner = self._require_partner(session, holder.user) if session.partner_id else None
        return what_tokens_carry(self.roles, holder.user, holder.client, partner, scope=scope)

    def _require_partner(self, session: Session, user: User) -> Partner:
        """Return the partner that opened the session; end the session if that may no longer open it."""
        partner, link = self.links.find_partner_and_link(session.sub, session.partner_id)
        if partner is None or not upholds(partner, link, session, reset_at=user.reset_at):
            raise self._ended(session, "partner_not_active")
        return partner

    def _advance(  # noqa: PLR0913, PLR0917 - as many as decide where the chain goes
        self,
        token: RefreshToken,
        read: Session,
        asked: RefreshRequest,
        epoch: int,
        policy: SigningPolicy,
        now: int,
    ) -> tuple[Session, RefreshToken]:
        """Return the session at the generation that this token earns, and its token of that generation."""
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
                client_id=read.client_id,
                epoch=epoch,
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
        self._require_own(token, rotation.session, epoch)
        return self._past(token, rotation.session, presented, rule)

    def _require_own(self, token: RefreshToken, session: Session, epoch: int) -> None:
        """Reject a token whose session is of another family, or older than the credential."""
        if fingerprint(token.family) != session.family_hash:
            raise forged(self.journal, token, session)
        if session.epoch < epoch:
            self.sessions.end(token.sub, token.sid, reason="epoch")
            raise ServiceError(Errors.INVALID_GRANT, "the session is older than the credential")

    def _past(
        self, token: RefreshToken, session: Session, presented: Presented, rule: Rule
    ) -> tuple[Session, RefreshToken]:
        """Answer a token of another generation than that of its session."""
        behind = session.generation - token.generation
        if behind <= 0 or is_stale(token, session):  # a current token that did not advance the session has another link
            raise stale(self.journal, token, session)
        successor = token.successor(b64url_decode(session.salt))
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

    def _reuse(self, token: RefreshToken, session: Session, reason: str, now: int) -> ServiceError:
        """End the session, report the reuse, and notify the owner once, even if several requests detect it."""
        if self.store.end_session(token.sub, token.sid):
            self._report("refresh_reuse", token, session, reason)
            if token.sub.startswith("usr_"):
                self.outbox.post(MailKind.REFRESH_REUSE, sub=token.sub, now=now)
        return ServiceError(Errors.INVALID_GRANT, "refresh token reuse")

    def _report(self, name: str, token: RefreshToken, session: Session, reason: str = "") -> None:
        self.journal.record(Event(name, token.sub, token.sid, session.client_id, reason))


def verified_refresh(
    policies: PolicySource, journal: Journal, text: str, now: int
) -> tuple[SigningPolicy, RefreshToken]:
    """Return the content of a refresh token, and the policy whose keys prove it. Raises `INVALID_GRANT`."""
    policy = policies.policy()
    try:
        try:
            return policy, verify_refresh(text, policy.refresh_keys, now)
        except WrongMac:  # another instance may have read a newer policy
            policy = policies.reread()
            return policy, verify_refresh(text, policy.refresh_keys, now)
    except InvalidToken as error:  # anyone can make such a text, so it raises no alarm
        journal.record(Event("refresh_refused", reason=str(error)))
        raise ServiceError(Errors.INVALID_GRANT, f"refresh token: {error}") from None


def own_client(sub: str) -> str:
    """Return the client whose session this is where a request names none: a service itself, or `cli_app`."""
    return sub if sub.startswith("cli_") else FIRST_PARTY_CLIENT


def is_stale(token: RefreshToken, session: Session) -> bool:
    """Say whether a token of the session's family is no token of its chain, as far as the session can tell.

    The session knows its present link, and so that of one generation before.
    """
    behind = session.generation - token.generation
    if behind == 1:
        return fingerprint(token.successor(b64url_decode(session.salt)).link) != session.link_hash
    return behind < 0 or (behind == 0 and fingerprint(token.link) != session.link_hash)


def forged(journal: Journal, token: RefreshToken, session: Session) -> ServiceError:
    """Report a token of another family, and return its error. The caller leaves the session alone."""
    journal.record(Event("refresh_forged", token.sub, token.sid, session.client_id, ""))
    return ServiceError(Errors.INVALID_GRANT, "a token of another family: a refresh key has leaked")


def stale(journal: Journal, token: RefreshToken, session: Session) -> ServiceError:
    """Report a token that its session cannot know yet, and return its error. The caller leaves the session alone."""
    reason = f"generation {token.generation} at {session.generation}"
    journal.record(Event("refresh_stale", token.sub, token.sid, session.client_id, reason))
    return ServiceError(Errors.INVALID_GRANT, "the store is behind this token, as after a restored backup")


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
