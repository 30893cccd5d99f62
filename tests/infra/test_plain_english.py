"""Code, template and pages use no word that readers with English as a second language have to look up."""

from __future__ import annotations

import re
import tokenize
from itertools import chain
from pathlib import Path

import pytest

from tests import pages
from tests.pages import ROOT

FOLDERS = ("layers", "functions", "infra", "tests")

WORDS = (
    "nobody",
    "somebody",
    "everybody",
    "whoever",
    "whomever",
    "himself",
    "herself",
    "anew",
    "nought",
    "thereof",
    "hitherto",
    r"for\s+ever",
)

WORDS_OF_PAGES = (*WORDS, "whatever")

TEXT = {"COMMENT", "STRING", "FSTRING_MIDDLE"}
"""The names of the tokens that people read. Python 3.11 has no `FSTRING_MIDDLE`: there, an f-string is a `STRING`."""

NO_WORDS = re.compile(r"\S+@\S+|`[\w.]+`|\\[nrt]")
"""E-mail addresses, names in backticks, and escapes that would stick to the next word."""

ENGLISH_MAILS = {"__init__.py", "en.py", "letters.py"}
"""The modules of `latchkey/mails` that are in English; every other one is a language."""


def modules(folder: Path) -> list[Path]:
    """Return the Python files below a folder, without the mails in other languages."""
    found = sorted(ours(folder, "*.py"))
    return [path for path in found if path.parent.name != "mails" or path.name in ENGLISH_MAILS]


def ours(folder: Path, pattern: str) -> list[Path]:
    """Return the files below a folder that match, without installed packages."""
    return [path for path in folder.rglob(pattern) if "node_modules" not in path.parts]


def text_of_module(path: Path) -> str:
    """Return the comments and strings of a module, each in its own line.

    A string without a blank is left out: it is an identifier, an address or a login, and no sentence.
    """
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    lines: list[list[str]] = [[] for _ in range(tokens[-1].end[0] + 1)]
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        if kind in TEXT and (kind == "COMMENT" or re.search(r"\s", token.string)):
            for row, part in enumerate(token.string.split("\n"), start=token.start[0] - 1):
                lines[row].append(part.lstrip("# "))
    return "\n".join(" ".join(parts) for parts in lines)


def faults(path: Path, text: str, words: tuple[str, ...]) -> list[str]:
    """Return `file:line word` for each of the words in a text whose lines are those of the file."""
    readable = NO_WORDS.sub(" ", text)
    found = re.finditer(rf"\b(?:{'|'.join(words)})\b", readable, re.IGNORECASE)
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    return [f"{name}:{readable.count(chr(10), 0, each.start()) + 1} {each[0]}" for each in found]


def faults_of_module(path: Path) -> list[str]:
    """Return the faults in the comments and strings of a module."""
    return faults(path, text_of_module(path), WORDS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_is_plain_english(folder: str) -> None:
    """No comment, docstring or other text of a module has one of the words."""
    found = modules(ROOT / folder)
    assert found
    assert list(chain.from_iterable(map(faults_of_module, found))) == []


@pytest.mark.parametrize("name", ["template.yaml", "Makefile", "pyproject.toml", "samconfig.toml"])
def test_file_of_the_top_level_is_plain_english(name: str) -> None:
    """No comment, description or help text has one of the words."""
    path = ROOT / name
    assert faults(path, path.read_text(), WORDS) == []


@pytest.mark.parametrize("page", pages.all_pages(), ids=pages.name_of)
def test_page_is_plain_english(page: Path) -> None:
    """No page has one of the words, not even in a block of code."""
    assert faults(page, page.read_text(), WORDS_OF_PAGES) == []


def test_every_page_is_read() -> None:
    """No page lies where `all_pages` does not look."""
    assert [path for folder in FOLDERS for path in ours(ROOT / folder, "*.md")] == []


@pytest.mark.parametrize("word", [*WORDS[:-1], "For\n# ever"])
def test_word_in_a_comment_is_noticed(tmp_path: Path, word: str) -> None:
    """A gate that lets its flaw pass proves nothing. A phrase may even break across two lines."""
    path = tmp_path / "module.py"
    path.write_text(f"NAME = 1\n# It is {word}.\n")
    assert [each.partition(" ")[0] for each in faults_of_module(path)] == ["module.py:2"]


@pytest.mark.parametrize("quoted", ['"""A.\n\nIt is {}.\n"""', '("", "",\n\nf"It is\\n{} {{NAME}}.")'])
def test_word_in_a_string_is_noticed(tmp_path: Path, quoted: str) -> None:
    """The line is that of the word, also within a docstring, and f-strings are read too."""
    path = tmp_path / "module.py"
    path.write_text(quoted.format(WORDS[0]))
    assert faults_of_module(path) == [f"module.py:3 {WORDS[0]}"]


@pytest.mark.parametrize("code", ["{} = 1", 'NAME = "{}"', '"""See `{}` and mail {}@example.com."""'])
def test_word_in_a_name_is_no_fault(tmp_path: Path, code: str) -> None:
    """Identifiers, logins and e-mail addresses are no English."""
    path = tmp_path / "module.py"
    path.write_text(code.replace("{}", WORDS[0]) + "\n")
    assert faults_of_module(path) == []
