"""What sessions need from a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from latchkey.core.model import Client, Session, User


@dataclass(frozen=True, slots=True)
class Advance:
    """One step of a session's chain, made by one write.

    `generation`, `family_hash` and `link_hash` are those of the token that is spent. `next_link_hash` and `salt` belong
    to its successor. The other members are those of `Session` and of the request.
    """

    sub: str
    sid: str
    generation: int
    family_hash: str
    link_hash: str
    next_link_hash: str
    salt: str
    client_id: str
    epoch: int
    now: int
    expires_at: int
    network_mark: str = ""
    key_mark: str = ""
    burst: int = 0
    burst_at: int = 0


@dataclass(frozen=True, slots=True)
class Rotation:
    """The outcome of `advance`: whether this call advanced the session, and the session as it stands now.

    `session` is `None` when it is gone or expired.
    """

    advanced: bool
    session: Session | None


class SessionStore(Protocol):
    """Sessions, and the one state that makes refresh tokens single-use."""

    def create_session(self, session: Session) -> None:
        """Store a new session; raise `CONFLICT` when its id is taken."""

    def find_user_and_session(self, sub: str, sid: str, now: int) -> tuple[User | None, Session | None]:
        """Return the account, and the session if it is alive, in one consistent read."""

    def find_user_and_client(self, sub: str, client_id: str) -> tuple[User | None, Client | None]:
        """Return the account and the client, whatever the status of both, in one consistent read."""

    def find_user_client_and_session(
        self, sub: str, client_id: str, sid: str, now: int
    ) -> tuple[User | None, Client | None, Session | None]:
        """Return account and client, whatever their status, and the session if it is alive, in one consistent read.

        The subject may be a client: then there is no account. `cli_app` that is not stored is the built-in record.
        """

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""

    def advance(self, step: Advance) -> Rotation:
        """Move the session to its next generation, if it is alive and still at the generation of the spent token.

        Generation, link and family must be those of the spent token. The session must also belong to the client and be
        of the epoch or later. If not, nothing changes and the session is returned as it stands. It then lives until
        `expires_at`, or its `ends_at` if that is earlier.
        """

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Set the bucket of counted repeats if the session still stands as it was read; say whether it did."""

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session; say whether this call ended it."""

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`; return how many ended."""
