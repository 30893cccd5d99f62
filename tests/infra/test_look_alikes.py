"""The table of look-alike letters, as it is made from Unicode's file."""

from __future__ import annotations

from infra.packaging.look_alikes import module, rows
from latchkey.core.credentials.look_alikes import LOOK_ALIKES

CONFUSABLES = """# Version: 15.1.0
0430 ;\t0061 ;\tMA\t# a Cyrillic letter
0410 ;\t0041 ;\tMA\t# capitals are none of a canonical name
1D41A ;\t0061 ;\tMA\t# a mathematical letter: RFC 8265 refuses it
0227 ;\t00E5 ;\tMA\t# letters with accents are taken apart
10330 ;\t0061 ;\tMA\t# a script that is no longer written
0AC7 ;\t0947 ;\tMA\t# marks
0431 ;\t0036 ;\tMA\t# a digit
0562 ;\t0431 ;\tMA\t#
0A72 ;\t0A05 ;\tMA\t# no Latin, Greek or Cyrillic letter
006D ;\t0072 006E ;\tMA\t# two letters
"""


def test_a_row_has_the_small_letters_of_one_look() -> None:
    """Only letters that a canonical user name can have, and only looks of which one is Latin, Greek or Cyrillic."""
    assert list(rows(CONFUSABLES)) == ["a\u0430", "\u0431\u0562"]


def test_the_module_holds_the_rows() -> None:
    """It says which version of Unicode it was made from."""
    made: dict[str, object] = {}
    text = module("15.1.0", LOOK_ALIKES)
    exec(text, made)  # noqa: S102 - our own text
    assert (made["LOOK_ALIKES"], "Unicode 15.1.0" in text) == (LOOK_ALIKES, True)
