"""The pages of the documentation as data: their blocks of code, their tables, their headings and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MARKS = frozenset({"# Needs an AWS account", "# Needs Docker", "# Takes minutes"})
"""The first line of a block that cannot run within the tests. It says so to the reader too."""

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"(?:#|//) ([\w.-]+\.[a-z]+)$")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its language, its text with a newline at the end, and the line of the page it begins at."""

    language: str
    text: str
    line: int

    @property
    def first_line(self) -> str:
        """The first line of the text."""
        return self.text.partition("\n")[0]

    @property
    def mark(self) -> str:
        """Why the block cannot run here; empty where it can."""
        return self.first_line if self.first_line in MARKS else ""

    @property
    def file_name(self) -> str:
        """The name of the file that the block is, if its first line is a comment with a name."""
        found = _FILE_NAME.match(self.first_line)
        return found[1] if found else ""

    @property
    def twin_settings(self) -> dict[str, str] | None:
        """The settings of `make run`, where the block is that command; `None` for any other block."""
        words = shlex.split(self.text, comments=True)
        if words[:2] != ["make", "run"]:
            return None
        return dict(word.split("=", 1) for word in words[2:])


def all_pages() -> list[Path]:
    """Return README and the other pages at the top level, then the pages of docs/."""
    return [*sorted(ROOT.glob("*.md"), key=lambda path: path.name != "README.md"), *sorted(ROOT.glob("docs/*.md"))]


def name_of(page: Path) -> str:
    """Return the name of a page in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text()
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in _FENCE.finditer(text)]


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        anchor = _NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-")
        numbered = (anchor if not number else f"{anchor}-{number}" for number in range(len(found) + 1))
        found.add(next(each for each in numbered if each not in found))
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures."""
    return [markdown or html for markdown, html in _LINK.findall(prose(page))]


def tables(page: Path, first_column: str) -> Iterator[list[str]]:
    """Yield the rows of every table whose first column has this name, each as the texts of its cells."""
    for part in page.read_text().split("\n\n"):
        lines = part.strip().splitlines()
        if lines and lines[0].startswith(f"| {first_column} |"):
            yield from (cells(line) for line in lines[2:])


def cells(row: str) -> list[str]:
    """Return the cells of a table's row; a bar behind a backslash is part of its cell."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def codes(cell: str) -> list[str]:
    """Return the texts in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)
