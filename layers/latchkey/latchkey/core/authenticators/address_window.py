"""What waits after a change of address, so that the owner of the former one has time to undo it."""

from __future__ import annotations

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import User

FORMER_LOGIN_HELD = 259_200
"""Seconds that a former login stays reserved, and that the change can be undone."""

ADDRESS_CHANGE_WAIT = 86_400
"""Seconds after a change of address in which no second change and no deletion of the account is possible.

After that, the password is enough, which both ask for. So a thief of the password cannot hide the first change at once.
"""


def require_settled_address(user: User, *, now: int) -> None:
    """Refuse what must wait after a change of address. Raises `ADDRESS_CHANGE_PENDING`, which says for how long."""
    wait = user.address_changed_at + ADDRESS_CHANGE_WAIT - now
    if user.address_changed_at and wait > 0:
        raise ServiceError(Errors.ADDRESS_CHANGE_PENDING, "the address has just changed", retry_after=wait)
