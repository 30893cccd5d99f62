"""New passwords: checked against the rules, then hashed."""

from __future__ import annotations

from latchkey.core.credentials.passwords import (
    SALT_BYTES,
    Argon2Cost,
    BlockList,
    PasswordRules,
    WeakPassword,
    check_password,
    hash_password,
)
from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.ids import Entropy


class NewPasswords:
    """Accepts new passwords, whether a person registers, changes a password or resets one."""

    def __init__(self, rules: PasswordRules, blocklist: BlockList, cost: Argon2Cost, entropy: Entropy) -> None:
        self._rules = rules
        self._blocklist = blocklist
        self._cost = cost
        self._entropy = entropy

    def hash(self, password: str, login: str) -> str:
        """Return the PHC string of a new password; raise `WEAK_PASSWORD` if this canonical login may not have it."""
        return hash_password(self._accepted(password, login), self._cost, self._entropy(SALT_BYTES))

    def _accepted(self, password: str, login: str) -> str:
        try:
            return check_password(password, login=login, rules=self._rules, blocklist=self._blocklist)
        except WeakPassword as error:
            fields = (FieldError("password", error.code, error.message),)
            raise ServiceError(Errors.WEAK_PASSWORD, error.code, fields=fields) from None
