"""Give the signing policy the issuer and the signing key of the options, before the twin serves."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from latchkey.core.signing_policy.rotation import public_half
from latchkey.core.signing_policy.store import PublicKeyStore, SigningSecret
from latchkey.signing.key_set import Caches, KeySet, KeyState, SigningKey, generate
from latchkey.signing.keys import Algorithm, InvalidKey, VerificationKey, thumbprint
from latchkey.signing.names import Name
from latchkey.signing.policy import SigningPolicy

if TYPE_CHECKING:
    from pathlib import Path

KeyPair: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

_ALGORITHMS = {
    RSAPrivateKey: Algorithm.RS256,
    EllipticCurvePrivateKey: Algorithm.ES256,
    Ed25519PrivateKey: Algorithm.EdDSA,
}


class UnusableKey(ValueError):
    """The file holds no private key that the twin can sign with."""


def read_key(path: Path) -> KeyPair:
    """Return the private key of a PEM file: RSA of 2048 bits or more, P-256 or Ed25519. Raise `UnusableKey`."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"{path}: {error}") from error
    if not isinstance(key, KeyPair):
        raise UnusableKey(f"{path}: not an RSA, P-256 or Ed25519 key")
    try:
        _kid(key)
    except InvalidKey as error:
        raise UnusableKey(f"{path}: {error}") from error
    return key


def adjust(policy: SigningPolicy, *, issuer: str, key: KeyPair | None, now: int) -> SigningPolicy:
    """Return the policy with this issuer and, if there is one, this signing key; the same object if nothing changes."""
    wanted = policy if policy.issuers.minted(now) == issuer else replace(policy, issuers=Name(issuer))
    if key is not None and policy.keys.current.kid != _kid(key):
        wanted = _signing_with(wanted, key, now)
    return policy if wanted == policy else replace(wanted, version=policy.version + 1)


def put_in_force(policy: SigningPolicy, keys: PublicKeyStore, secret: SigningSecret) -> None:
    """Publish the public keys of a policy, then make the policy current, as a rotation does."""
    keys.publish_keys(public_half(policy, policy.made_at))
    token = str(uuid.uuid4())
    secret.put_pending(token, policy.to_json())
    secret.promote(token)


def _signing_with(policy: SigningPolicy, key: KeyPair, now: int) -> SigningPolicy:
    """Return the policy with this key as its current key, as if both its keys were published long ago."""
    algorithm, long_ago = _algorithm(key), now - Caches().publish_lead
    known = SigningKey(_kid(key), algorithm, KeyState.CURRENT, _pem(key), long_ago, now, max_ttl=policy.access_ttl)
    spare = policy.keys.spare
    if spare.alg is not algorithm:
        spare = generate(algorithm, now=long_ago, entropy=secrets.token_bytes)
    return replace(policy, algorithm=algorithm, made_at=now, keys=KeySet((spare, known)))


def _algorithm(key: KeyPair) -> Algorithm:
    return next(algorithm for kind, algorithm in _ALGORITHMS.items() if isinstance(key, kind))


def _kid(key: KeyPair) -> str:
    return thumbprint(VerificationKey("", _algorithm(key), key.public_key()).to_jwk())


def _pem(key: KeyPair) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
