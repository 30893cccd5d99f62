"""What reading accounts and their credentials needs from a store."""

from __future__ import annotations

from typing import Protocol

from latchkey.core.model import Credential, User


class CredentialStore(Protocol):
    """Accounts and their credentials, for every package that proves an identity."""

    def find_user(self, sub: str) -> User | None:
        """Return the account, read consistently."""

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of exactly this canonical login, read consistently.

        The second login of an account leads to the credential of the first, at the price of two more reads.
        """

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`; say whether it was."""
