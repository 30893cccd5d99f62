"""Password hashes of other systems: read strictly, bounded in cost, and checked as those systems check them.

Each kind has one text form, which a credential keeps until its owner signs in. The import rejects a hash that is too
expensive to check: the bounds are about a second of one CPU, and a quarter of a gigabyte.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, scrypt
from types import MappingProxyType
from typing import Protocol

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id

MAX_TEXT = 1024
"""Characters of a hash of any kind."""

MAX_MEMORY = 2**28
"""Bytes that a check may take."""

MAX_ARGON2_WORK = 4 * MAX_MEMORY // 1024
"""KiB times passes."""

MAX_ARGON2_LANES = 16
MAX_BCRYPT_COST = 14
MAX_SCRYPT_WORK = 2**29
"""Bytes that all lanes of scrypt together fill."""

MAX_PBKDF2_WORK = 3_000_000
"""Iterations times blocks of output: an output of two digests iterates twice (RFC 8018 section 5.2)."""

BCRYPT_READS = 72
"""Bytes of a password that bcrypt has ever looked at."""

_SHORTEST_TAG = 16
_LONGEST = 128  # bytes of a salt or a tag
_ARGON2_SHORTEST_SALT = 8  # RFC 9106 section 3.1
_NUMBER = "([1-9][0-9]{0,9})"
_B64 = "([A-Za-z0-9+/]+)"
_PADDED = "([A-Za-z0-9+/]+={0,2})"
_ARGON2: Mapping[str, type[Argon2id | Argon2i | Argon2d]] = MappingProxyType(
    {"argon2id": Argon2id, "argon2i": Argon2i, "argon2d": Argon2d}
)
_DIGESTS = MappingProxyType({"sha1": 20, "sha256": 32, "sha512": 64})


class UnusableHash(ValueError):
    """A hash that cannot be used to sign in here: `code` is stable, `message` is a public sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class ForeignHash(Protocol):
    """What proves a password of another system."""

    def matches(self, password: bytes) -> bool:
        """Say whether the octets are those that were hashed. The time taken does not reveal how similar they are."""


def parse(text: str) -> ForeignHash:
    """Return the hash that a text of a known kind holds; raise `UnusableHash`."""
    if len(text) <= MAX_TEXT:
        for shape, build in _KINDS:
            if match := shape.fullmatch(text):
                return build(*match.groups())
    raise UnusableHash("unknown_hash", "This is no password hash of a kind that is known here.")


def unpadded(octets: bytes) -> str:
    """Return octets as a PHC string writes them: Base64 without its padding."""
    return b64encode(octets).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class _Argon2:
    variant: str
    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes
    tag: bytes

    def matches(self, password: bytes) -> bool:
        argon2 = _ARGON2[self.variant](
            salt=self.salt,
            length=len(self.tag),
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        )
        try:
            argon2.verify(password, self.tag)
        except InvalidKey:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    text: str

    def matches(self, password: bytes) -> bool:
        import bcrypt

        return bcrypt.checkpw(password[:BCRYPT_READS], self.text.encode())


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    tag: bytes

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(self.derive(password, len(self.tag)), self.tag)

    def derive(self, password: bytes, length: int) -> bytes:
        # OpenSSL counts some buffers more than the bound does.
        return scrypt(
            password, salt=self.salt, n=self.n, r=self.r, p=self.p, dklen=length, maxmem=MAX_MEMORY + MAX_MEMORY // 4
        )


@dataclass(frozen=True, slots=True)
class _Firebase:
    """Firebase's scrypt: the derived key encrypts the project's signer key, and that is the hash."""

    key: _Scrypt
    signer_key: bytes
    tag: bytes

    def matches(self, password: bytes) -> bool:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        cipher = Cipher(algorithms.AES(self.key.derive(password, 32)), modes.CTR(bytes(16)))
        return hmac.compare_digest(cipher.encryptor().update(self.signer_key), self.tag)


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    digest: str
    iterations: int
    salt: bytes
    tag: bytes

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(
            pbkdf2_hmac(self.digest, password, self.salt, self.iterations, len(self.tag)), self.tag
        )


def _argon2(  # noqa: PLR0913, PLR0917 - as many as the form has
    variant: str, memory: str, iterations: str, lanes: str, salt: str, tag: str
) -> ForeignHash:
    m, t, p = int(memory), int(iterations), int(lanes)
    _afford(p <= MAX_ARGON2_LANES and m * 1024 <= MAX_MEMORY and m * t <= MAX_ARGON2_WORK)
    found = _Argon2(variant, m, t, p, _octets(salt, _ARGON2_SHORTEST_SALT), _octets(tag, _SHORTEST_TAG))
    _accept(m >= 8 * p)
    return found


def _bcrypt(text: str, cost: str) -> ForeignHash:
    _afford(int(cost) <= MAX_BCRYPT_COST)
    return _Bcrypt(text)


