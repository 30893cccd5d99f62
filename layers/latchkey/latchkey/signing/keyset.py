"""Keys that sign, and their life: `next`, `current`, `previous`, gone.

A key is published before it signs and verifies after it has signed, so that nobody's cache ever misses:

    published_at        activated_at             rotation                    retire_at
         |---- next ---------|------- current -------|------- previous ----------|  gone
         |-- PUBLISH_LEAD at least --|               |-- longest token + MARGIN -|
"""

from __future__ import annotations

from collections.abc import Callable
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

KeyPair: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

POLICY_CACHE = 60
"""Seconds for which a function may go on with the signing policy it has read."""

PUBLISH_LEAD = 300 + POLICY_CACHE
"""Seconds between publishing a key and signing with it: verifiers keep a JWKS for up to 300 s, and whoever publishes
may have read the policy before."""

RETIRE_MARGIN = POLICY_CACHE + 30 + 60
"""Seconds that a key verifies beyond the life of the last token it signed: a function may sign with a policy it has
read before the rotation, verifiers have up to 30 s of leeway, and API Gateway keeps an authorizer's answer for 60 s."""

RSA_BITS = 3072
_RSA_EXPONENT = 65537
_SECRET_BYTES = 32
_ID_BYTES = 16


class KeyState(StrEnum):
    """What a signing key is for."""

    NEXT = "next"  # published, signs nothing yet
    CURRENT = "current"  # signs
    PREVIOUS = "previous"  # verifies what it has signed


class TooEarly(ValueError):
    """The next key may not sign yet: some verifier may not have it. `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the next key may sign in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class SigningKey:
    """A key that signs. `private` is a PKCS #8 PEM or, for HS256, the secret in base64url.

    `max_ttl` is the longest life, in seconds, of any token it has signed or may sign now. Raises `InvalidKey` or
    `WeakKey` when made of a `private` that cannot serve.
    """

    kid: str
    alg: Algorithm
    state: KeyState
    private: str = field(repr=False)
    published_at: int
    activated_at: int | None = None
    retire_at: int | None = None
    max_ttl: int = 0

    def __post_init__(self) -> None:
        self.verification_key()
        if (self.retire_at is None) == (self.state is KeyState.PREVIOUS):
            raise InvalidKey("previous keys, and only they, have a retire_at")

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
    """The signing keys: one `current`, one `next`, any number of `previous` ones. Raises `InvalidKey` otherwise."""

    keys: tuple[SigningKey, ...]

    def __post_init__(self) -> None:
        states = [key.state for key in self.keys]
        if states.count(KeyState.CURRENT) != 1 or states.count(KeyState.NEXT) != 1:
            raise InvalidKey("not one current and one next key")
        if len({key.kid for key in self.keys}) != len(self.keys):
            raise InvalidKey("two keys with one kid")

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return next(key for key in self.keys if key.state is KeyState.CURRENT)

    @property
    def next(self) -> SigningKey:
        """The key that will sign after the next rotation."""
        return next(key for key in self.keys if key.state is KeyState.NEXT)

    def find(self, kid: str, now: int) -> VerificationKey | None:
        """Return the key that verifies tokens with this `kid`; a retired one is absent."""
        return next((key.verification_key() for key in self.keys if key.kid == kid and key.lives(now)), None)

    def jwks(self, now: int) -> dict[str, list[dict[str, str]]]:
        """Return the public JWK Set (RFC 7517 section 5); secrets of HS256 have no place in it."""
        public = (key for key in self.keys if key.alg is not Algorithm.HS256 and key.lives(now))
        return {"keys": [key.verification_key().to_jwk() for key in public]}

    def signing_for(self, ttl: int) -> KeySet:
        """Return the set whose current key is kept long enough for tokens that live `ttl` seconds."""
        current = self.current
        return replace(self, keys=tuple(_signing_for(key, ttl) if key is current else key for key in self.keys))

    def rotate(self, now: int, ttl: int, fresh: SigningKey) -> KeySet:
        """Return the set after one rotation: `next` signs, `current` only verifies, `fresh` is published.

        `ttl` is the life of access tokens in seconds. Raises `TooEarly` while some verifier may not know `next`.
        """
        wait = self.next.published_at + PUBLISH_LEAD - now
        if wait > 0:
            raise TooEarly(wait)
        activated = replace(_signing_for(self.next, ttl), state=KeyState.CURRENT, activated_at=now)
        previous = (key for key in self.keys if key.state is KeyState.PREVIOUS and key.lives(now))
        return KeySet((fresh, activated, _retired(_signing_for(self.current, ttl), now), *previous))


def generate(
    alg: Algorithm, *, now: int, entropy: Callable[[int], bytes], state: KeyState = KeyState.NEXT
) -> SigningKey:
    """Return a new key. Its `kid` is its thumbprint (RFC 7638) or, for HS256, 128 random bits that tell nothing.

    Key pairs come from OpenSSL's own generator, which takes no seed; secrets and ids from `entropy`.
    """
    if alg is Algorithm.HS256:
        kid, private = b64url_encode(entropy(_ID_BYTES)), b64url_encode(entropy(_SECRET_BYTES))
    else:
        key = _generate_pair(alg)
        kid, private = _kid(alg, key), _pem(key)
    return SigningKey(kid, alg, state, private, published_at=now, activated_at=_activation(state, now))


def _generate_pair(alg: Algorithm) -> KeyPair:
    match alg:
        case Algorithm.ES256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.EdDSA:
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS)


def _kid(alg: Algorithm, key: KeyPair) -> str:
    return thumbprint(VerificationKey("", alg, key.public_key()).to_jwk())


def _pem(key: KeyPair) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _activation(state: KeyState, now: int) -> int | None:
    return now if state is KeyState.CURRENT else None


def _signing_for(key: SigningKey, ttl: int) -> SigningKey:
    return replace(key, max_ttl=max(key.max_ttl, ttl))


def _retired(key: SigningKey, now: int) -> SigningKey:
    return replace(key, state=KeyState.PREVIOUS, retire_at=now + key.max_ttl + RETIRE_MARGIN)


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
