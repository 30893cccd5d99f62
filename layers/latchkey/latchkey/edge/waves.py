"""The hashes of Waves Enterprise nodes, for users who move from there. Latchkey itself stores no such hash.

`secure` is Keccak-256 over BLAKE2b-256, and `fast` is BLAKE2b-256 alone, both in Base58. This Keccak has the padding
from before the standard, so `hashlib.sha3_256` returns another value.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

_RATE = 136
"""Bytes that one permutation of Keccak-256 absorbs."""

_LANE = (1 << 64) - 1
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def secure_hash(data: bytes) -> str:
    """Return the hash that a Waves node calls secure."""
    return base58(keccak_256(_blake2b(data)))


def fast_hash(data: bytes) -> str:
    """Return the hash that a Waves node calls fast."""
    return base58(_blake2b(data))


def base58(data: bytes) -> str:
    """Return the bytes in Base58. A leading zero byte becomes `1`."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def keccak_256(data: bytes) -> bytes:
    """Return the Keccak-256 of the SHA-3 submission. Its padding begins with `01`, where FIPS 202 has `06`."""
    padded = bytearray(data + bytes(_RATE - len(data) % _RATE))
    padded[len(data)] |= 0x01
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            lanes[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _blake2b(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _round_constants() -> tuple[int, ...]:
    """Return the constants of iota, from the register that FIPS 202 section 3.2.5 describes."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            constant |= (register & 1) << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _walk() -> tuple[tuple[int, int], ...]:
    """Return the lanes in the order in which rho and pi visit them, each with its rotation (FIPS 202 section 3.2.2)."""
    x, y, steps = 1, 0, []
    for t in range(24):
        steps.append((x + 5 * y, (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    return (*steps, steps[0])


_CONSTANTS, _STEPS = _round_constants(), _walk()


def _rotated(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _LANE


def _permute(a: list[int]) -> None:
    """Apply the 24 rounds of Keccak-f[1600] (FIPS 202 section 3.3); lane (x, y) is `a[x + 5 * y]`."""
    for constant in _CONSTANTS:
        column = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        theta = [column[x - 1] ^ _rotated(column[(x + 1) % 5], 1) for x in range(5)]
        mixed = [lane ^ theta[index % 5] for index, lane in enumerate(a)]
        moved = mixed[:]
        for (source, by), (target, _) in pairwise(_STEPS):
            moved[target] = _rotated(mixed[source], by)
        for index in range(25):
            row = index - index % 5
            a[index] = moved[index] ^ (~moved[row + (index + 1) % 5] & _LANE & moved[row + (index + 2) % 5])
        a[0] ^= constant
