"""Cursors: a forged or moved one is rejected."""

from __future__ import annotations

import pytest

from latchkey.core.errors import ServiceError
from latchkey.edge.cursors import open_, seal
from latchkey.signing.refresh import RefreshKey, RefreshToken, mint_refresh

OLD, NEW = RefreshKey("old", b"o" * 16 + bytes(range(16))), RefreshKey("new", b"n" * 16 + bytes(range(16)))
POSITION = {"after": "01800000000#usr_ann"}
CONTEXT = "/v1/admin/users usr_boss"


def test_cursor_opens_to_what_was_sealed() -> None:
    """The newest key seals, and every key opens."""
    assert open_(seal(POSITION, CONTEXT, [OLD]), CONTEXT, [NEW, OLD]) == POSITION


@pytest.mark.parametrize("context", ["/v1/admin/users usr_eve", "/v1/admin/audit usr_boss", ""])
def test_cursor_of_another_list_or_caller_is_refused(context: str) -> None:
    """A cursor is valid for the route and the caller that it was made for."""
    cursor = seal(POSITION, CONTEXT, [NEW])
    with pytest.raises(ServiceError, match="invalid_request"):
        open_(cursor, context, [NEW])


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        ".",
        "e30",
        "e30.",
        "é.é",
        "a" * 2000,
        seal(POSITION, CONTEXT, [OLD]),
        seal(POSITION, CONTEXT, [NEW])[:-1],
        "x" + seal(POSITION, CONTEXT, [NEW]),
        mint_refresh(RefreshToken("usr_a", "ses_a", 0), [NEW]),
    ],
)
def test_any_other_text_is_refused(cursor: str) -> None:
    """Cut, lengthened, sealed with a retired key, or not a cursor at all."""
    with pytest.raises(ServiceError, match="invalid_request"):
        open_(cursor, CONTEXT, [NEW])
