"""`latchkey hash-key`: bytes in, hash out."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.infra.fake_api import latchkey

SECURE = "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"
FAST = "DJ35ymschUFDmqCnDJewjcnVExVkWgX7mJDXhFy9X8oQ"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], SECURE),
        (["--algorithm", "waves"], SECURE),
        (["--algorithm", "sha256"], hashlib.sha256(b"ridethewaves!").hexdigest()),
    ],
)
def test_hash_alone_is_printed(options: list[str], expected: str) -> None:
    """The command prints the hash and a newline; by default it is the hash of a Waves node."""
    result = latchkey("hash-key", *options, typed="ridethewaves!")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{expected}\n", "")


def test_fast_hash_is_another() -> None:
    """The fast hash is BLAKE2b alone, in Base58."""
    assert latchkey("hash-key", "--algorithm", "fast", typed="ridethewaves!").stdout == f"{FAST}\n"


def test_newline_counts_and_that_is_said() -> None:
    """A newline at the end is hashed, and a warning says so."""
    result = latchkey("hash-key", "--algorithm", "sha256", typed="secret\n")
    assert result.stdout == hashlib.sha256(b"secret\n").hexdigest() + "\n"
    assert "--strip-newline" in result.stderr


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_newline_is_left_out_on_demand(ending: str) -> None:
    """--strip-newline leaves out the one newline that `echo` or an editor adds."""
    result = latchkey("hash-key", "--strip-newline", typed=f"ridethewaves!{ending}")
    assert (result.stdout, result.stderr) == (f"{SECURE}\n", "")


def test_secret_is_never_an_argument() -> None:
    """A secret on the command line would be in the shell's history and visible to every user of the machine."""
    assert latchkey("hash-key", "ridethewaves!").exit_code == 2


def test_secret_is_typed_unseen_on_a_terminal(tmp_path: Path) -> None:
    """A person is asked, the typed secret is not shown, and its newline is not hashed."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [f"{sys.prefix}/bin/latchkey", "hash-key"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        cwd=tmp_path,
    )
    seen = b""
    while b"Secret: " not in seen:
        seen += os.read(ours, 1024)
    while termios.tcgetattr(theirs)[3] & termios.ECHO:  # what is typed before the echo is off is thrown away
        time.sleep(0.01)
    os.write(ours, b"ridethewaves!\n")
    printed, _ = command.communicate(timeout=20)
    assert (command.returncode, printed.decode()) == (0, f"{SECURE}\n")
    os.close(theirs)
    while chunk := _read(ours):
        seen += chunk
    os.close(ours)
    assert b"ridethewaves" not in seen


def _read(terminal: int) -> bytes:
    """Return the rest of the output of a terminal whose other side is closed."""
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b""
