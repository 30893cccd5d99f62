"""Sessions: how one begins, whether it is still alive, and how it ends."""

from __future__ import annotations

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.proof import MachineProof, PersonProof
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Session, Status, User, UserStatus
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, fingerprint

FIRST_PARTY_SCOPE = "openid profile offline_access"
"""The scope of a session at `/v1/auth/login`."""

SERVICE_SESSION_TTL = 3600
"""Seconds that a service's refresh token lives: the service holds an API key and can always sign in again."""


def open_session(
    proof: PersonProof, scope: str, policy: SigningPolicy, entropy: Entropy
) -> tuple[Session, RefreshToken]:
    """Return the session that a person's proof opens, and its first refresh token; nothing is stored yet.

    The session lives as long as the policy says. Only `gate.py` calls this and `open_service_session`, so no session
    begins without passing the gate.
    """
    refresh = _first_token(proof.user.sub, entropy)
    session = Session(
        sub=proof.user.sub,
        sid=refresh.sid,
        client_id=proof.client_id,
        scope=scope,
        epoch=proof.epoch,
        created_at=proof.at,
        expires_at=proof.at + min(policy.refresh_idle_ttl, policy.refresh_ttl),
        ends_at=proof.at + policy.refresh_ttl,
        auth_time=proof.at,
        rotated_at=proof.at,
        amr=proof.methods,
        device=proof.device,
        partner_id=proof.partner.partner_id if proof.partner else "",
        org=proof.partner.org if proof.partner else "",
        family_hash=fingerprint(refresh.family),
        link_hash=fingerprint(refresh.link),
    )
    return session, refresh


def open_service_session(proof: MachineProof, entropy: Entropy) -> tuple[Session, RefreshToken]:
    """Return the session that a service's proof opens, and its first refresh token; nothing is stored yet.

    The session ends with the API key.
    """
    key = proof.rights.key
    ends_at = proof.at + SERVICE_SESSION_TTL
    if key.expires_at is not None:
        ends_at = min(ends_at, key.expires_at)
    refresh = _first_token(key.client_id, entropy)
    session = Session(
        sub=key.client_id,
        sid=refresh.sid,
        client_id=key.client_id,
        scope=" ".join(proof.rights.scopes),
        epoch=0,
        created_at=proof.at,
        expires_at=ends_at,
        ends_at=ends_at,
        auth_time=proof.at,
        rotated_at=proof.at,
        amr=proof.methods,
        device=key.name,
        api_key_id=key.key_id,
        family_hash=fingerprint(refresh.family),
        link_hash=fingerprint(refresh.link),
    )
    return session, refresh


def _first_token(sub: str, entropy: Entropy) -> RefreshToken:
    return RefreshToken(sub, new_id("ses_", entropy), 0, family=entropy(LINK_BYTES), link=entropy(LINK_BYTES))


def require_live_session(store: SessionStore, sub: str, sid: str, *, now: int) -> tuple[User, Session]:
    """Return the account of a verified token, and its session.

    An access token stays valid after a logout, a disabled account or a change of password, until it expires. Our own
    routes reject it at once: raises `INVALID_TOKEN` if its session or account is gone.
    """
    user, session = store.find_user_and_session(sub, sid, now)
    if user is None or user.status is not UserStatus.ACTIVE:
        raise ServiceError(Errors.INVALID_TOKEN, "the account is gone or not active")
    if session is None or session.epoch < user.epoch:
        raise ServiceError(Errors.INVALID_TOKEN, "the session has ended")
    return user, session


def require_live_client(
    store: SessionStore, clients: ClientDirectory, client_id: str, sid: str, *, now: int
) -> tuple[str, ...]:
    """Return the present roles of the client of a verified token.

    In a session, they are those of the API key that opened it. Raises `INVALID_TOKEN` when the client, the session or
    the key is gone, expired or disabled.
    """
    if sid:
        session = store.find_session(client_id, sid, now)
        roles = clients.service_roles(session.api_key_id, client_id, now=now) if session else None
    else:
        client = clients.store.find_client(client_id)
        roles = client.roles if client and client.status is Status.ACTIVE else None
    if roles is None:
        raise ServiceError(Errors.INVALID_TOKEN, "the client, its session or its API key is gone or disabled")
    return roles


def make_room(store: SessionStore, journal: Journal, sessions: tuple[Session, ...], most: int) -> None:
    """End the oldest of an account's live sessions, so that one more fits and there are at most `most`."""
    for oldest in sessions[: max(0, len(sessions) + 1 - most)]:
        store.end_session(oldest.sub, oldest.sid)
        journal.record(Event("session_ended", sub=oldest.sub, sid=oldest.sid, reason="too_many"))


class Sessions:
    """Ends sessions."""

    def __init__(self, store: SessionStore, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def end(self, sub: str, sid: str, *, reason: str) -> bool:
        """End one session of this subject; say whether it was there to end."""
        ended = self._store.end_session(sub, sid)
        if ended:
            self._journal.record(Event("session_ended", sub=sub, sid=sid, reason=reason))
        return ended

    def end_all(self, sub: str, *, reason: str, keep: str = "", actor: str = "") -> int:
        """End every session of this subject except `keep`; return how many there were.

        `actor` is the operator who ends them, where one does.
        """
        ended = self._store.end_sessions(sub, keep=keep)
        self._journal.record(Event("sessions_ended", sub=sub, reason=reason, actor=actor))
        return ended
