"""Verification keys: weak and private ones are rejected, and a secret is never published."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.keys import (
    Algorithm,
    InvalidKey,
    VerificationKey,
    WeakKey,
    thumbprint,
    verification_key_from_jwk,
)
from tests.unit.signing.forge import load, signing_key

ASYMMETRIC = [alg for alg in Algorithm if alg is not Algorithm.HS256]
THUMBPRINTS = load("rfc_examples.json")["thumbprints"]
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def jwk(alg: Algorithm) -> dict[str, Any]:
    """Return the public JWK of a test key."""
    return {**signing_key(alg).verification_key().to_jwk()}


@pytest.mark.parametrize("example", [pytest.param(row, id=row["id"]) for row in THUMBPRINTS])
def test_thumbprint_of_the_standard(example: Mapping[str, Any]) -> None:
    """The thumbprint of a published key is the published one, whatever other members it has."""
    assert thumbprint(example["jwk"]) == example["thumbprint"]


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_jwk_comes_back(alg: Algorithm) -> None:
    """A key read from its own JWK is the same key."""
    key = signing_key(alg).verification_key()
    assert verification_key_from_jwk(key.to_jwk()) == key


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_jwk_is_public(alg: Algorithm) -> None:
    """A JWK says what the key is for, and holds no private member."""
    members = jwk(alg)
    assert members.keys().isdisjoint(PRIVATE_MEMBERS)
    assert (members["use"], members["alg"], members["kid"]) == ("sig", alg, f"{alg}-0")


def test_secret_has_no_jwk() -> None:
    """An HS256 secret cannot be published."""
    with pytest.raises(InvalidKey):
        signing_key(Algorithm.HS256).verification_key().to_jwk()


CHANGES: list[tuple[str, Mapping[str, object]]] = [
    ("RS256", {"kid": None}),
    ("RS256", {"kid": ""}),
    ("RS256", {"alg": None}),
    ("RS256", {"alg": "RS512"}),
    ("RS256", {"alg": "ES256"}),
    ("RS256", {"alg": "HS256"}),
    ("RS256", {"use": "enc"}),
    ("RS256", {"use": None}),
    ("RS256", {"kty": "EC"}),
    ("RS256", {"kty": "oct"}),
    ("RS256", {"kty": "rsa"}),
    ("RS256", {"n": "AQAB"}),
    ("RS256", {"n": ""}),
    ("RS256", {"n": 65537}),
    ("RS256", {"e": "Aw"}),
    ("RS256", {"e": "AQAC"}),
    ("RS256", {"e": "AAEAAQ"}),
    ("RS256", {"e": "AQAB="}),
    ("ES256", {"crv": "P-384"}),
    ("ES256", {"crv": "secp256k1"}),
    ("ES256", {"x": "A" * 43}),
    ("ES256", {"y": "AA"}),
    ("ES256", {"alg": "EdDSA"}),
    ("EdDSA", {"crv": "Ed448"}),
    ("EdDSA", {"crv": "X25519"}),
    ("EdDSA", {"x": "AAAA"}),
    ("EdDSA", {"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}),
    *[("EdDSA", {name: "AAAA"}) for name in sorted(PRIVATE_MEMBERS)],
]


@pytest.mark.parametrize(("alg", "change"), CHANGES)
def test_unsound_jwk_is_refused(alg: str, change: Mapping[str, object]) -> None:
    """A JWK with one unsound member is refused."""
    with pytest.raises(InvalidKey):
        verification_key_from_jwk({**jwk(Algorithm(alg)), **change})


def test_coordinate_has_its_full_length_and_no_more() -> None:
    """A coordinate with a leading zero more is refused: a key has one spelling."""
    members = jwk(Algorithm.ES256)
    wide = b64url_encode(b"\0" + b64url_decode(members["x"]))
    with pytest.raises(InvalidKey):
        verification_key_from_jwk({**members, "x": wide})


def test_symmetric_jwk_is_refused() -> None:
    """A secret in the form of a JWK is never accepted as a verification key."""
    with pytest.raises(InvalidKey):
        verification_key_from_jwk({"kty": "oct", "k": "A" * 43, "alg": "HS256", "kid": "a"})


@pytest.mark.parametrize("secret", [b"", b"0123456789abcdef", bytes(range(31)), bytes(32), b"a" * 64])
def test_weak_secret_is_refused(secret: bytes) -> None:
    """An HS256 secret of less than 256 bits, or of one octet repeated, is refused."""
    with pytest.raises(WeakKey):
        VerificationKey("a", Algorithm.HS256, secret)


@pytest.mark.parametrize(("name", "alg"), [("rsa_1024", "RS256"), ("rsa_exponent_3", "RS256"), ("p384", "ES256")])
def test_weak_key_pair_is_refused(name: str, alg: str) -> None:
    """RSA of 1024 bits or with exponent 3, and curves other than P-256, are refused."""
    private: Any = load_pem_private_key(load("signing_keys.json")["weak"][name].encode(), None)
    with pytest.raises(InvalidKey):
        VerificationKey("a", Algorithm(alg), private.public_key())


@pytest.mark.parametrize(("alg", "other"), list(itertools.permutations(Algorithm, 2)))
def test_key_has_one_algorithm(alg: Algorithm, other: Algorithm) -> None:
    """A key cannot be made with the algorithm of another."""
    with pytest.raises(InvalidKey, match="another algorithm"):
        VerificationKey("a", other, signing_key(alg).verification_key().material)


def test_repr_hides_the_secret() -> None:
    """The repr of an HS256 key does not show its secret."""
    secret = bytes(range(32))
    assert repr(secret) not in repr(VerificationKey("a", Algorithm.HS256, secret))
