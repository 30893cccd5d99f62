"""Read a token without verifying it, and forge one that every verifier should reject."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any


def header(token: str) -> dict[str, Any]:
    """Return the header of a token."""
    return _part(token, 0)


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a token."""
    return _part(token, 1)


def kid(token: str) -> str:
    """Return the name of the key that signed a token."""
    return str(header(token)["kid"])


def forged(token: str, secret: bytes, **changes: Any) -> str:
    """Return a token with these claims, otherwise as it was, signed as HS256 with this secret.

    Built by hand, because PyJWT rejects a public key as a secret.
    """
    parts = (header(token) | {"alg": "HS256"}, claims(token) | changes)
    signing_input = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    return (signing_input + b"." + encoded(hmac.digest(secret, signing_input, hashlib.sha256))).decode()


def encoded(data: bytes) -> bytes:
    """Return base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=")


def _part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded
