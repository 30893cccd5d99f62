"""Reads of accounts and their credentials."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.model import Credential, User


class Credentials(TablePart):
    """Implements `CredentialStore`."""

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        item = self._table.get(items.user(sub))
        return items.decode(User, item) if item else None

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login, and not that of one that looks like it."""
        item = self._table.get(items.login(login))
        credential = credential_of(item) if item else None
        return credential if credential and credential.login == login else None

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`."""
        return self._table.update(
            items.login(login),
            "SET #password_hash = :new",
            {"old": old_hash, "new": new_hash},
            only_if="#password_hash = :old",
        ).applied


def credential_of(item: items.AnyItem) -> Credential:
    """Return the credential of an item; one without a hash has an empty one, which no password opens."""
    return items.decode(Credential, {"password_hash": {"S": ""}, **item})
