"""Identifiers and secrets that the service makes itself: lower-case base32, easy to select and to read aloud."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from base64 import b32encode
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""A source of that many random bytes; the composition root gives the operating system's."""

_CHECKSUM = 7  # base32 characters of a CRC-32


def new_id(prefix: str, entropy: Entropy) -> str:
    """Return `prefix` and 128 random bits."""
    return prefix + _base32(entropy(16))


def new_secret(prefix: str, entropy: Entropy) -> str:
    """Return `prefix`, 256 random bits and a checksum, so that a mistyped secret is known without a look-up."""
    return secret_of(prefix, entropy(32))


def secret_of(prefix: str, data: bytes) -> str:
    """Return the secret that these random or derived bytes make, with its checksum."""
    return with_checksum(prefix + _base32(data))


def with_checksum(text: str) -> str:
    """Return the text with its checksum behind it."""
    return text + _base32(zlib.crc32(text.encode()).to_bytes(4, "big"))


def checksum_holds(text: str) -> bool:
    """Say whether the text ends in its own checksum: it protects against typing errors, not against attacks."""
    return text.isascii() and with_checksum(text[:-_CHECKSUM]) == text


def fingerprint(secret: str) -> str:
    """Return the SHA-256 of a generated secret in hex: with 256 random bits there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same_fingerprint(secret: str, fingerprints: tuple[str, ...]) -> bool:
    """Say whether the secret is one of those stored. The time taken reveals nothing about them."""
    mine = fingerprint(secret)
    return sum(hmac.compare_digest(mine, other) for other in fingerprints) > 0  # a sum: every one is compared


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
