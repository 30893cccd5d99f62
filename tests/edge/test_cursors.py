"""Cursors: a text that we did not seal for this list and this caller gets nothing."""

from __future__ import annotations

import itertools

import pytest

from latchkey.core.errors import ServiceError
from latchkey.edge.cursors import open_, seal
from latchkey.signing.sealing import SealKeys, first_seal_keys, reset_seal_keys, rotate_seal_keys

_COUNTER = itertools.count(1)


def entropy(size: int) -> bytes:
    """Return bytes that never come twice."""
    return next(_COUNTER).to_bytes(size, "big")


class Held:
    """A source of seal keys that has these, and those when it is asked again."""

    def __init__(self, keys: SealKeys, again: SealKeys | None = None) -> None:
        self._keys, self._again = keys, again or keys

    def seal_keys(self) -> SealKeys:
        """Return the keys at hand."""
        return self._keys

    def reread_seal_keys(self) -> SealKeys:
        """Return the keys of now."""
        return self._again


OLD = first_seal_keys(1, entropy)
NEW = rotate_seal_keys(OLD, 2, entropy, keep=100)
OTHER = first_seal_keys(1, entropy)
POSITION = {"after": "01800000000#usr_ann"}
CONTEXT = "/v1/admin/users usr_boss"


@pytest.mark.parametrize(("sealer", "opener"), [(OLD, NEW), (NEW, NEW)], ids=["older key", "newest key"])
def test_cursor_opens_to_what_was_sealed(sealer: SealKeys, opener: SealKeys) -> None:
    """The newest key seals, every key opens."""
    assert open_(seal(POSITION, CONTEXT, Held(sealer)), CONTEXT, Held(opener)) == POSITION


def test_cursor_of_a_newer_key_opens_after_another_look() -> None:
    """The instance that sealed it had read the keys later than the one that opens it."""
    assert open_(seal(POSITION, CONTEXT, Held(NEW)), CONTEXT, Held(OLD, again=NEW)) == POSITION


def test_cursor_shows_nothing_of_its_position() -> None:
    """A cursor does not reveal the key that orders the list."""
    assert "usr_ann" not in seal(POSITION, CONTEXT, Held(NEW))


@pytest.mark.parametrize("context", ["/v1/admin/users usr_eve", "/v1/admin/audit usr_boss", ""])
def test_cursor_of_another_list_or_caller_is_refused(context: str) -> None:
    """A cursor is valid only for its list and its caller."""
    cursor = seal(POSITION, CONTEXT, Held(NEW))
    with pytest.raises(ServiceError, match="invalid_request"):
        open_(cursor, context, Held(NEW))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        ".",
        "e30",
        "e30.",
        "é.é",
        "a" * 5000,
        seal(POSITION, CONTEXT, Held(OTHER)),
        seal(POSITION, CONTEXT, Held(NEW))[:-1],
        "x" + seal(POSITION, CONTEXT, Held(NEW)),
        NEW.seal("device", CONTEXT, b"{}", entropy),
    ],
    ids=["empty", "dot", "base64", "dots", "not ASCII", "long", "other keys", "cut", "longer", "other purpose"],
)
def test_any_other_text_is_refused(cursor: str) -> None:
    """Cut, lengthened, sealed with a key that is not ours, or for another purpose."""
    with pytest.raises(ServiceError, match="invalid_request"):
        open_(cursor, CONTEXT, Held(NEW))


def test_cursor_from_before_a_reset_is_refused() -> None:
    """A thief of the seal keys could have made it."""
    cursor = seal(POSITION, CONTEXT, Held(NEW))
    with pytest.raises(ServiceError, match="invalid_request"):
        open_(cursor, CONTEXT, Held(reset_seal_keys(NEW, 3, entropy)))
