"""Sessions, and the one state that makes refresh tokens single-use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER, AnyItem, Item
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Rotation
from latchkey.core.model import Session, User
from latchkey.core.throttle import Counter

# A session in time. Each rotation moves `expires_at` to the right; `ends_at` stands still and wins.
#
#   created_at      rotated_at        now             expires_at          ends_at
#   ----|---------------|--------------|------------------|-------------------|---->
#       |<------------------- alive ---------------------->|
#
_ALIVE = "#expires_at > :now AND #ends_at > :now"
_AT_GENERATION = "#generation = :generation"
_OF_CLIENT = "#client_id = :client_id"
_OF_EPOCH = "#epoch >= :epoch"


class SessionItems(TablePart):
    """Implements `SessionStore`."""

    def create_session(self, session: Session, *, clears: Counter | None = None) -> None:
        """Store a new session; a transaction only where a counter is cleared with it."""
        item = items.encode(items.session(session.sub, session.sid), session, ttl=session.expires_at + LINGER)
        if clears is None:
            stored = self._table.put_new(item)
        else:
            stored = self._table.put_all_new([item], also=[Change(items.throttle(clears, session.created_at))])
        if not stored:
            raise ServiceError(Errors.CONFLICT, "the session id is taken")

    def find_session(self, sub: str, sid: str, now: int) -> Session | None:
        """Return the session if it is alive."""
        return _live_session(self._table.get(items.session(sub, sid)), now)

    def find_user_with_sessions(self, sub: str, now: int) -> tuple[User | None, tuple[Session, ...]]:
        """Return the account and its live sessions, oldest first: they share a partition."""
        key = items.user(sub)
        found = self._table.query(key.pk)
        profile = next((item for item in found if item["sk"] == {"S": key.sk}), None)
        sessions = [item for item in found if item["sk"]["S"].startswith("SESSION#")]
        return items.decode(User, profile) if profile else None, live_sessions(sessions, now)

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""
        return live_sessions(self._table.query(items.user(sub).pk, "SESSION#"), now)

    def rotate(  # noqa: PLR0913 - as the port has it
        self, sub: str, sid: str, generation: int, *, client_id: str, epoch: int, now: int, expires_at: int
    ) -> Rotation:
        """Advance the generation in one write; DynamoDB knows no minimum, so `ends_at` caps on read."""
        write = self._table.update(
            items.session(sub, sid),
            "SET #generation = :next, #rotated_at = :now, #expires_at = :expires_at, #ttl = :ttl",
            {
                "generation": generation,
                "next": generation + 1,
                "client_id": client_id,
                "epoch": epoch,
                "now": now,
                "expires_at": expires_at,
                "ttl": expires_at + LINGER,
            },
            only_if=f"{_AT_GENERATION} AND {_ALIVE} AND {_OF_CLIENT} AND {_OF_EPOCH}",
        )
        return Rotation(write.applied, _live_session(write.item, now))

    def mark_late(self, session: Session, *, late: int, streak: int) -> bool:
        """Remember a late retry if nothing that moves has moved since the session was read."""
        unmoved = [_AT_GENERATION, "#rotated_at = :rotated_at", "#streak = :streak_read"]
        values = {
            "generation": session.generation,
            "rotated_at": session.rotated_at,
            "streak_read": session.streak,
            "late": late,
            "streak": streak,
        }
        if session.late is None:
            unmoved.append("attribute_not_exists(#late)")
        else:
            unmoved.append("#late = :late_read")
            values["late_read"] = session.late
        key = items.session(session.sub, session.sid)
        change = "SET #late = :late, #streak = :streak"
        return self._table.update(key, change, values, only_if=" AND ".join(unmoved)).applied

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session by deleting it."""
        return self._table.delete(items.session(sub, sid))

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`."""
        sids = [item["sid"]["S"] for item in self._table.query(items.user(sub).pk, "SESSION#")]
        return sum(self.end_session(sub, sid) for sid in sids if sid != keep)


def live_sessions(found: Iterable[Item], now: int) -> tuple[Session, ...]:
    """Return those sessions that are alive, oldest first."""
    alive = [session for item in found if (session := _live_session(item, now))]
    return tuple(sorted(alive, key=lambda session: (session.created_at, session.sid)))


def _live_session(item: AnyItem | None, now: int) -> Session | None:
    if item is None:
        return None
    stored = items.decode(Session, item)
    session = replace(stored, expires_at=min(stored.expires_at, stored.ends_at))
    return session if now < session.expires_at else None
