"""Sessions, and the one state that makes refresh tokens single-use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.clients import client_of
from latchkey.adapters.dynamodb.items import LINGER, AnyItem, Item
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Advance, Rotation
from latchkey.core.model import Client, Session, User

# A session in time. Each rotation moves `expires_at` to the right; `ends_at` stands still and wins.
#
#   created_at      rotated_at        now             expires_at          ends_at
#   ----|---------------|--------------|------------------|-------------------|---->
#       |<------------------- alive ---------------------->|
#
_ALIVE = "#expires_at > :now AND #ends_at > :now"
_AT_GENERATION = "#generation = :generation"
_AT_TOKEN = f"{_AT_GENERATION} AND #link_hash = :link AND #family_hash = :family"
_BUCKET_AS_READ = "#late_level = :level_read AND #late_generation = :late_read"
_ADVANCE = (
    "SET #generation = :next, #link_hash = :next_link, #salt = :salt, "
    "#rotated_at = :now, #expires_at = :expires_at, #ttl = :ttl, #network_mark = :network, "
    "#key_mark_before = #key_mark, #key_mark = :key, #burst_at = :burst_at, #burst = :burst"
)
_OF_CLIENT = "#client_id = :client_id"
_OF_EPOCH = "#epoch >= :epoch"


class SessionItems(TablePart):
    """Implements `SessionStore`."""

    def create_session(self, session: Session) -> None:
        """Store a new session."""
        item = items.encode(items.session(session.sub, session.sid), session, ttl=session.expires_at + LINGER)
        if not self._table.put_new(item):
            raise ServiceError(Errors.CONFLICT, "the session id is taken")

    def find_user_and_session(self, sub: str, sid: str, now: int) -> tuple[User | None, Session | None]:
        """Return account and session: two items, one batch, however many sessions the account has."""
        account, session = items.user(sub), items.session(sub, sid)
        found = self._table.get_each([account, session])
        profile = found.get(account)
        return items.decode(User, profile) if profile else None, _live_session(found.get(session), now)

    def find_user_and_client(self, sub: str, client_id: str) -> tuple[User | None, Client | None]:
        """Return account and client: two items, one batch."""
        account, client = items.user(sub), items.client(client_id)
        found = self._table.get_each([account, client])
        profile = found.get(account)
        return items.decode(User, profile) if profile else None, client_of(client_id, found.get(client))

    def find_user_client_and_session(
        self, sub: str, client_id: str, sid: str, now: int
    ) -> tuple[User | None, Client | None, Session | None]:
        """Return account, client and session: three items, one batch. A client as the subject has no account."""
        account, client, session = items.user(sub), items.client(client_id), items.session(sub, sid)
        found = self._table.get_each([client, session] if sub.startswith("cli_") else [account, client, session])
        profile = found.get(account)
        user = items.decode(User, profile) if profile else None
        return user, client_of(client_id, found.get(client)), _live_session(found.get(session), now)

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""
        return live_sessions(self._table.query(items.sessions(sub), "SESSION#"), now)

    def advance(self, step: Advance) -> Rotation:
        """Advance the chain in one write; DynamoDB knows no minimum, so `ends_at` caps on read."""
        write = self._table.update(
            items.session(step.sub, step.sid),
            _ADVANCE,
            {
                "generation": step.generation,
                "next": step.generation + 1,
                "family": step.family_hash,
                "link": step.link_hash,
                "next_link": step.next_link_hash,
                "salt": step.salt,
                "client_id": step.client_id,
                "epoch": step.epoch,
                "now": step.now,
                "expires_at": step.expires_at,
                "ttl": step.expires_at + LINGER,
                "network": step.network_mark,
                "key": step.key_mark,
                "burst": step.burst,
                "burst_at": step.burst_at,
            },
            only_if=f"{_AT_TOKEN} AND {_ALIVE} AND {_OF_CLIENT} AND {_OF_EPOCH}",
        )
        return Rotation(write.applied, _live_session(write.item, step.now))

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Set the bucket if neither it nor the generation has moved since the session was read."""
        return self._table.update(
            items.session(session.sub, session.sid),
            "SET #late_level = :level, #late_generation = :late",
            {
                "level": level,
                "late": generation,
                "generation": session.generation,
                "level_read": session.late_level,
                "late_read": session.late_generation,
            },
            only_if=f"{_AT_GENERATION} AND {_BUCKET_AS_READ}",
        ).applied

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session by deleting it."""
        return self._table.delete(items.session(sub, sid))

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`."""
        sids = [item["sid"]["S"] for item in self._table.query(items.sessions(sub), "SESSION#")]
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
