"""Keys that sign, and their life: `next`, `current`, `previous`, gone.

A key is published before it signs, and still verifies after it has stopped signing. So no cache ever lacks a key:

    published_at        activates_at             its heir activates          retire_at
         |---- next ---------|------- current -------|------- previous ----------|  gone
         |-- publish_lead at least --|               |-- longest token + retire_margin --|

A change of keys is written once, ahead of time. The state of a key at a moment follows from the times alone (`at`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.keys import Algorithm, InvalidKey, VerificationKey, thumbprint
from latchkey.signing.tokens import MAX_LEEWAY

KeyPair: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 2048
"""The default size of an RSA key."""

_RSA_EXPONENT = 65537
_SECRET_BYTES = 32
_ID_BYTES = 16


class KeyState(StrEnum):
    """The state of a signing key."""

    NEXT = "next"  # published, signs nothing yet
    CURRENT = "current"  # signs
    PREVIOUS = "previous"  # verifies what it has signed


@dataclass(frozen=True, slots=True)
class Caches:
    """How long, in seconds, others may use an earlier copy.

    `policy`: a function, with the policy it has read. `jwks`: a verifier, with the public keys. `authorizer`: API
    Gateway, with an authorizer's answer.
    """

    policy: int = 60
    jwks: int = 300
    authorizer: int = 60

    @property
    def staging(self) -> int:
        """Seconds that a rotation has between making a key and publishing it."""
        return 2 * self.policy

    @property
    def publish_lead(self) -> int:
        """Seconds between the making of a key and the first moment that every verifier has it."""
        return self.staging + self.policy + self.jwks

    @property
    def retire_margin(self) -> int:
        """Seconds that a key verifies beyond the life of the last token it should have signed.

        A function may sign with a policy it has read before the change was put in force, and a verifier's clock may be
        behind.
        """
        return self.staging + self.policy + MAX_LEEWAY + self.authorizer

    @property
    def name_margin(self) -> int:
        """Seconds that an issuer or an audience is accepted beyond the life of the last token that should carry it.

        The end of a name is published, unlike the end of a key. A change may postpone or cancel the end while verifiers
        still hold the earlier one. So the end comes only after their copies have expired.
        """
        return self.retire_margin + self.jwks


@dataclass(frozen=True)
class SigningKey:
    """A key that signs. `private` is a PKCS #8 PEM or, for HS256, the secret in base64url.

    `activates_at` is when a `next` key begins to sign, if that is decided. `retire_at` is when the key stops verifying:
    every `previous` key has one, and so has a `current` key with an heir. `max_ttl` is the longest life, in seconds, of
    any token it has signed or may sign. `unknown` holds the members that a newer release has added to the key. Raises
    `InvalidKey` or `WeakKey` if `private` is not usable.
    """

    kid: str
    alg: Algorithm
    state: KeyState
    private: str = field(repr=False)
    published_at: int
    activates_at: int | None = None
    retire_at: int | None = None
    max_ttl: int = 0
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        self.verification_key()
        if self.state is KeyState.PREVIOUS and self.retire_at is None:
            raise InvalidKey("a previous key without a retire_at")
        if self.state is KeyState.NEXT and self.retire_at is not None:
            raise InvalidKey("a next key with a retire_at")

    @cached_property
    def material(self) -> KeyPair | bytes:
        """The private key, parsed once: parsing costs far more than signing."""
        if self.alg is Algorithm.HS256:
            return _secret(self.private)
        return _private_key(self.private)

    def verification_key(self) -> VerificationKey:
        """Return the half that verifies."""
        material = self.material
        return VerificationKey(self.kid, self.alg, material if isinstance(material, bytes) else material.public_key())

    def lives(self, now: int) -> bool:
        """Say whether the key still verifies."""
        return self.retire_at is None or now < self.retire_at


@dataclass(frozen=True)
class KeySet:
    """The signing keys. Raises `InvalidKey` unless the following holds.

    There are one `current` key, one spare `next` key without a time to sign, at most one heir (a `next` key with a time
    to sign), and any number of `previous` keys. The current key has a time to retire if and only if there is an heir.
    """

    keys: tuple[SigningKey, ...]

    def __post_init__(self) -> None:
        waiting = [key.activates_at is None for key in self.keys if key.state is KeyState.NEXT]
        if len(self._of(KeyState.CURRENT)) != 1 or waiting.count(True) != 1 or waiting.count(False) > 1:
            raise InvalidKey("not one current key, one spare and at most one heir")
        if (self.current.retire_at is None) != (self.heir is None):
            raise InvalidKey("a current key retires when it has an heir, and only then")
        if len({key.kid for key in self.keys}) != len(self.keys):
            raise InvalidKey("two keys with one kid")

    @property
    def current(self) -> SigningKey:
        """The key that signs until the heir's time has come."""
        return self._of(KeyState.CURRENT)[0]

    @property
    def spare(self) -> SigningKey:
        """The key that is published for a rotation yet to come."""
        return next(key for key in self._of(KeyState.NEXT) if key.activates_at is None)

    @property
    def heir(self) -> SigningKey | None:
        """The key whose time to sign is decided, if there is one."""
        return next((key for key in self._of(KeyState.NEXT) if key.activates_at is not None), None)

    def at(self, now: int) -> KeySet:
        """Return the set at that time: the heir has replaced the current key if its time has come."""
        heir = self.heir
        if heir is None or not _has_begun(heir, now):
            return self
        moved = {heir: KeyState.CURRENT, self.current: KeyState.PREVIOUS}
        return KeySet(tuple(replace(key, state=moved.get(key, key.state)) for key in self.keys))

    def signer(self, now: int) -> SigningKey:
        """Return the key that signs at that time, as it stands here: it has been parsed before."""
        heir = self.heir
        return heir if heir and _has_begun(heir, now) else self.current

    def find(self, kid: str, now: int) -> VerificationKey | None:
        """Return the key that verifies tokens with this `kid`; a retired one is absent."""
        return next((key.verification_key() for key in self.keys if key.kid == kid and key.lives(now)), None)

    def published(self, now: int) -> tuple[SigningKey, ...]:
        """Return the live keys that have a public half; secrets of HS256 have none."""
        return tuple(key for key in self.keys if key.alg is not Algorithm.HS256 and key.lives(now))

    def signing_for(self, ttl: int, caches: Caches) -> KeySet:
        """Return the set whose signing keys are kept long enough for tokens that live `ttl` seconds."""
        current, heir = _signing_for(self.current, ttl), self.heir
        if heir is None:
            return _waiting(self, current, self.spare)
        heir = _signing_for(heir, ttl)
        return _waiting(self, _retiring(current, heir, caches), heir, self.spare)

    def rotate(self, now: int, ttl: int, fresh: SigningKey, caches: Caches) -> KeySet:
        """Return the set in which the spare key signs as soon as every verifier has it, and `fresh` is the new spare.

        `ttl` is the life of access tokens in seconds. If there is an heir already, nothing changes.
        """
        settled = self.at(now)
        if settled.heir:
            return settled
        ready = max(now, settled.spare.published_at + caches.publish_lead)
        return _succeeded(settled, replace(settled.spare, activates_at=ready), ttl, fresh, caches).at(now)

    def hand_over(self, now: int, ttl: int, heir: SigningKey, spare: SigningKey, caches: Caches) -> KeySet:
        """Return the set in which two fresh keys of another algorithm replace the keys that wait."""
        heir = replace(heir, activates_at=now + caches.publish_lead)
        return _succeeded(self.at(now).disinherited(now, caches), heir, ttl, spare, caches)

    def disinherited(self, now: int, caches: Caches) -> KeySet:
        """Return the set without an heir.

        A function may have read about the heir before this change, and let it sign until it reads again. So the key
        still verifies.
        """
        heir = self.heir
        if heir is None:
            return self
        stays = replace(self.current, retire_at=None)
        if not _has_begun(heir, now + caches.staging + caches.policy):
            return _waiting(self, stays, self.spare)
        retire_at = now + heir.max_ttl + caches.retire_margin
        verifies = replace(heir, state=KeyState.PREVIOUS, retire_at=retire_at)
        return KeySet((self.spare, stays, verifies, *self._of(KeyState.PREVIOUS)))

    def stocked(self, spare: SigningKey) -> KeySet:
        """Return the set with another spare key. The old spare key has signed nothing."""
        return KeySet((spare, *(key for key in self.keys if key is not self.spare)))

    def without_dead(self, now: int) -> KeySet:
        """Return the set without the keys that verify nothing any more."""
        return KeySet(tuple(key for key in self.keys if key.lives(now)))

    def _of(self, state: KeyState) -> tuple[SigningKey, ...]:
        return tuple(key for key in self.keys if key.state is state)


