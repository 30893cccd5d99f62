"""JSON Web Signature, compact serialisation (RFC 7515), in the one strict form that Latchkey issues.

`parse` reads a token without proving anything; `verify` proves it. Nothing else here looks inside the payload.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.keys import VerificationKey
from latchkey.signing.strict_json import loads, string_member

__all__ = ["MAX_TOKEN", "InvalidToken", "Jws", "b64url_decode", "b64url_encode", "parse", "verify"]

MAX_TOKEN = 8192
"""The longest token that is looked at, in characters: API Gateway caps all headers together at 10,240 bytes."""

_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})
_SEGMENTS = 3
_P256_OCTETS = 32


class InvalidToken(ValueError):
    """A token that is refused. The message is for the log alone and never quotes the token."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A token in its parts. Nothing of it is proven before `verify`."""

    alg: str
    kid: str
    typ: str
    payload: bytes
    signing_input: bytes
    signature: bytes


def parse(token: str, *, typ: str) -> Jws:
    """Take a token apart; raise `InvalidToken` unless its form is exactly ours (RFC 7515 section 7.1).

    The header must have the members `alg`, `typ` and `kid` and no other, so `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`,
    `zip` and `cty` are refused (RFC 8725 sections 3.1 and 3.10), and the type `typ` (section 3.11).
    """
    if len(token) > MAX_TOKEN:
        raise InvalidToken("too long")
    segments = token.split(".", _SEGMENTS)
    if len(segments) != _SEGMENTS or not all(segments):
        raise InvalidToken("not three segments")
    try:
        header, payload, signature = map(b64url_decode, segments)
        alg, kid = _header(loads(header), typ)
    except ValueError as error:
        raise InvalidToken(f"malformed: {error}") from None
    return Jws(alg, kid, typ, payload, token[: token.rindex(".")].encode("ascii"), signature)


def verify(jws: Jws, key: VerificationKey) -> None:
    """Prove that the holder of `key` signed this; raise `InvalidToken` otherwise (RFC 7515 section 5.2)."""
    # The key decides the algorithm. The header must agree and cannot choose (RFC 8725 section 3.1).
    if jws.alg != key.alg:
        raise InvalidToken("alg is not the key's")
    try:
        _verify_signature(jws, key)
    except InvalidSignature:
        raise InvalidToken("signature is wrong") from None


def _header(header: object, typ: str) -> tuple[str, str]:
    """Return `alg` and `kid`."""
    if not isinstance(header, dict) or header.keys() != _HEADER_MEMBERS:
        raise InvalidToken("header members are not alg, typ and kid")
    if string_member(header, "typ") != typ:
        raise InvalidToken("typ is another")
    return string_member(header, "alg"), string_member(header, "kid")


def _verify_signature(jws: Jws, key: VerificationKey) -> None:
    match key.material:
        case RSAPublicKey() as rsa:
            rsa.verify(jws.signature, jws.signing_input, PKCS1v15(), SHA256())
        case EllipticCurvePublicKey() as p256:
            p256.verify(_der(jws.signature), jws.signing_input, ECDSA(SHA256()))
        case Ed25519PublicKey() as ed25519:
            ed25519.verify(jws.signature, jws.signing_input)
        case bytes() as secret:
            if not hmac.compare_digest(hmac.digest(secret, jws.signing_input, "sha256"), jws.signature):
                raise InvalidSignature


def _der(signature: bytes) -> bytes:
    """Return the form that the library takes; JOSE knows r and s only as 32 octets each (RFC 7518 section 3.4)."""
    if len(signature) != 2 * _P256_OCTETS:
        raise InvalidSignature
    r, s = signature[:_P256_OCTETS], signature[_P256_OCTETS:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
