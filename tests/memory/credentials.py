"""Accounts and what opens them, as the grants read them."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.model import Credential, User
from tests.memory.state import State


class Credentials(State):
    """Implements `CredentialStore`."""

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        with self._lock:
            return self._users.get(sub)

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login."""
        with self._lock:
            user = self._users.get(self._aliases.get(login, ""))
            return self._credentials.get(user.login if user else login)

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`."""
        with self._lock:
            held = self._credentials.get(login)
            if held is None or held.password_hash != old_hash:
                return False
            self._credentials[login] = replace(held, password_hash=new_hash)
            return True
