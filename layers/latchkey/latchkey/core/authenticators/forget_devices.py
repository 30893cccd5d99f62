"""Forgetting the known devices of an account. There is no list of them, so all are forgotten at once."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.store import DeviceStore
from latchkey.core.credentials.device_tokens import DeviceTokens
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore


@dataclass(frozen=True, slots=True)
class ForgetDevices:
    """Forgets the known devices of an account whose owner asks for it."""

    known: DeviceStore
    sessions: SessionStore
    devices: DeviceTokens
    ownership: Ownership
    journal: Journal

    def __call__(self, sub: str, sid: str, password: str, *, now: int) -> str:
        """Let every known device count as unknown, and return a device token for the one that asks. Sessions go on.

        Raises `CONFLICT`, and as `Ownership.prove_password` does: the thief of a bearer token must not expose the owner
        to the strangers who guess at the login.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        held = self.ownership.prove_password(user, session, password, now=now)
        if not self.known.forget_devices(held, now):
            raise ServiceError(Errors.CONFLICT, "the account changed meanwhile")
        self.journal.record(Event("devices_forgotten", sub=sub, sid=sid))
        return self.devices.issue(held.login, now=now, since=now)
