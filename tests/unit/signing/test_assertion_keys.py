"""Keys of partners: each algorithm takes its own kind and strength of key, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from latchkey.signing.assertion_keys import (
    AssertionAlgorithm,
    AssertionKey,
    PublicKey,
    assertion_key_from_jwk,
    assertion_key_from_pem,
)
from latchkey.signing.assertions import parse, prove
from latchkey.signing.base64url import b64url_encode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import Algorithm, InvalidKey, WeakKey, thumbprint
from tests.partner_world import Signer
from tests.unit.signing.forge import signing_key


def rsa(bits: int = 2048, e: int = 65537) -> RSAPublicKey:
    """Return a public key of that size without a private half."""
    return RSAPublicNumbers(e, (1 << (bits - 1)) | 1).public_key()


MATERIAL: dict[str, PublicKey] = {
    "RSA": rsa(),
    "P-256": generate_private_key(SECP256R1()).public_key(),
    "P-384": generate_private_key(SECP384R1()).public_key(),
    "P-521": generate_private_key(SECP521R1()).public_key(),
    "Ed25519": Ed25519PrivateKey.generate().public_key(),
}
FITS = {"RS": "RSA", "PS": "RSA", "ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}


def pem(material: PublicKey) -> str:
    return material.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("kind", MATERIAL)
@pytest.mark.parametrize("alg", AssertionAlgorithm)
def test_algorithm_takes_its_own_kind_of_key_alone(alg: AssertionAlgorithm, kind: str) -> None:
    """The key reads the same from JWK and from PEM."""
    if FITS.get(alg, FITS.get(alg[:2])) != kind:
        with pytest.raises(InvalidKey):
            AssertionKey("k1", alg, MATERIAL[kind])
        with pytest.raises(InvalidKey):
            assertion_key_from_pem(pem(MATERIAL[kind]), kid="k1", alg=alg)
        return
    key = AssertionKey("k1", alg, MATERIAL[kind])
    assert assertion_key_from_jwk(key.to_jwk()).to_jwk() == key.to_jwk()
    assert assertion_key_from_pem(pem(MATERIAL[kind]), kid="k1", alg=alg).to_jwk() == key.to_jwk()


@pytest.mark.parametrize(("bits", "e"), [(1024, 65537), (2047, 65537), (2048, 3)])
def test_weak_rsa_key_is_refused(bits: int, e: int) -> None:
    """A key has at least 2,048 bits, and a current exponent."""
    with pytest.raises(WeakKey):
        AssertionKey("k1", AssertionAlgorithm.RS256, rsa(bits, e))


def test_huge_rsa_key_is_refused() -> None:
    """Verifying with it would let its owner decide how much work each token costs."""
    with pytest.raises(InvalidKey):
        AssertionKey("k1", AssertionAlgorithm.RS256, rsa(8193))


GOOD: dict[str, Any] = dict(AssertionKey("k1", AssertionAlgorithm.ES256, MATERIAL["P-256"]).to_jwk())


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"kty": "oct", "k": "AAAA"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "ES256K"},
        {"alg": "ES384"},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"crv": "secp256k1"},
        {"x": GOOD["y"]},
        {"x": GOOD["x"] + "AA"},
        {"x": 7},
        {"kty": "DSA"},
        {"kid": ""},
    ],
    ids=[f"bad-{number}" for number in range(14)],
)
def test_bad_jwk_is_refused(change: dict[str, Any]) -> None:
    """A JWK is rejected if it is private, symmetric, for another use, or not a key at all."""
    with pytest.raises(InvalidKey):
        assertion_key_from_jwk(GOOD | change)


def test_jwk_says_what_it_is_said_to_be() -> None:
    """The request's values fill in missing members of the JWK and never override the members it has."""
    bare = {name: value for name, value in GOOD.items() if name not in {"alg", "kid"}}
    assert assertion_key_from_jwk(bare, kid="k1", alg="ES256").to_jwk() == GOOD
    for asked in ({"kid": "k2"}, {"alg": "ES384"}):
        with pytest.raises(InvalidKey):
            assertion_key_from_jwk(GOOD, **asked)


@pytest.mark.parametrize(
    ("kind", "alg"), [("RSA", "RS256"), ("P-256", "ES256"), ("P-521", "ES512"), ("Ed25519", "EdDSA")]
)
def test_key_that_names_no_algorithm_has_the_usual_one_of_its_kind(kind: str, alg: str) -> None:
    """Entra's JWKS names no `alg`, and a JWKS of one key need not name a `kid` (RFC 7517 section 4)."""
    jwk = AssertionKey("k1", AssertionAlgorithm(alg), MATERIAL[kind]).to_jwk()
    key = assertion_key_from_jwk({name: value for name, value in jwk.items() if name not in {"alg", "kid"}})
    assert (key.alg, key.kid) == (alg, thumbprint(jwk))
    assert assertion_key_from_pem(pem(MATERIAL[kind]), kid="", alg="").to_jwk() == key.to_jwk()


def test_private_key_in_pem_is_refused() -> None:
    """The error tells the sender about the mistake, and the key is not stored."""
    private = generate_private_key(SECP256R1())
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(InvalidKey):
        assertion_key_from_pem(text, kid="k1", alg="ES256")


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_signature_is_proven(alg: str) -> None:
    """A signature verifies with the key that made it, and with no other key of its kind."""
    signers = [Signer("k1", alg, new()) for new in [_PRIVATE[alg]] * 2]
    assertion = parse(signers[0].sign({"sub": "u"}))
    prove(assertion, signers[0].key())
    with pytest.raises(InvalidToken, match="wrong_signature"):
        prove(assertion, signers[1].key())


@pytest.mark.parametrize(("salt", "holds"), [(32, True), (0, False), (20, False), (PSS.MAX_LENGTH, False)])
def test_salt_is_as_long_as_the_hash(salt: int, holds: bool) -> None:
    """RFC 7518 section 3.5 allows no other length."""
    private = signing_key(Algorithm.RS256).material
    assert isinstance(private, RSAPrivateKey)
    signer = Signer("k1", "PS256", private)
    text = signer.sign({"sub": "u"}).rpartition(".")[0]
    signature = private.sign(text.encode(), PSS(MGF1(SHA256()), salt), SHA256())
    assertion = parse(f"{text}.{b64url_encode(signature)}")
    if holds:
        prove(assertion, signer.key())
    else:
        with pytest.raises(InvalidToken, match="wrong_signature"):
            prove(assertion, signer.key())


_PRIVATE: dict[str, Any] = {"ES256": lambda: generate_private_key(SECP256R1()), "EdDSA": Ed25519PrivateKey.generate}
