"""The words of the mails: one module per language, and one layout in text and in HTML."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """A mail in one language: the text before its code and link, if it has them, between the two, and after both."""

    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
