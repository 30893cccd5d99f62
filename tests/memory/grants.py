"""Sessions, and the one state that makes refresh tokens single-use."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.clients.first_party import or_built_in
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Advance, Rotation
from latchkey.core.model import Client, Session, User
from tests.memory.state import State


class Sessions(State):
    """Implements `SessionStore`."""

    def create_session(self, session: Session) -> None:
        """Store a new session; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if (session.sub, session.sid) in self._sessions:
                raise ServiceError(Errors.CONFLICT, "the session id is taken")
            self._sessions[session.sub, session.sid] = _capped(session)

    def find_user_and_session(self, sub: str, sid: str, now: int) -> tuple[User | None, Session | None]:
        """Return the account, and the session if it is alive."""
        with self._lock:
            return self._users.get(sub), self._alive(sub, sid, now)

    def find_user_and_client(self, sub: str, client_id: str) -> tuple[User | None, Client | None]:
        """Return account and client."""
        with self._lock:
            return self._users.get(sub), or_built_in(client_id, self._clients.get(client_id))

    def find_user_client_and_session(
        self, sub: str, client_id: str, sid: str, now: int
    ) -> tuple[User | None, Client | None, Session | None]:
        """Return account and client, and the session if it is alive."""
        with self._lock:
            return *self.find_user_and_client(sub, client_id), self._alive(sub, sid, now)

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""
        with self._lock:
            mine = [session for session in self._sessions.values() if session.sub == sub and now < session.expires_at]
        return tuple(sorted(mine, key=lambda session: (session.created_at, session.sid)))

    def advance(self, step: Advance) -> Rotation:
        """Advance the chain if the session is still at the spent token's generation, and client and epoch match."""
        with self._lock:
            session = self._alive(step.sub, step.sid, step.now)
            if session is None or not _is_at(session, step):
                return Rotation(advanced=False, session=session)
            moved = replace(
                session,
                generation=step.generation + 1,
                link_hash=step.next_link_hash,
                salt=step.salt,
                rotated_at=step.now,
                expires_at=step.expires_at,
                network_mark=step.network_mark,
                key_mark_before=session.key_mark,
                key_mark=step.key_mark,
                burst=step.burst,
                burst_at=step.burst_at,
            )
            self._sessions[step.sub, step.sid] = _capped(moved)
            return Rotation(advanced=True, session=self._alive(step.sub, step.sid, step.now))

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Set the bucket if neither it nor the generation has moved since the session was read."""
        with self._lock:
            held = self._sessions.get((session.sub, session.sid))
            if held is None or _bucket(held) != _bucket(session):
                return False
            counted = replace(held, late_level=level, late_generation=generation)
            self._sessions[session.sub, session.sid] = counted
            return True

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session; return whether this call ended it."""
        with self._lock:
            return self._sessions.pop((sub, sid), None) is not None

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`; return how many ended."""
        with self._lock:
            ending = [key for key in self._sessions if key[0] == sub and key[1] != keep]
            return sum(self.end_session(*key) for key in ending)

    def _alive(self, sub: str, sid: str, now: int) -> Session | None:
        session = self._sessions.get((sub, sid))
        return session if session and now < session.expires_at else None


def _is_at(session: Session, step: Advance) -> bool:
    stands = (session.generation, session.link_hash, session.family_hash, session.client_id)
    return stands == (step.generation, step.link_hash, step.family_hash, step.client_id) and session.epoch >= step.epoch


def _bucket(session: Session) -> tuple[int, ...]:
    return session.generation, session.late_level, session.late_generation


def _capped(session: Session) -> Session:
    return replace(session, expires_at=min(session.expires_at, session.ends_at))
