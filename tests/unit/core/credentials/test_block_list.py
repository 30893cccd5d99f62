"""The packaged block list, and how it is made."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import latchkey
from infra.packaging import blocklist
from latchkey.core.credentials.passwords import FINGERPRINT_BYTES, BlockList, fingerprint

DATA = Path(latchkey.__file__).parent / "data" / "common-passwords.bin"


@pytest.fixture(scope="module")
def packaged() -> BlockList:
    """Return the list that ships in the layer."""
    return BlockList(DATA.read_bytes())


def test_the_packaged_list_has_ten_thousand_entries(packaged: BlockList) -> None:
    """ASVS 6.2.4 asks for 3,000 passwords of a length that the rules allow."""
    assert len(packaged) >= 10_000


def test_the_packaged_list_is_sorted_without_repeats() -> None:
    """Bisection finds nothing in a list that is out of order."""
    data = DATA.read_bytes()
    entries = [data[at : at + FINGERPRINT_BYTES] for at in range(0, len(data), FINGERPRINT_BYTES)]
    assert entries == sorted(set(entries))


@pytest.mark.parametrize(
    "password",
    ["password1", "12345678", "qwertyuiop", "iloveyou", "PassWord1", "passwordpassword", "password1234567890"],
)
def test_the_packaged_list_holds_the_most_common_passwords(packaged: BlockList, password: str) -> None:
    """The most common passwords are listed in any case."""
    assert password in packaged


@pytest.mark.parametrize("password", ["correct horse battery staple", "vX9-kd2!mmQe", "пароль-который-не-угадать"])
def test_the_packaged_list_does_not_hold_good_passwords(packaged: BlockList, password: str) -> None:
    """Six bytes of a digest are enough to keep good passwords apart from listed ones."""
    assert password not in packaged


def test_a_list_is_made_from_lines_and_from_json(tmp_path: Path) -> None:
    """Every source adds its entries, whatever its format."""
    lines, packed, array = tmp_path / "a.txt", tmp_path / "b.txt.gz", tmp_path / "c.json"
    lines.write_text("first-of-lines\n", encoding="utf-8")
    packed.write_bytes(gzip.compress(b"first-of-packed\n"))
    array.write_text(json.dumps(["first-of-array"]), encoding="utf-8")
    made = BlockList(blocklist.build([lines, packed, array]))
    assert [entry in made for entry in ("first-of-lines", "first-of-packed", "first-of-array")] == [True] * 3


def test_entries_that_could_never_be_set_are_left_out() -> None:
    """Short entries and control characters do not reach the list; spellings of one entry are one."""
    entries = ["short", "bad\x00bad\x00bad", "Sunshine7", "sunshine7"]
    assert blocklist.fingerprints(entries) == fingerprint("sunshine7")


def test_the_most_common_entries_are_joined_two_by_two() -> None:
    """Pairs are kept where they are as long as a password-only stack asks for."""
    assert set(blocklist.joined(["12345678", "abc1234", "love"])) == {
        "1234567812345678",
        "12345678abc1234",
        "abc123412345678",
    }


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    """The command writes one and the same list however often it runs."""
    source = tmp_path / "list.txt"
    source.write_text("\n".join(f"entry-number-{number}" for number in range(50)), encoding="utf-8")
    for name in ("one.bin", "two.bin"):
        blocklist.main([str(source), "--out", str(tmp_path / name)])
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes() != b""
