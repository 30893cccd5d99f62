"""The secrets in mails: six digits, and the secret of a link. They are derived from a seal key, never drawn.

So a mail that is delivered twice shows the same digits and the same link, and no store holds either. The table keeps a
MAC of the digits: six digits are too few for a plain hash, since anyone who read the table could try all of them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from latchkey.core.ids import secret_of
from latchkey.core.mail.codes import spent
from latchkey.core.policy import SealSource
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.sealing import SealKey

DIGITS = 6
DIGITS_LIFE = 600
"""Seconds that digits live (NIST SP 800-63B-4 section 3.1.3.1 allows at most ten minutes for a short secret)."""

_DIGITS = "mailed digits"
_STORED = "stored digits"
_LINK = "mailed link"
_PROOF = "used proof"


@dataclass(frozen=True, slots=True)
class StoredDigits:
    """What the table keeps of digits: their MAC in hex, and the id of the seal key that made it (base64url)."""

    key_id: str
    mac: str


def mailed_digits(key: SealKey, mail_id: str) -> str:
    """Return the six digits of a mail. 256 bits modulo a million: the bias is below 2^-236."""
    return f"{int.from_bytes(key.derive(_DIGITS, mail_id)) % 10**DIGITS:0{DIGITS}d}"


def mailed_link_secret(key: SealKey, mail_id: str) -> str:
    """Return the secret in the link of a mail, with 256 bits and a checksum. No client knows the id of a mail."""
    return secret_of("", key.derive(_LINK, mail_id))


def stored_digits(key: SealKey, subject: str, digits: str) -> StoredDigits:
    """Return what to store of the digits. `subject` is the id of what they open: the MAC is worth nothing elsewhere."""
    return StoredDigits(key_id_of(key), _mac(key, subject, digits))


def require_digits(stored: StoredDigits, subject: str, digits: str, seals: SealSource) -> None:
    """Check the digits that a user presents, in constant time. Raises `CODE_USED_OR_EXPIRED`.

    Count the try before this. A reset of the keys ends all digits that were mailed before it.
    """
    key = key_in_force(seals, stored.key_id)
    if key is None or not hmac.compare_digest(_mac(key, subject, digits), stored.mac):
        raise spent("wrong digits" if key else "the seal key of the digits is gone")


def proof_mac(key: SealKey, subject: str, secret: str, text: str) -> str:
    """Return the MAC, in hex, of a proof that was accepted, to know the same proof again."""
    return key.derive(_PROOF, f"{subject} {secret} {text}").hex()


def key_id_of(key: SealKey) -> str:
    """Return the id of a seal key as the table keeps it."""
    return b64url_encode(key.key_id)


def key_in_force(seals: SealSource, key_id: str) -> SealKey | None:
    """Return the seal key of this id, unless it is gone or a reset has ended it.

    Reads the keys again for an id that is not at hand: another function may have used newer keys.
    """
    sought = b64url_decode(key_id)
    key = seals.seal_keys().find(sought) or seals.reread_seal_keys().find(sought)
    return None if key is None or key.at_rest_only else key


def _mac(key: SealKey, subject: str, digits: str) -> str:
    return key.derive(_STORED, f"{subject} {digits}").hex()
