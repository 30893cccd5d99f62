"""Reads of accounts and their credentials."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.model import Credential, User

_DEVICES_AS_READ = "(attribute_not_exists(#devices_since) OR #devices_since = :held_devices)"
CREDENTIAL_STANDS = f"#sub = :sub AND #password_hash = :held AND #epoch = :held_epoch AND {_DEVICES_AS_READ}"
"""The condition that a credential still stands as it was read. A reserved login does not: it has no credential."""

# A login in time, from the moment that its account moves to another. Its item stays, as a `Reservation`.
#
#   credential      changed_at                     reserved_until             ttl
#   -----|---------------|-------------------------------|---------------------|---->
#        |<--- opens --->|<- reserved: opens nothing --->|<------- free ------>| swept
#
_FREE = "attribute_not_exists(#pk) OR #reserved_until <= :now"
ALIAS = "alias"
"""The attribute that marks the item of a second login. It names the account, and not the first login: that may move."""


class Credentials(TablePart):
    """Implements `CredentialStore`."""

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        item = self._table.get(items.user(sub))
        return items.decode(User, item) if item else None

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login, and not that of one that looks like it."""
        item = self._table.get(items.login(login))
        if item is None or is_reserved(item) or item["login"]["S"] != login:
            return None
        return self._of_account(item["sub"]["S"]) if ALIAS in item else credential_of(item)

    def _of_account(self, sub: str) -> Credential | None:
        """Return the credential of an account's first login. It may have moved to another login between the reads."""
        user = self.find_user(sub)
        item = self._table.get(items.login(user.login)) if user else None
        credential = credential_of(item) if item and not is_reserved(item) else None
        return credential if credential and credential.sub == sub else None

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`."""
        return self._table.update(
            items.login(login),
            "SET #password_hash = :new",
            {"old": old_hash, "new": new_hash},
            only_if="#password_hash = :old",
        ).applied


def as_read(held: Credential) -> dict[str, items.Value]:
    """Return the values of `CREDENTIAL_STANDS`."""
    return {
        "sub": held.sub,
        "held": held.password_hash,
        "held_epoch": held.epoch,
        "held_devices": held.devices_since,
    }


def claim(credential: Credential, now: int) -> Change:
    """Return the step that gives a login its credential, which fails while the login is taken or reserved."""
    key = items.login(credential.login)
    return Change(key, {"now": now}, _FREE, put=items.encode(key, credential))


def is_reserved(item: items.AnyItem) -> bool:
    """Say whether the item of a login is a reservation, expired or not."""
    return "reserved_until" in item


def alias(user: User) -> tuple[items.Item, ...]:
    """Return the item of the second login of an account, if it has one."""
    if not user.username:
        return ()
    item = items.encode(items.login(user.username), Credential(user.username, user.sub, "", 0))
    return (item | {ALIAS: items.attribute(value=True)},)


def credential_of(item: items.AnyItem) -> Credential:
    """Return the credential of an item; one without a hash has an empty one, which no password opens."""
    return items.decode(Credential, {"password_hash": {"S": ""}, **item})
