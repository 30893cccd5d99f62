"""A sealed value comes back unread and unchanged, and opens in no other place."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.signing.sealing import (
    BadSeal,
    BadSealKeys,
    SealKeys,
    UnknownSealKey,
    first_seal_keys,
    parse_seal_keys,
    reset_seal_keys,
    rotate_seal_keys,
)

NOW = 1_800_000_000
YEAR = 31_536_000
_COUNTER = itertools.count(1)


def entropy(size: int) -> bytes:
    """Return bytes that never come twice."""
    return next(_COUNTER).to_bytes(size, "big")


KEYS = first_seal_keys(NOW, entropy)


def seal(keys: SealKeys = KEYS, purpose: str = "cursor", context: str = "/v1/x usr_ann") -> str:
    """Return a sealed position."""
    return keys.seal(purpose, context, b"position", entropy)


def opens(keys: SealKeys, text: str, *, at_rest: bool = False) -> bytes:
    """Return what the text holds, in the place that it was sealed for."""
    return keys.open("cursor", "/v1/x usr_ann", text, at_rest=at_rest)


@given(content=st.binary(max_size=300), purpose=st.text(max_size=20), context=st.text(max_size=50))
def test_what_is_sealed_comes_back(content: bytes, purpose: str, context: str) -> None:
    """Purpose and context are part of the seal, and not of its text."""
    assert KEYS.open(purpose, context, KEYS.seal(purpose, context, content, entropy)) == content


@pytest.mark.parametrize(("purpose", "context"), [("device", "/v1/x usr_ann"), ("cursor", "/v1/x usr_bob"), ("", "")])
def test_seal_opens_nowhere_else(purpose: str, context: str) -> None:
    """A cursor is not accepted as a device token, or as another user's cursor."""
    with pytest.raises(BadSeal):
        KEYS.open(purpose, context, seal())


def test_purpose_and_context_do_not_run_together() -> None:
    """Moving characters from the context into the purpose makes another seal."""
    with pytest.raises(BadSeal):
        KEYS.open("cursor\n/v1", "x", KEYS.seal("cursor", "/v1\nx", b"", entropy))


@pytest.mark.parametrize("position", range(0, 70, 3))
def test_changed_character_is_refused(position: int) -> None:
    """Key id, nonce, content and tag are all proven."""
    text = seal()
    other = "A" if text[position % len(text)] != "A" else "B"
    with pytest.raises(BadSeal):
        opens(KEYS, text[: position % len(text)] + other + text[position % len(text) + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "A", "=", "\u00e9", "A" * 5000, "AAAA", seal()[:-1], seal() + "A", seal()[:30]],
    ids=range(9),
)
def test_junk_is_refused(text: str) -> None:
    """A stranger's text raises `BadSeal` and nothing else."""
    with pytest.raises(BadSeal):
        opens(KEYS, text)


def test_newest_key_seals_and_all_open() -> None:
    """After a rotation, what was handed out before still opens."""
    text = seal()
    rotated = rotate_seal_keys(KEYS, NOW + YEAR, entropy, keep=YEAR)
    assert opens(rotated, text) == opens(rotated, seal(rotated)) == b"position"
    with pytest.raises(UnknownSealKey):
        opens(KEYS, seal(rotated))


def test_old_keys_go() -> None:
    """A key is removed when everything it has sealed has expired."""
    rotated = rotate_seal_keys(KEYS, NOW + YEAR + 1, entropy, keep=YEAR)
    with pytest.raises(UnknownSealKey):
        opens(rotated, seal())


def test_reset_refuses_what_clients_carry_and_reads_what_lies_at_rest() -> None:
    """A thief of the keys could have made a client's seal. Seals in the table must open, to be sealed again."""
    text = seal()
    after = reset_seal_keys(KEYS, NOW, entropy)
    with pytest.raises(BadSeal):
        opens(after, text)
    assert opens(after, text, at_rest=True) == b"position"
    assert opens(rotate_seal_keys(after, NOW + 9 * YEAR, entropy, keep=1), text, at_rest=True) == b"position"


def test_document_comes_back() -> None:
    """A document reads as it was written, and the version rises with each change."""
    changed = reset_seal_keys(rotate_seal_keys(KEYS, NOW, entropy, keep=YEAR), NOW, entropy)
    assert (parse_seal_keys(changed.to_json()), changed.version) == (changed, 3)


def test_members_of_a_newer_release_are_ignored() -> None:
    """A roll-back reads what the release after it has written."""
    text = (
        KEYS.to_json()
        .replace('{"format":1', '{"format":1,"later":{"a":1}')
        .replace('"at_rest_only"', '"x":1,"at_rest_only"')
    )
    assert parse_seal_keys(text) == KEYS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"keys":{}}',
        '{"keys":[],"version":1}',
        '{"keys":[1],"version":1}',
        KEYS.to_json().replace('"version":1', '"version":"1"'),
        KEYS.to_json().replace('"created_at":', '"made_at":'),
        KEYS.to_json().replace('"at_rest_only":false', '"at_rest_only":0'),
        KEYS.to_json().replace('"at_rest_only":false', '"at_rest_only":true'),
        KEYS.to_json().replace('"key_id":"', '"key_id":"AA'),
        KEYS.to_json().replace('"secret":"', '"secret":"="'),
        " " * 70_000,
    ],
    ids=range(13),
)
def test_bad_document_is_refused(text: str) -> None:
    """A document without a key that seals is none."""
    with pytest.raises(BadSealKeys):
        parse_seal_keys(text)


def test_repr_hides_the_secret() -> None:
    """A key that ends up in a traceback opens nothing."""
    assert repr(KEYS.keys[0].secret) not in repr(KEYS)
