"""`latchkey hash-key`: the hash that another system stores of a secret. It needs no server."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer

from infra.cli.errors import CommandError
from infra.cli.terminal import screen
from infra.cli.terminal.questions import ask
from latchkey.edge.waves import fast_hash, secure_hash


class Algorithm(StrEnum):
    """The algorithms that can be asked for."""

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
        Algorithm, typer.Option(help="The secure or the fast hash of a Waves node in Base58, or SHA-256 in hex.")
    ] = Algorithm.WAVES,
    strip_newline: Annotated[
        bool, typer.Option("--strip-newline", help="Leave out one newline at the end, which `echo` adds.")
    ] = False,
) -> None:
    """Print the hash of standard input.

    On a terminal, the command asks for a secret and does not show it.
    """
    secret = _typed() if sys.stdin.isatty() else _piped(strip_newline=strip_newline)
    screen.write(_HASHES[algorithm](secret))


def _typed() -> bytes:
    secret = ask("Secret", hidden=True)
    if not secret:
        raise CommandError("Nothing to hash: no secret was typed.")
    return secret.encode()


def _piped(*, strip_newline: bool) -> bytes:
    data = typer.get_binary_stream("stdin").read()
    if not data.endswith(b"\n"):
        return data
    if strip_newline:
        return data.removesuffix(b"\n").removesuffix(b"\r")
    screen.warn("the newline at the end is hashed too. --strip-newline leaves it out.")
    return data
