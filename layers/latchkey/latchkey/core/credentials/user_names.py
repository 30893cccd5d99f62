"""User names with letters outside ASCII: the profile UsernameCaseMapped of RFC 8265, and the looks of letters.

Imported when such a name is met. The spelling of a name and its skeleton are keys of stored accounts, so neither may
ever change: `docs/decisions.md` says why they do not.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from precis_i18n import get_profile

from latchkey.core.credentials.look_alikes import LOOK_ALIKES

SCRIPTS = frozenset(
    {
        *("ARABIC", "ARMENIAN", "BENGALI", "BOPOMOFO", "CJK", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN"),
        *("GREEK", "GUJARATI", "GURMUKHI", "HANGUL", "HEBREW", "HIRAGANA", "KANNADA", "KATAKANA", "KHMER", "LAO"),
        *("LATIN", "MALAYALAM", "MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN"),
    }
)
"""The scripts that UAX 31 (table 5) recommends for identifiers, by the word with which Unicode names their letters."""

_WRITTEN_TOGETHER = (
    frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "HANGUL"}),
    frozenset({"CJK", "BOPOMOFO"}),
)
"""Scripts of one language: Japanese, Korean and Chinese (UTS 39 section 5.1)."""

_SHAPE = re.compile(r"[^._-].{2,63}", re.DOTALL)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_ACCENTS = range(0x0300, 0x0370)  # marks that letters of any script may carry
_DOTTED = re.compile("(?<=[ij])\u0307")  # a dot that the letter has anyway
_LOOKS = str.maketrans({letter: row[0] for row in LOOK_ALIKES for letter in row[1:]})


def canonical_user_name(text: str) -> str | None:
    """Return the one spelling of a user name (RFC 8265 section 3.3), or `None` for a name that cannot be used.

    Beyond the profile, it has letters of one script, with their marks, besides the digits 0-9, dots, dashes and
    underscores.
    """
    # RFC 8265 lower-cases, so a small sigma would depend on how its word was typed: Greek writes another at the end.
    unified = text.replace("\u03c3", "\u03a3").replace("\u03c2", "\u03a3")
    try:
        name = get_profile("UsernameCaseMapped").enforce(unified)
    except UnicodeEncodeError:
        return None
    return name if _SHAPE.fullmatch(name) and _has_one_script(name) and _carries_its_marks(name) else None


def script_of(character: str) -> str:
    """Return the word with which the name of a character begins. Names never change (Unicode stability policy)."""
    word = re.split("[ -]", unicodedata.name(character, ""))[0]
    return "CJK" if word == "IDEOGRAPHIC" else word


def skeleton(name: str) -> str:
    """Return the text that a canonical user name shares with the names that look like it (UTS 39 section 4)."""
    looks = unicodedata.normalize("NFD", name).translate(_LOOKS)
    return unicodedata.normalize("NFC", _DOTTED.sub("", looks))


def _has_one_script(name: str) -> bool:
    letters = [each for each in name if each not in _PLAIN or each.isalpha()]
    if not all(unicodedata.category(each)[0] in "LM" for each in letters):
        return False
    scripts = {script_of(each) for each in letters if ord(each) not in _ACCENTS}
    return scripts <= SCRIPTS and (len(scripts) < 2 or any(scripts <= group for group in _WRITTEN_TOGETHER))  # noqa: PLR2004


def _carries_its_marks(name: str) -> bool:
    """Say whether each mark follows a letter, and none itself: a second one could not be seen (UTS 39 section 5.4)."""
    return all(
        unicodedata.category(each)[0] != "M" or (unicodedata.category(last)[0] in "LM" and last != each)
        for last, each in pairwise(f".{name}")
    )