def generate(
    alg: Algorithm,
    *,
    now: int,
    entropy: Callable[[int], bytes],
    state: KeyState = KeyState.NEXT,
    rsa_bits: int = RSA_BITS,
) -> SigningKey:
    """Return a new key. Its `kid` is its thumbprint (RFC 7638) or, for HS256, 128 random bits that reveal nothing.

    The octets of an HS256 key are the 43 characters in which 256 random bits are written. JWT libraries take a text as
    the key and use its bytes, so an operator can paste it as it is. Key pairs come from OpenSSL's own generator, which
    takes no seed; secrets and ids from `entropy`.
    """
    if alg is Algorithm.HS256:
        kid, text = b64url_encode(entropy(_ID_BYTES)), b64url_encode(entropy(_SECRET_BYTES))
        private = b64url_encode(text.encode("ascii"))
    else:
        key = _generate_pair(alg, rsa_bits)
        kid, private = _kid(alg, key), _pem(key)
    activates_at = now if state is KeyState.CURRENT else None
    return SigningKey(kid, alg, state, private, published_at=now, activates_at=activates_at)


def _generate_pair(alg: Algorithm, rsa_bits: int) -> KeyPair:
    match alg:
        case Algorithm.ES256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.EdDSA:
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(_RSA_EXPONENT, rsa_bits)


