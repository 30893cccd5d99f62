"""What opening, listing and deleting accounts needs from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from latchkey.core.model import Credential, Mail, UsedDraft, User
from latchkey.core.paging import Page


class UserStore(Protocol):
    """Accounts, from their first write to their last."""

    def create_user(self, user: User, credential: Credential) -> None:
        """Store both or neither. Raise `USER_EXISTS` when one of its logins is taken, however many try at once."""

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store both and begin the count of active admins, or nothing, however many try at once.

        Raise `ADMIN_EXISTS` when there has ever been an active admin, and `USER_EXISTS` when the login is taken. `user`
        is an active admin.
        """

    def confirm_draft(self, user: User, credential: Credential, used: UsedDraft) -> bool:
        """Store an account and use its draft, which keeps nothing but `used`: both or neither. Say whether it happened.

        It does not if the draft is used or expired, or the login is taken.
        """

    def verify_login(self, sub: str, login: str, now: int) -> bool:
        """Note that the owner of an active account reads the mail of this login; say whether it still has this login.

        The first time that this was noted stays.
        """

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`, raise its epoch and post the mail, if it still stands as it was read.

        Say whether it did. Raise `LAST_ADMIN` as `set_standing` does.
        """

    def delete_user(self, user: User) -> bool:
        """Delete an account marked as `deleting`, its logins and its line in the list; say whether this call did."""

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those of at most 100 canonical logins that are taken, read consistently.

        A login is also taken if one that looks like it has an account. A second login has no hash of its own: here its
        credential names the account, with an empty hash and epoch 0.
        """

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members of an existing account; return it as it stands, or `None`."""

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first; an empty position is the beginning."""
