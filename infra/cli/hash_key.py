"""`latchkey hash-key`: the hash under which another system keeps a secret. It needs no server."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer

from infra.cli import screen
from infra.cli.errors import CommandError
from latchkey.edge.waves import fast_hash, secure_hash


class Algorithm(StrEnum):
    """How to hash."""

    WAVES = "waves"
    FAST = "fast"
    SHA256 = "sha256"


_HASHES: Mapping[Algorithm, Callable[[bytes], str]] = {
    Algorithm.WAVES: secure_hash,
    Algorithm.FAST: fast_hash,
    Algorithm.SHA256: lambda data: hashlib.sha256(data).hexdigest(),
}


def hash_key(
    *,
    algorithm: Annotated[
        Algorithm, typer.Option(help="A Waves node's secure or fast hash in Base58, or SHA-256 in hex.")
    ] = Algorithm.WAVES,
    strip_newline: Annotated[
        bool, typer.Option("--strip-newline", help="Leave out one newline at the end, as echo adds it.")
    ] = False,
) -> None:
    """Print the hash of standard input, byte by byte; on a terminal, of a secret that is asked for unseen."""
    secret = _typed() if sys.stdin.isatty() else _piped(strip_newline=strip_newline)
    screen.write(_HASHES[algorithm](secret))


def _typed() -> bytes:
    secret = screen.ask("Secret", hidden=True)
    if not secret:
        raise CommandError("Nothing to hash: nobody has typed a secret.")
    return secret.encode()


def _piped(*, strip_newline: bool) -> bytes:
    data = typer.get_binary_stream("stdin").read()
    if not data.endswith(b"\n"):
        return data
    if strip_newline:
        return data.removesuffix(b"\n").removesuffix(b"\r")
    screen.warn("the newline at the end is hashed too; --strip-newline leaves it out.")
    return data