def _kid(alg: Algorithm, key: KeyPair) -> str:
    return thumbprint(VerificationKey("", alg, key.public_key()).to_jwk())


def _pem(key: KeyPair) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _succeeded(keys: KeySet, heir: SigningKey, ttl: int, spare: SigningKey, caches: Caches) -> KeySet:
    heir = _signing_for(heir, ttl)
    return _waiting(keys, _retiring(_signing_for(keys.current, ttl), heir, caches), heir, spare)


def _waiting(keys: KeySet, *live: SigningKey) -> KeySet:
    """Return a set of the keys that sign or wait to sign, oldest last, followed by the previous keys."""
    return KeySet((*reversed(live), *(key for key in keys.keys if key.state is KeyState.PREVIOUS)))


def _signing_for(key: SigningKey, ttl: int) -> SigningKey:
    return replace(key, max_ttl=max(key.max_ttl, ttl))


def _has_begun(heir: SigningKey, now: int) -> bool:
    return heir.activates_at is not None and heir.activates_at <= now


def _retiring(key: SigningKey, heir: SigningKey, caches: Caches) -> SigningKey:
    """Return the key with the time at which the last token that it signs before its heir has certainly expired."""
    return replace(key, retire_at=(heir.activates_at or 0) + key.max_ttl + caches.retire_margin)


def _secret(text: str) -> bytes:
    try:
        return b64url_decode(text)
    except ValueError:
        raise InvalidKey("a secret that is not base64url") from None


def _private_key(pem: str) -> KeyPair:
    try:
        # Our own key, out of our own secret: proving its primes again would cost 94 ms at every cold start.
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKey("a private key that cannot be read") from None
    if not isinstance(key, KeyPair):
        raise InvalidKey("a private key of an unknown kind")
    return key
