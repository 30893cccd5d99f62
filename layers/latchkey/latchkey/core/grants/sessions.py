"""Sessions of people: how one begins, and how many there may be."""

from __future__ import annotations

from latchkey.core.events import Event, Journal
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Session
from latchkey.signing.policy import SigningPolicy

MAX_SESSIONS = 100
"""Live sessions of one account; the oldest ends when one more begins."""

FIRST_PARTY_SCOPE = "openid profile offline_access"


def new_session(  # noqa: PLR0913 - whose it is, and what decides how long it lives
    sub: str, client_id: str, scope: str, policy: SigningPolicy, entropy: Entropy, *, now: int
) -> Session:
    """Return a session of a person that begins now and lives as long as the policy says; nothing is stored yet."""
    return Session(
        sub=sub,
        sid=new_id("ses_", entropy),
        client_id=client_id,
        scope=scope,
        epoch=0,
        created_at=now,
        expires_at=now + min(policy.refresh_idle_ttl, policy.refresh_ttl),
        ends_at=now + policy.refresh_ttl,
        auth_time=now,
        rotated_at=now,
    )


def make_room(store: SessionStore, journal: Journal, sessions: tuple[Session, ...]) -> None:
    """End the oldest of an account's live sessions, so that one more fits."""
    for oldest in sessions[: max(0, len(sessions) + 1 - MAX_SESSIONS)]:
        store.end_session(oldest.sub, oldest.sid)
        journal.record(Event("session_ended", sub=oldest.sub, sid=oldest.sid, reason="too_many"))
