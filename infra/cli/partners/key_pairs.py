"""Key pairs of partners, created on the operator's machine. The private half never leaves it."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from infra.cli.errors import CommandError

_RSA_BITS = 3072


class PairAlgorithm(StrEnum):
    """The algorithms that a pair can be created for."""

    RS256 = "RS256"
    ES256 = "ES256"
    EdDSA = "EdDSA"


def new_pair(algorithm: PairAlgorithm) -> tuple[str, str]:
    """Return a new private key in PKCS #8 and its public half, both in PEM (RFC 7468)."""
    match algorithm:
        case PairAlgorithm.RS256:
            return _in_pem(generate_rsa(65537, _RSA_BITS))
        case PairAlgorithm.ES256:
            return _in_pem(generate_private_key(SECP256R1()))
        case PairAlgorithm.EdDSA:
            return _in_pem(Ed25519PrivateKey.generate())


def write_private(path: Path, pem: str) -> None:
    """Write a private key into a new file that only its owner may read; raise `CommandError` if the file exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)


def _in_pem(private: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey) -> tuple[str, str]:
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )
