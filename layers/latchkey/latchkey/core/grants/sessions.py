"""Sessions: how one begins, whether it is still alive, and how it ends."""

from __future__ import annotations

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.proof import MachineProof, PersonProof
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import FIRST_PARTY_CLIENT, Session, Status, User, UserStatus
from latchkey.core.roles.scopes import Rights
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, fingerprint

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
        client_id=proof.client.client_id,
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


def require_live_app(clients: ClientDirectory, client_id: str) -> bool:
    """Say whether the client of a person's verified token is first-party.

    Raises `INVALID_TOKEN` when the client is gone or disabled. `cli_app` is always active and first-party, so it is not
    read.
    """
    if client_id == FIRST_PARTY_CLIENT:
        return True
    client = clients.store.find_client(client_id)
    if client is None or client.status is not Status.ACTIVE:
        raise ServiceError(Errors.INVALID_TOKEN, "the client is gone or disabled")
    return client.first_party


def require_live_client(store: SessionStore, clients: ClientDirectory, client_id: str, sid: str, *, now: int) -> Rights:
    """Return the present rights of the client of a verified token.

    In a session, they are those of the API key that opened it. Raises `INVALID_TOKEN` when the client, the session or
    the key is gone, expired or disabled.
    """
    rights = _rights_in_session(store, clients, client_id, sid, now) if sid else _rights(clients, client_id)
    if rights is None:
        raise ServiceError(Errors.INVALID_TOKEN, "the client, its session or its API key is gone or disabled")
    return rights


def _rights(clients: ClientDirectory, client_id: str) -> Rights | None:
    client = clients.store.find_client(client_id)
    return Rights(client.roles, client.scopes) if client and client.status is Status.ACTIVE else None


def _rights_in_session(
    store: SessionStore, clients: ClientDirectory, client_id: str, sid: str, now: int
) -> Rights | None:
    _, client, session = store.find_user_client_and_session(client_id, client_id, sid, now)
    if session is None or client is None or client.status is not Status.ACTIVE:
        return None
    return clients.session_rights(session.api_key_id, client, now=now)


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
