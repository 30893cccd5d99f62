"""Device tokens: what a device keeps of its sign-ins, so that wrong passwords of strangers never lock its owner out.

A device token proves nothing and opens nothing. It only chooses the counter of a sign-in: a device that is known to the
login has a counter of its own, and all others share one (OWASP, "Device cookies").

    lkd1.<id of the device>.<time of issue>.<HMAC-SHA-256 over login, id and time, under a seal key>
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import Entropy, new_id
from latchkey.core.policy import SealSource
from latchkey.signing.base64url import b64url_encode
from latchkey.signing.sealing import SealKey

DEVICE_LIFE = 34_560_000
"""Seconds that a device stays known after its last sign-in: 400 days, as long as a browser keeps a cookie."""

_PURPOSE = "known device"
_SHAPE = re.compile(r"lkd1\.([a-z2-7]{26})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is known to a login since its token was issued at `known_at`."""

    device_id: str
    known_at: int


@dataclass(frozen=True, slots=True)
class DeviceTokens:
    """Issues and reads device tokens. While there are no seal keys, every device is unknown, and sign-ins go on."""

    seals: SealSource
    entropy: Entropy

    def issue(self, login: str, *, now: int, since: int, device: Device | None = None) -> str:
        """Return a token for a device of a canonical login, or an empty text while there are no seal keys.

        `since` is `devices_since` of the credential: the new token is always later. A device that is known keeps its
        id, and with it its counter.
        """
        keys = self._keys()
        if not keys:
            return ""
        device_id = device.device_id if device else new_id("", self.entropy)
        known_at = max(now, since + 1)
        return f"lkd1.{device_id}.{known_at}.{_mac(keys[0], login, device_id, known_at)}"

    def read(self, text: str, login: str, *, now: int) -> Device | None:
        """Return the device that a token names for a canonical login; `None` for every other text.

        A key that another instance has read a moment earlier is not looked for: until then, the device is unknown.
        """
        parts = _SHAPE.fullmatch(text)
        if parts is None:
            return None
        device = Device(parts[1], int(parts[2]))
        if now - device.known_at >= DEVICE_LIFE:
            return None
        macs = [_mac(key, login, device.device_id, device.known_at) for key in self._keys()]
        return device if any(hmac.compare_digest(mac, parts[3]) for mac in macs) else None

    def _keys(self) -> tuple[SealKey, ...]:
        """Return the keys whose seals clients may still carry, newest first; none if they cannot be read."""
        try:
            keys = self.seals.seal_keys().keys
        except ServiceError as error:
            if error.error is not Errors.UNAVAILABLE:
                raise
            return ()
        return tuple(key for key in keys if not key.at_rest_only)


def _mac(key: SealKey, login: str, device_id: str, known_at: int) -> str:
    return b64url_encode(key.derive(_PURPOSE, f"{device_id} {known_at} {login}"))
