"""The public keys of partners: each verifies with one algorithm, which it was registered with (RFC 7518, RFC 8037).

Partners may use more algorithms than Latchkey signs with, but never a shared secret: anyone who can verify with a
shared secret can also sign with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.keys import (
    MIN_RSA_BITS,
    MIN_RSA_EXPONENT,
    PRIVATE_MEMBERS,
    InvalidKey,
    WeakKey,
    thumbprint,
)
from latchkey.signing.strict_json import string_member

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_MAX_RSA_BITS = 8192
"""The cost of verifying grows with the square of this, and the operator who registers a key chooses it."""


class AssertionAlgorithm(StrEnum):
    """How a partner may sign (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EdDSA = "EdDSA"


_CURVES: Mapping[AssertionAlgorithm, tuple[str, EllipticCurve, int]] = {
    AssertionAlgorithm.ES256: ("P-256", SECP256R1(), 32),
    AssertionAlgorithm.ES384: ("P-384", SECP384R1(), 48),
    AssertionAlgorithm.ES512: ("P-521", SECP521R1(), 66),
}
"""The curve of an algorithm: its name, itself, and the octets of a coordinate (RFC 7518 section 6.2.1.2)."""


@dataclass(frozen=True, slots=True)
class AssertionKey:
    """A key that proves assertions of one algorithm. Raises `InvalidKey`, or `WeakKey`, when the two do not fit."""

    kid: str
    alg: AssertionAlgorithm
    material: PublicKey = field(repr=False)

    def __post_init__(self) -> None:
        match self.material:
            case RSAPublicKey():
                self._require(self.alg[:2] in {"RS", "PS"})
                _require_strong_rsa(self.material)
            case EllipticCurvePublicKey():
                self._require(self.alg in _CURVES and isinstance(self.material.curve, type(_CURVES[self.alg][1])))
            case Ed25519PublicKey():
                self._require(self.alg is AssertionAlgorithm.EdDSA)

    def to_jwk(self) -> dict[str, str]:
        """Return the public JWK (RFC 7517 section 4)."""
        return {**self._members(), "use": "sig", "alg": self.alg.value, "kid": self.kid}

    def _members(self) -> dict[str, str]:
        match self.material:
            case RSAPublicKey():
                numbers = self.material.public_numbers()
                return {"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)}
            case EllipticCurvePublicKey():
                name, _, octets = _CURVES[self.alg]
                point = self.material.public_numbers()
                x, y = (b64url_encode(each.to_bytes(octets, "big")) for each in (point.x, point.y))
                return {"kty": "EC", "crv": name, "x": x, "y": y}
            case Ed25519PublicKey():
                return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(self.material.public_bytes_raw())}

    def _require(self, fits: object) -> None:
        if not fits:
            raise InvalidKey("the key is not one of its algorithm")


def assertion_key_from_jwk(jwk: Mapping[str, object], *, kid: str = "", alg: str = "") -> AssertionKey:
    """Return the key of a public JWK; `kid` and `alg` stand in for members that it lacks.

    Without both, its `kid` is its thumbprint, and its algorithm is the usual one of its kind: a JWKS need not name
    either (RFC 7517 section 4), and Entra's does not name `alg`.

    Raises `InvalidKey` for one that is malformed, private, symmetric, meant for anything but signatures or for another
    algorithm than `alg`; `WeakKey` for one that is too weak.
    """
    if not jwk.keys().isdisjoint(PRIVATE_MEMBERS):
        raise InvalidKey("a JWK with private members")
    if jwk.get("use", "sig") != "sig" or jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise InvalidKey("a JWK that is not for signatures")
    try:
        material = _material(jwk)
        algorithm = AssertionAlgorithm(string_member({"alg": alg or _usual(material)} | dict(jwk), "alg"))
        name = string_member({"kid": kid or thumbprint(jwk)} | dict(jwk), "kid")
    except InvalidKey:
        raise
    except (ValueError, KeyError, UnsupportedAlgorithm):
        raise InvalidKey("a malformed or unknown JWK") from None
    if alg not in {"", algorithm} or kid not in {"", name}:
        raise InvalidKey("a JWK that names another alg or kid")
    return AssertionKey(name, algorithm, material)


def assertion_key_from_pem(pem: str, *, kid: str, alg: str) -> AssertionKey:
    """Return the key of a public key in PEM (RFC 7468 section 13); without `alg`, with the usual one of its kind.

    Raises as `assertion_key_from_jwk` does.
    """
    try:
        material = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey("not a public key in PEM") from None
    if not isinstance(material, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise InvalidKey("a kind of key that signs nothing here")
    try:
        algorithm = AssertionAlgorithm(alg or _usual(material))
    except ValueError:
        raise InvalidKey("an unknown algorithm") from None
    return AssertionKey(kid or thumbprint(AssertionKey("", algorithm, material).to_jwk()), algorithm, material)


def _usual(material: PublicKey) -> str:
    """Return the algorithm of a key for which none is named: RS256, that of its curve, or EdDSA."""
    match material:
        case RSAPublicKey():
            return AssertionAlgorithm.RS256
        case EllipticCurvePublicKey():
            return next((alg for alg, (_, curve, _) in _CURVES.items() if isinstance(material.curve, type(curve))), "")
        case Ed25519PublicKey():
            return AssertionAlgorithm.EdDSA


def _material(jwk: Mapping[str, object]) -> PublicKey:
    match string_member(jwk, "kty"):
        case "RSA":
            return RSAPublicNumbers(e=_number(jwk, "e"), n=_number(jwk, "n")).public_key()
        case "EC":
            curve, octets = _curve(string_member(jwk, "crv"))
            x, y = (_number(jwk, member, octets) for member in ("x", "y"))
            return EllipticCurvePublicNumbers(x, y, curve).public_key()  # a point off the curve is a ValueError
        case "OKP":
            if string_member(jwk, "crv") != "Ed25519":
                raise InvalidKey("a curve that is not Ed25519")
            return Ed25519PublicKey.from_public_bytes(b64url_decode(string_member(jwk, "x")))
        case _:
            raise InvalidKey("a kind of key that is not public")


def _curve(crv: str) -> tuple[EllipticCurve, int]:
    """Return a curve by its name, and the octets of a coordinate."""
    for name, curve, octets in _CURVES.values():
        if name == crv:
            return curve, octets
    raise InvalidKey("a curve that is none of P-256, P-384 and P-521")


def _require_strong_rsa(key: RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if key.key_size < MIN_RSA_BITS or numbers.e < MIN_RSA_EXPONENT or numbers.e % 2 == 0:
        raise WeakKey("an RSA key that is too weak")
    if key.key_size > _MAX_RSA_BITS or numbers.e.bit_length() > 32:  # noqa: PLR2004 - bits of an exponent
        raise InvalidKey("an RSA key that is too large")


def _number(jwk: Mapping[str, object], name: str, octets: int = 0) -> int:
    data = b64url_decode(string_member(jwk, name))
    if (octets and len(data) != octets) or (not octets and data[:1] == b"\0"):
        raise InvalidKey("a number of another length")
    return int.from_bytes(data, "big")


def _uint(number: int) -> str:
    return b64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
