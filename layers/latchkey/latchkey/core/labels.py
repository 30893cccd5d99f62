"""Texts that people and apps choose and that only people read: names, devices, languages.

None of them may stop a sign-up or a sign-in. What cannot be shown is left out, and a text that is too long is cut.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_LABEL = 128
"""Characters of a name or of a device."""

LONGEST_LANGUAGE = 35
"""Characters of a language tag (RFC 5646 section 4.4.1)."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")  # in Persian, in Hindi and in emoji
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # the shape of RFC 5646, not its registry
_BEYOND_LANGUAGE = re.compile(r"[-_][A-Za-z0-9](?:[-_].*)?\Z|[.@#].*\Z", re.DOTALL)


def is_visible(text: str) -> bool:
    """Say whether a text has only characters that can be seen, or that join those that can."""
    return not any(unicodedata.category(each) in _HIDDEN for each in _JOINERS.sub("", text))


def label_of(text: str) -> str:
    """Return a text without white space around it and without characters that cannot be seen, cut at the limit.

    Such characters hide or turn around the text that follows (bidirectional controls), or end its line.
    """
    joiners = {match.start() for match in _JOINERS.finditer(text)}
    seen = (each for at, each in enumerate(text) if at in joiners or unicodedata.category(each) not in _HIDDEN)
    return "".join(seen).strip()[:LONGEST_LABEL].rstrip()


def language_of(text: str) -> str:
    """Return the language tag in a text, as systems write it (`en_US.UTF-8` too); empty if there is none.

    An extension such as `-u-mu-celsius` says nothing about the language (RFC 5646 section 2.2.6) and is left out.
    """
    tag = _BEYOND_LANGUAGE.sub("", text.strip()).replace("_", "-").rstrip("-")
    return tag if len(tag) <= LONGEST_LANGUAGE and _LANGUAGE.fullmatch(tag) else ""
