"""What opening, listing and deleting accounts needs from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from latchkey.core.model import Credential, Mail, User
from latchkey.core.paging import Page


class UserStore(Protocol):
    """Accounts, from their first write to their last."""

    def create_user(self, user: User, credential: Credential, *, mail: Mail | None = None) -> None:
        """Store both or neither. Raise `USER_EXISTS` when one of its logins is taken, however many try at once.

        With `mail`, that is posted in the same write.
        """

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store both and begin the count of active admins, or nothing, however many try at once.

        Raise `ADMIN_EXISTS` when there has ever been an active admin, and `USER_EXISTS` when the login is taken. `user`
        is an active admin.
        """

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Put another account in the place of one that is still pending and has the same login; say whether it was."""

    def activate_user(self, sub: str) -> User | None:
        """Make a pending account active; return the account with its present status, or `None`."""

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
