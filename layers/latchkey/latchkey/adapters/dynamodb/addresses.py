"""Changes of the login of an account. Each changes several items in one transaction."""

from __future__ import annotations

from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.credentials import CREDENTIAL_STANDS, as_read, claim, is_reserved
from latchkey.adapters.dynamodb.items import LINGER
from latchkey.adapters.dynamodb.mail import used, waiting
from latchkey.adapters.dynamodb.partners import unlinked
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.authenticators.store import NewLogin, Reservation, UndoneChange
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import OneTimeCode, User

_EARLIER = "attribute_not_exists(#pk) OR #expires_at <= :expires_at"
_RESERVED = "#owner = :owner AND #changed_at = :changed_at"


class Addresses(TablePart):
    """Implements `AddressStore`."""

    def begin_change(self, code: OneTimeCode) -> bool:
        """Store a code in place of an earlier one."""
        item = items.encode(items.code(code.code_hash, code.purpose), code, ttl=code.expires_at + LINGER)
        return self._table.put_if(item, _EARLIER, {"expires_at": code.expires_at})

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login, and make the changes that belong to it, or do nothing."""
        changes = (
            claim(replace(change.held, login=change.login), change.now),
            _left(change),
            _moved(change.user, change.changed),
            used(change.code, change.now),
        )
        is_free, *others = self._table.change_all(changes, waiting(change.mail))
        if not is_free and all(others):
            raise ServiceError(Errors.USER_EXISTS, "the new login is taken or reserved")
        return is_free and all(others)

    def find_reservation(self, login: str, now: int) -> Reservation | None:
        """Return the reservation of a login, if it has not expired."""
        item = self._table.get(items.login(login))
        reservation = items.decode(Reservation, item) if item and is_reserved(item) else None
        return reservation if reservation and reservation.reserved_until > now else None

    def undo_change(self, undone: UndoneChange) -> bool:
        """Return an account to its former login, and make the changes that belong to it, or do nothing."""
        back, reservation, held = undone.credential, undone.reservation, undone.held
        key = items.login(back.login)
        changes = (
            Change(
                key,
                _as_reserved(reservation) | {"now": undone.now},
                f"{_RESERVED} AND #reserved_until > :now",
                put=items.encode(key, back),
            ),
            *(Change(items.login(each.login), _as_reserved(each), _RESERVED) for each in undone.later),
            Change(items.login(held.login), as_read(held), CREDENTIAL_STANDS),
            _moved(undone.user, undone.changed),
            used(undone.code, undone.now),
            *(step for link in undone.links for step in unlinked(link)),
        )
        return all(self._table.change_all(changes, [item for mail in undone.mails for item in waiting(mail)]))


def _left(change: NewLogin) -> Change:
    """Return the step that reserves or frees the login that the account leaves."""
    held, reservation = change.held, change.reservation
    key = items.login(held.login)
    if reservation is None:
        return Change(key, as_read(held), CREDENTIAL_STANDS)
    item = items.encode(key, reservation, ttl=reservation.reserved_until + LINGER)
    return Change(key, as_read(held), CREDENTIAL_STANDS, put=item)


def _moved(read: User, wanted: User) -> Change:
    """Return the step of the account itself, which fails unless it still stands as it was read."""
    step = standing.restood(read, wanted)
    values: dict[str, items.Value] = {
        "login": wanted.login,
        "verified_at": wanted.verified_at,
        "address_changed_at": wanted.address_changed_at,
    }
    members = "".join(f", #{member} = :{member}" for member in values)
    return replace(step, values={**step.values, **values}, set=step.set + members)


def _as_reserved(reservation: Reservation) -> dict[str, items.Value]:
    return {"owner": reservation.owner, "changed_at": reservation.changed_at}
