"""Seals: texts that clients carry but can neither read nor change, and secrets that the table stores encrypted.

AES-256-GCM under the newest seal key. The purpose and the context (the route and the caller, or the key of an item) are
associated data, so a seal of one purpose or place opens in no other. The keys are a list: the newest seals, all open.
They are in a separate secret, so a function that only seals cannot sign.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.strict_json import StrictJsonError, integer_member, loads, string_member

KEY_BYTES = 32
NONCE_BYTES = 12
"""96 random bits (NIST SP 800-38D section 8.2.2): one key makes far fewer than 2^32 seals in its life."""

KEY_ID_BYTES = 8
MAX_SEALED = 4096
"""The longest sealed text that is looked at, in characters."""

MAX_SEAL_SECRET = 60 * 1024
"""The longest document of seal keys in bytes; Secrets Manager takes 65,536."""


class BadSeal(ValueError):
    """The text was not sealed here, for this purpose and this context, by a key that still opens it."""


class UnknownSealKey(BadSeal):
    """The text names a key that this copy of the keys does not have: another instance may have read newer ones."""


class BadSealKeys(ValueError):
    """A document of seal keys that is refused. The message names members and never quotes a value."""


@dataclass(frozen=True, slots=True)
class SealKey:
    """A seal key. `secret` has 256 bits, `key_id` is its name in a seal.

    A reset sets `at_rest_only`: the key no longer opens texts that clients carry, but still opens those in the table.
    """

    key_id: bytes
    secret: bytes = field(repr=False)
    created_at: int
    at_rest_only: bool = False

    def __post_init__(self) -> None:
        """Check the lengths."""
        if (len(self.key_id), len(self.secret)) != (KEY_ID_BYTES, KEY_BYTES):
            raise BadSealKeys("a key has the wrong length")

    def derive(self, purpose: str, context: str) -> bytes:
        """Return 256 bits that only a holder of this key can compute, always the same for a purpose and a context.

        HMAC-SHA-256 over a label that no seal has, so the output tells nothing about the seals of this key.
        """
        return hmac.digest(self.secret, b"derive " + _associated(purpose, context), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class SealKeys:
    """The seal keys, newest first. `version` rises with every change."""

    version: int
    keys: tuple[SealKey, ...]

    def __post_init__(self) -> None:
        """Check that there is a key that seals."""
        if not self.keys or self.keys[0].at_rest_only:
            raise BadSealKeys("there is no key that seals")

    @property
    def newest(self) -> SealKey:
        """The key that seals."""
        return self.keys[0]

    def find(self, key_id: bytes) -> SealKey | None:
        """Return the key of this id, if it is here."""
        return next((each for each in self.keys if each.key_id == key_id), None)

    def seal(self, purpose: str, context: str, content: bytes, entropy: Callable[[int], bytes]) -> str:
        """Return the sealed text of `content` as canonical base64url."""
        key, nonce = self.newest, entropy(NONCE_BYTES)
        sealed = AESGCM(key.secret).encrypt(nonce, content, _associated(purpose, context))
        return b64url_encode(key.key_id + nonce + sealed)

    def open(self, purpose: str, context: str, text: str, *, at_rest: bool = False) -> bytes:
        """Return the sealed content. Set `at_rest` if the table keeps it, and not a client. Raises `BadSeal`."""
        if len(text) > MAX_SEALED or not text.isascii():
            raise BadSeal("too long or not ASCII")
        try:
            data = b64url_decode(text)
        except ValueError:
            raise BadSeal("not base64url") from None
        key_id, nonce, sealed = (
            data[:KEY_ID_BYTES],
            data[KEY_ID_BYTES:][:NONCE_BYTES],
            data[KEY_ID_BYTES + NONCE_BYTES :],
        )
        key = self.find(key_id)
        if key is None:
            raise UnknownSealKey("sealed by no key at hand")
        if key.at_rest_only and not at_rest:
            raise BadSeal("sealed before a reset")
        try:
            return AESGCM(key.secret).decrypt(nonce, sealed, _associated(purpose, context))
        except (InvalidTag, ValueError):
            raise BadSeal("not sealed by this key for this purpose and context") from None

    def to_json(self) -> str:
        """Return the document, with all its secrets."""
        keys = [
            asdict(key) | {"key_id": b64url_encode(key.key_id), "secret": b64url_encode(key.secret)}
            for key in self.keys
        ]
        return json.dumps({"format": 1, "version": self.version, "keys": keys}, sort_keys=True, separators=(",", ":"))


def first_seal_keys(now: int, entropy: Callable[[int], bytes]) -> SealKeys:
    """Return version 1, with one key."""
    return SealKeys(1, (_new_key(now, entropy),))


def rotate_seal_keys(held: SealKeys, now: int, entropy: Callable[[int], bytes], *, keep: int) -> SealKeys:
    """Return the next version, with a new key in front, without the keys made more than `keep` seconds ago.

    A key at rest stays until what it sealed has been sealed again.
    """
    young = (key for key in held.keys if key.at_rest_only or now - key.created_at <= keep)
    return SealKeys(held.version + 1, (_new_key(now, entropy), *young))


def reset_seal_keys(held: SealKeys, now: int, entropy: Callable[[int], bytes]) -> SealKeys:
    """Return the next version after a leak: seals of the old keys that clients carry are rejected from now on."""
    old = (replace(key, at_rest_only=True) for key in held.keys)
    return SealKeys(held.version + 1, (_new_key(now, entropy), *old))


def parse_seal_keys(text: str) -> SealKeys:
    """Return the keys of a document. Unknown members are ignored. Raises `BadSealKeys`."""
    if len(text) > MAX_SEAL_SECRET:
        raise BadSealKeys("the document is too long")
    try:
        document = loads(text)
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise BadSealKeys("not a document of seal keys")
        return SealKeys(integer_member(document, "version"), tuple(_read_key(each) for each in document["keys"]))
    except StrictJsonError as error:
        raise BadSealKeys(str(error)) from None


def _read_key(members: object) -> SealKey:
    if not isinstance(members, dict):
        raise BadSealKeys("a key is not an object")
    at_rest_only = members.get("at_rest_only", False)
    if not isinstance(at_rest_only, bool):
        raise BadSealKeys("at_rest_only")
    try:
        key_id, secret = (b64url_decode(string_member(members, name)) for name in ("key_id", "secret"))
    except ValueError:
        raise BadSealKeys("key_id or secret") from None
    return SealKey(key_id, secret, integer_member(members, "created_at"), at_rest_only)


def _new_key(now: int, entropy: Callable[[int], bytes]) -> SealKey:
    return SealKey(entropy(KEY_ID_BYTES), entropy(KEY_BYTES), now)


def _associated(purpose: str, context: str) -> bytes:
    # With its length, no purpose runs into the context behind it.
    return f"latchkey {len(purpose)} {purpose} {context}".encode()
