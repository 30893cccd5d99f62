"""What sessions need from a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from latchkey.core.model import Session, User
from latchkey.core.throttle import Counter


@dataclass(frozen=True, slots=True)
class Rotation:
    """The outcome of `rotate`: whether this call advanced the session, and the session as it stands now.

    `session` is `None` when it is gone or expired.
    """

    advanced: bool
    session: Session | None


class SessionStore(Protocol):
    """Sessions, and the one state that makes refresh tokens single-use."""

    def create_session(self, session: Session, *, clears: Counter | None = None) -> None:
        """Store a new session; raise `CONFLICT` when its id is taken.

        With `clears`, the attempts counted in the window of its creation are forgotten in the same write.
        """

    def find_session(self, sub: str, sid: str, now: int) -> Session | None:
        """Return the session if it is alive, read consistently."""

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""

    def rotate(  # noqa: PLR0913 - one write needs to be told all its conditions
        self, sub: str, sid: str, generation: int, *, client_id: str, epoch: int, now: int, expires_at: int
    ) -> Rotation:
        """Advance the generation by one if it is still `generation` and the session lives.

        It must also belong to `client_id` and be of `epoch` or later; if not, nothing changes and the session is
        returned as it stands. `rotated_at` becomes `now`; the session then lives until `expires_at`, or its `ends_at`
        if that is earlier.
        """

    def mark_late(self, session: Session, *, late: int, streak: int) -> bool:
        """Remember a late retry if the session still stands exactly as it was read; say whether it did."""

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session; say whether this call ended it."""

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`; return how many ended."""

    def find_user_with_sessions(self, sub: str, now: int) -> tuple[User | None, tuple[Session, ...]]:
        """Return the account and its live sessions, oldest first, in one consistent read."""
