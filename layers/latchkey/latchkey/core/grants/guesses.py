"""Where a password that someone presents at a sign-in is counted.

    a known device        a counter of its own; the address is not counted
    any other device      the counters of the address, and one that all such devices of the login share

So strangers who guess at a login lock out other strangers, and never its owner's devices.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.device_tokens import Device
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import MOST_FAILURES, LoginDevice, ThrottleStore, sign_ins_from, strangers_of


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at the password of a login, as it was counted.

    A known `device` has paid for it, or else the `address` and the strangers of the login. It is then number `failures`
    of their failures in a row, if it fails.
    """

    login: str
    now: int
    device: LoginDevice | None = None
    address: str = ""
    failures: int = 0

    @property
    def is_one_too_many(self) -> bool:
        """Whether strangers have failed so often that their passwords open nothing, where a reset by mail can help."""
        return self.failures > MOST_FAILURES


@dataclass(frozen=True, slots=True)
class Guesses:
    """Counts attempts before anything is hashed, and gives back those that were right."""

    store: ThrottleStore

    def reserve(self, login: str, device: Device | None, *, since: int, address: str, now: int) -> Attempt:
        """Count an attempt at a canonical login. Raises `RATE_LIMITED`.

        A device that was known at `since` or before has been forgotten: it is a stranger, and takes no room from the
        devices that are known now. An attempt that the login refuses still counts for the address.
        """
        if device and device.known_at > since:
            known = LoginDevice(login, device.device_id)
            if self.store.reserve_on_device(known, now):
                return Attempt(login, now, known)
        for counter in sign_ins_from(address):
            self.store.reserve_attempt(counter, now)
        failures = self.store.reserve_attempt(strangers_of(login), now)
        return Attempt(login, now, None, address, failures)

    def succeed(self, attempt: Attempt) -> None:
        """Start the counters of the login again, and give the attempt back to the address.

        The session is stored by then, so a table that fails here must not cost it.
        """
        try:
            if attempt.device:
                self.store.clear_device(attempt.device, attempt.now)
            else:
                self.store.clear(strangers_of(attempt.login), attempt.now)
                for counter in sign_ins_from(attempt.address):
                    self.store.give_back(counter, attempt.now)
        except ServiceError as error:
            if error.error is not Errors.UNAVAILABLE:
                raise
