"""Make the table of look-alike letters from Unicode's confusables.txt. It was made once, and must not be made again.

    python -m infra.packaging.look_alikes confusables.txt > layers/latchkey/latchkey/core/credentials/look_alikes.py

The keys of stored logins depend on the table. A letter that a newer table folds otherwise would make an account
unreachable. So a newer version of Unicode changes nothing here, and a test holds the table to its digest.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from latchkey.core.credentials.user_names import SCRIPTS, canonical_user_name, script_of

FOLDED = {"LATIN", "GREEK", "CYRILLIC"}
_VERSION = re.compile(r"^# Version: ([0-9.]+)$", re.MULTILINE)
_LINE = re.compile(r"^([0-9A-F]+) ;\t([0-9A-F ]+) ;\tMA\t", re.MULTILINE)
_HEAD = '''"""Letters that look like another letter: as much of the skeleton of UTS 39, section 4, as user names need.

Made by infra/packaging/look_alikes.py from confusables.txt of Unicode {version}, and frozen: the keys of stored logins
depend on it. Each row has letters of one look. The first stands for all: one of a-z where there is one.
"""

LOOK_ALIKES = (
'''


def rows(text: str) -> Iterator[str]:
    """Yield the letters of each look of which one is Latin, Greek or Cyrillic, that with the lowest number first."""
    looks: dict[str, set[str]] = defaultdict(set)
    for source, prototype in _LINE.findall(text):
        pair = (_text(source), _text(prototype))
        looks[pair[1]] |= {letter for letter in pair if is_letter_of_names(letter)}
    for letters in sorted(map(sorted, looks.values())):
        scripts = {script_of(letter) for letter in letters}
        if len(letters) > 1 and scripts & FOLDED and "CJK" not in scripts:
            yield "".join(letters)


def is_letter_of_names(text: str) -> bool:
    """Say whether a text is one small letter that user names may have and that no accent can be taken from."""
    if len(text) != 1 or unicodedata.category(text)[0] != "L" or len(unicodedata.normalize("NFD", text)) > 1:
        return False
    return script_of(text) in SCRIPTS and (canonical_user_name(text * 3) or "")[:1] == text


def module(version: str, rows: Iterable[str]) -> str:
    """Return the text of the module."""
    return _HEAD.format(version=version) + "".join(f"    {row!a},\n" for row in rows) + ")\n"


def _text(numbers: str) -> str:
    return "".join(chr(int(number, 16)) for number in numbers.split())


def main(path: Path) -> None:
    """Print the module."""
    text = path.read_text(encoding="utf-8-sig")
    version = _VERSION.search(text)
    print(module(version[1] if version else "unknown", rows(text)), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
