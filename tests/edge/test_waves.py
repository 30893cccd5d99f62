"""The hashes of a Waves node, against its own published values."""

from __future__ import annotations

import hashlib

import pytest

from latchkey.edge.waves import base58, fast_hash, keccak_256, secure_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ridethewaves!", "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"),
        ("vostok", "5M7C14rf3TAaWscd8fHvU6Kqo97iJFpvFwyQ3Q6vfztS"),
        ("", "DRtdYbxMg7YHw4acvDP6xQrvmsRAz3K7gSkH3xBJ5CTL"),
        ("ключ", "JDbGYLwevqrRWeeE6ckWPCSvMmuR2Ce1VXEFy1TuMuio"),
        ('"ridethewaves!"', "4rJCemhyzufM3at6pg5DmBpdYeMFxkBAn4vPsdboCxHj"),
    ],
)
def test_a_secure_hash_is_the_nodes(text: str, expected: str) -> None:
    """The first two are in public configurations of nodes. Quotes count."""
    assert secure_hash(text.encode()) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_is_the_one_before_the_standard(data: bytes, expected: str) -> None:
    """The published values of Keccak-256, which differ from those of SHA3-256."""
    assert keccak_256(data).hex() == expected != hashlib.sha3_256(data).hexdigest()


def test_keccak_takes_every_length() -> None:
    """Messages that end before, at and after the end of a block have different hashes."""
    hashes = {keccak_256(bytes(length)) for length in (0, 1, 135, 136, 137, 271, 272, 273)}
    assert (len(hashes), {len(each) for each in hashes}) == (8, {32})


def test_a_fast_hash_is_blake2b_in_base58() -> None:
    """It decodes to the 32 bytes of BLAKE2b-256."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for digit in fast_hash(b"vostok"):
        number = number * 58 + alphabet.index(digit)
    assert number.to_bytes(32, "big") == hashlib.blake2b(b"vostok", digest_size=32).digest()


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", ""), (b"\0", "1"), (b"\0\0a", "112g"), (b"Hello World!", "2NEpo7TZRRrLZSi2U")],
)
def test_base58_keeps_zero_bytes_in_front(data: bytes, expected: str) -> None:
    """Each of them becomes a 1."""
    assert base58(data) == expected
