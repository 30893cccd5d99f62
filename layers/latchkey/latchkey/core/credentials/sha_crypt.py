"""SHA-crypt, the hash of Unix (`$5$`, `$6$`) and of many LDAP directories.

Python has no `crypt` since 3.13, so this follows Drepper's specification, "Unix crypt using SHA-256 and SHA-512".
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType

DEFAULT_ROUNDS = 5000
"""The rounds of a hash that names none."""

FEWEST_ROUNDS = 1000
LONGEST_SALT = 16
LENGTHS = MappingProxyType({"sha256": 43, "sha512": 86})
"""Characters of a hash, by its digest."""

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SIZES = MappingProxyType({"sha256": 32, "sha512": 64})
_ORDERS = MappingProxyType(
    {
        "sha256": (
            *(0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14),
            *(15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29),
        ),
        "sha512": (
            *(0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48),
            *(28, 49, 7, 50, 8, 29, 9, 30, 51, 31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13),
            *(56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41),
        ),
    }
)
"""The order in which the octets of the last digest are written, three at a time."""


def sha_crypt(digest: str, password: bytes, salt: bytes, rounds: int) -> bytes:
    """Return the hash of a password as text, without its prefix. `digest` is `sha256` or `sha512`.

    The numbers in the comments are those of the specification's steps.
    """
    size = _SIZES[digest]
    alternate = _hash(digest, password + salt + password)  # 4 to 8
    mixed = password + salt + _repeated(alternate, len(password))  # 1 to 3, 9, 10
    length = len(password)
    while length:  # 11
        mixed += alternate if length & 1 else password
        length >>= 1
    state = _hash(digest, mixed)  # 12
    p = _repeated(_hash(digest, password * len(password)), len(password))  # 13 to 16
    s = _repeated(_hash(digest, salt * (16 + state[0])), len(salt))  # 17 to 20
    for number in range(rounds):  # 21
        odd = number & 1
        state = _hash(
            digest,
            (p if odd else state) + (s if number % 3 else b"") + (p if number % 7 else b"") + (state if odd else p),
        )
    return _written(state, _ORDERS[digest], size)  # 22


def _hash(digest: str, octets: bytes) -> bytes:
    return hashlib.new(digest, octets, usedforsecurity=False).digest()


def _repeated(octets: bytes, length: int) -> bytes:
    return (octets * (length // len(octets) + 1))[:length]


def _written(state: bytes, order: tuple[int, ...], size: int) -> bytes:
    """Write the octets in the order of the specification, and then those that are left over."""
    groups = [state[a] << 16 | state[b] << 8 | state[c] for a, b, c in zip(*[iter(order)] * 3, strict=True)]
    text = "".join(_four(group) for group in groups)
    text += _four(state[31] << 8 | state[30])[:3] if size == 32 else _four(state[63])[:2]  # noqa: PLR2004 - SHA-256
    return text.encode()


def _four(group: int) -> str:
    return "".join(_ALPHABET[group >> shift & 63] for shift in (0, 6, 12, 18))
