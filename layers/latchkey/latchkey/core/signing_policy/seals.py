"""The seal keys in operation: filled by the first rotation, rotated with the signing keys, reset with them.

The caller holds the lease of the signing policy, so there is one writer at a time. Every step may be repeated.
"""

from __future__ import annotations

from latchkey.core.signing_policy.store import SealSecret
from latchkey.signing.policy import Moment
from latchkey.signing.sealing import SealKeys, first_seal_keys, parse_seal_keys, reset_seal_keys, rotate_seal_keys

SEAL_LIFE = 34_560_000
"""Seconds that a seal is good for at most: 400 days, the life of the longest-lived thing that a client carries."""

ROTATION_PAUSE = 86_400
"""Seconds between two new seal keys, so that a rotation that is repeated makes one key."""

_EMPTY = "{}"


class SealWriter:
    """Changes the seal keys."""

    def __init__(self, secret: SealSecret) -> None:
        self._secret = secret

    def rotate(self, moment: Moment) -> None:
        """Make a new key, unless the newest is younger than a day; make the first one if there is none."""
        held = self._read()
        if held is None:
            self._secret.put(first_seal_keys(moment.now, moment.entropy).to_json())
        elif moment.now - held.keys[0].created_at >= ROTATION_PAUSE:
            self._secret.put(rotate_seal_keys(held, moment.now, moment.entropy, keep=SEAL_LIFE).to_json())

    def reset(self, moment: Moment) -> None:
        """Make a new key after a leak. Seals of the old keys that clients carry are rejected from now on."""
        held = self._read()
        keys = (
            reset_seal_keys(held, moment.now, moment.entropy) if held else first_seal_keys(moment.now, moment.entropy)
        )
        self._secret.put(keys.to_json())

    def _read(self) -> SealKeys | None:
        text = self._secret.current()
        return None if text.strip() == _EMPTY else parse_seal_keys(text)
