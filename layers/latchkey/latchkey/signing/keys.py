"""Keys that verify, and their public form (RFC 7517, RFC 7518 section 6, RFC 8037).

A key knows its one algorithm, and a key too weak for it cannot be created: loading it raises an error. A verifier needs
only this module. The code that opens private keys is in `key_set`, which this module never imports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.strict_json import string_member

Material: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | bytes

LAST_GOOD = 900
"""Seconds after which a verifier of ours no longer uses keys that it cannot fetch again. It bounds a reset too."""

MIN_RSA_BITS = 2048
MIN_RSA_EXPONENT = 65537
MIN_SECRET_BYTES = 32
_P256_OCTETS = 32

# RFC 7518 section 6, RFC 8037 section 2: members that only a private or symmetric JWK has.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# RFC 7638 section 3.2: the members that identify a key.
_REQUIRED_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class Algorithm(StrEnum):
    """The signature algorithms that Latchkey signs with (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

    RS256 = "RS256"
    ES256 = "ES256"
    EdDSA = "EdDSA"
    HS256 = "HS256"


class InvalidKey(ValueError):
    """A key that is refused. The message never quotes it."""


class WeakKey(InvalidKey):
    """A key that is well-formed but too weak for its algorithm."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that proves signatures of one algorithm. `material` is a public key, or the secret of HS256.

    Raises `WeakKey` when made of too weak a key, `InvalidKey` when made of another algorithm's.
    """

    kid: str
    alg: Algorithm
    material: Material = field(repr=False)

    def __post_init__(self) -> None:
        _require_strength(self.alg, self.material)

    def to_jwk(self) -> dict[str, str]:
        """Return the public JWK (RFC 7517 section 4); raise `InvalidKey` for HS256, which has no public half."""
        return self._jwk(_public_members(self.material))

    def to_secret_jwk(self) -> dict[str, str]:
        """Return the JWK that holds a shared secret (RFC 7518 section 6.4); raise `InvalidKey` for a key pair."""
        if not isinstance(self.material, bytes):
            raise InvalidKey("a key pair is not a shared secret")
        return self._jwk({"kty": "oct", "k": b64url_encode(self.material)})

    def _jwk(self, members: Mapping[str, str]) -> dict[str, str]:
        return {**members, "use": "sig", "alg": self.alg.value, "kid": self.kid}


def verification_key_from_jwk(jwk: Mapping[str, object]) -> VerificationKey:
    """Return the key of a public JWK that names its `kid` and `alg`.

    Raises `InvalidKey` for one that is malformed, private, symmetric, or meant for anything but signatures;
    `WeakKey` for one that is too weak.
    """
    if not jwk.keys().isdisjoint(PRIVATE_MEMBERS):
        raise InvalidKey("a JWK with private members")
    if jwk.get("use", "sig") != "sig":
        raise InvalidKey("a JWK that is not for signatures")
    try:
        kid, alg = string_member(jwk, "kid"), Algorithm(string_member(jwk, "alg"))
        material = _READERS[string_member(jwk, "kty")](jwk)
    except InvalidKey:
        raise
    except (ValueError, KeyError):
        raise InvalidKey("a malformed or unknown JWK") from None
    return VerificationKey(kid, alg, material)


def thumbprint(jwk: Mapping[str, object]) -> str:
    """Return the SHA-256 thumbprint of a public JWK, in base64url (RFC 7638)."""
    members = {name: jwk[name] for name in _REQUIRED_MEMBERS[string_member(jwk, "kty")]}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return b64url_encode(hashlib.sha256(canonical.encode("utf-8")).digest())


def require_strong_secret(secret: bytes) -> None:
    """Raise `WeakKey` for less than 256 bits (RFC 7518 section 3.2), or for one octet over and over, as zeros are."""
    if len(secret) < MIN_SECRET_BYTES:
        raise WeakKey("a secret of less than 256 bits")
    if len(set(secret)) == 1:
        raise WeakKey("a secret that is one octet repeated")


def _require_strength(alg: Algorithm, material: Material) -> None:
    match alg, material:
        case Algorithm.RS256, RSAPublicKey():
            _require_strong_rsa(material)
        case Algorithm.ES256, EllipticCurvePublicKey():
            if not isinstance(material.curve, SECP256R1):
                raise InvalidKey("a curve that is not P-256")
        case Algorithm.HS256, bytes():
            require_strong_secret(material)
        case Algorithm.EdDSA, Ed25519PublicKey():
            pass
        case _:
            raise InvalidKey("a key of another algorithm")


def _require_strong_rsa(key: RSAPublicKey) -> None:
    exponent = key.public_numbers().e
    if key.key_size < MIN_RSA_BITS:  # RFC 7518 section 3.3
        raise WeakKey("an RSA key of less than 2048 bits")
    if exponent < MIN_RSA_EXPONENT or exponent % 2 == 0:  # FIPS 186-5 section 5.4
        raise WeakKey("an RSA exponent below 65537 or even")


def _public_members(material: Material) -> dict[str, str]:
    match material:
        case RSAPublicKey():
            rsa = material.public_numbers()
            return {"kty": "RSA", "n": _from_uint(rsa.n), "e": _from_uint(rsa.e)}
        case EllipticCurvePublicKey():
            point = material.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": _from_coordinate(point.x), "y": _from_coordinate(point.y)}
        case Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(material.public_bytes_raw())}
        case bytes():
            raise InvalidKey("a secret has no public half")


def _read_rsa(jwk: Mapping[str, object]) -> Material:
    return RSAPublicNumbers(e=_to_uint(jwk, "e"), n=_to_uint(jwk, "n")).public_key()


def _read_ec(jwk: Mapping[str, object]) -> Material:
    _require_curve(jwk, "P-256")
    x, y = (int.from_bytes(_octets(jwk, name, _P256_OCTETS), "big") for name in ("x", "y"))
    return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()  # a point off the curve is a ValueError


def _read_okp(jwk: Mapping[str, object]) -> Material:
    _require_curve(jwk, "Ed25519")
    return Ed25519PublicKey.from_public_bytes(b64url_decode(string_member(jwk, "x")))


_READERS: Mapping[str, Callable[[Mapping[str, object]], Material]] = {
    "RSA": _read_rsa,
    "EC": _read_ec,
    "OKP": _read_okp,
}


def _require_curve(jwk: Mapping[str, object], crv: str) -> None:
    if string_member(jwk, "crv") != crv:
        raise InvalidKey(f"a curve that is not {crv}")


def _octets(jwk: Mapping[str, object], name: str, length: int) -> bytes:
    octets = b64url_decode(string_member(jwk, name))
    if len(octets) != length:  # RFC 7518 section 6.2.1.2: leading zeros stay
        raise InvalidKey("a coordinate of another length")
    return octets


def _from_coordinate(number: int) -> str:
    return b64url_encode(number.to_bytes(_P256_OCTETS, "big"))


def _from_uint(number: int) -> str:
    return b64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _to_uint(jwk: Mapping[str, object], name: str) -> int:
    octets = b64url_decode(string_member(jwk, name))
    if octets[0] == 0:  # RFC 7518 section 2: Base64urlUInt has no leading zeros
        raise InvalidKey("a number with leading zeros")
    return int.from_bytes(octets, "big")
