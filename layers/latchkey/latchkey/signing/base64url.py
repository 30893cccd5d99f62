"""The one spelling that JOSE allows for bytes: base64url without padding (RFC 7515 section 2)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def b64url_encode(data: bytes) -> str:
    """Return the bytes in base64url, unpadded."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Return the bytes that a text spells.

    Raises `ValueError` unless it is their only spelling: no padding, no foreign character, no unused bit set
    (RFC 4648 section 3.5).
    """
    try:
        data = urlsafe_b64decode(text + "==")
    except ValueError:
        data = b""
    # The decoder of the standard library skips unknown characters. Encoding the result again shows whether it did.
    if b64url_encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