def _scrypt(n: int, r: int, p: int, salt: bytes, tag: bytes) -> _Scrypt:
    _afford(128 * r * (n + p + 2) <= MAX_MEMORY and 128 * n * r * p <= MAX_SCRYPT_WORK)
    _accept(n > 1 and n & (n - 1) == 0 and n.bit_length() <= 16 * r)  # RFC 7914 section 2
    return _Scrypt(n, r, p, salt, tag)


def _scrypt_phc(log_n: str, r: str, p: str, salt: str, tag: str) -> ForeignHash:
    return _scrypt(2 ** int(log_n), int(r), int(p), _octets(salt), _octets(tag, _SHORTEST_TAG))


def _scrypt_django(n: str, salt: str, r: str, p: str, tag: str) -> ForeignHash:
    return _scrypt(int(n), int(r), int(p), salt.encode(), _octets(tag, _SHORTEST_TAG, padded=True))


def _scrypt_werkzeug(n: str, r: str, p: str, salt: str, tag: str) -> ForeignHash:
    return _scrypt(int(n), int(r), int(p), salt.encode(), bytes.fromhex(tag))


def _firebase(log_n: str, r: str, p: str, separator: str, signer_key: str, salt: str, tag: str) -> ForeignHash:  # noqa: PLR0913, PLR0917 - as many as the form has
    salted = _octets(salt, padded=True) + (_octets(separator, padded=True) if separator else b"")
    key = _octets(signer_key, _SHORTEST_TAG, padded=True)
    octets = _octets(tag, _SHORTEST_TAG, padded=True)
    _accept(len(key) == len(octets))
    return _Firebase(_scrypt(2 ** int(log_n), int(r), int(p), salted, b""), key, octets)


def _pbkdf2(digest: str, iterations: int, salt: bytes, tag: bytes) -> ForeignHash:
    blocks = -(-len(tag) // _DIGESTS[digest])
    _afford(iterations * blocks <= MAX_PBKDF2_WORK)
    return _Pbkdf2(digest, iterations, salt, tag)


def _pbkdf2_phc(digest: str, iterations: str, length: str, salt: str, tag: str) -> ForeignHash:
    octets = _octets(tag, _SHORTEST_TAG)
    _accept(len(octets) == int(length))
    return _pbkdf2(digest, int(iterations), _octets(salt), octets)


def _pbkdf2_django(digest: str, iterations: str, salt: str, tag: str) -> ForeignHash:
    octets = _octets(tag, _SHORTEST_TAG, padded=True)
    _accept(len(octets) == _DIGESTS[digest])
    return _pbkdf2(digest, int(iterations), salt.encode(), octets)


def _octets(text: str, shortest: int = 1, *, padded: bool = False) -> bytes:
    """Return the octets of Base64 in its one canonical form."""
    try:
        octets = b64decode(text if padded else text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise _malformed() from None
    written = b64encode(octets).decode()
    _accept(text == (written if padded else written.rstrip("=")) and shortest <= len(octets) <= _LONGEST)
    return octets


def _accept(holds: bool) -> None:  # noqa: FBT001 - a condition is what it takes
    if not holds:
        raise _malformed()


def _malformed() -> UnusableHash:
    return UnusableHash("malformed_hash", "This password hash is not written as its kind asks.")


def _afford(holds: bool) -> None:  # noqa: FBT001 - a condition is what it takes
    if not holds:
        raise UnusableHash("hash_too_costly", "To check this password hash would take more work than a sign-in may.")


_SALT_TEXT = "([!-#%-~]{1,128})"  # printable ASCII, without the dollar
_KINDS: tuple[tuple[re.Pattern[str], Callable[..., ForeignHash]], ...] = (
    (re.compile(rf"\$(argon2id|argon2i|argon2d)\$v=19\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\${_B64}\${_B64}"), _argon2),
    # The last characters of salt and tag hold two and four unused bits, which must be zero.
    (re.compile(r"(\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31})"), _bcrypt),
    (re.compile(rf"\$scrypt\$ln=([1-9]|[12][0-9]),r={_NUMBER},p={_NUMBER}\${_B64}\${_B64}"), _scrypt_phc),
    (re.compile(rf"scrypt\${_NUMBER}\${_SALT_TEXT}\${_NUMBER}\${_NUMBER}\${_PADDED}"), _scrypt_django),
    (re.compile(rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\${_SALT_TEXT}\$([0-9a-f]{{128}})"), _scrypt_werkzeug),
    (
        re.compile(
            rf"\$fbscrypt\$v=1,n=([1-9]|[12][0-9]),r={_NUMBER},p={_NUMBER},ss=((?:[A-Za-z0-9+/]+={{0,2}})?),sk={_PADDED}\${_PADDED}\${_PADDED}"
        ),
        _firebase,
    ),
    (re.compile(rf"\$pbkdf2-(sha1|sha256|sha512)\$i={_NUMBER},l={_NUMBER}\${_B64}\${_B64}"), _pbkdf2_phc),
    (re.compile(rf"pbkdf2_(sha1|sha256)\${_NUMBER}\${_SALT_TEXT}\${_PADDED}"), _pbkdf2_django),
)
"""Every kind of hash: the pattern of its text, and its class."""
