"""What ends a command, and the exit code that a script sees."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a command ended. Typer itself ends wrong usage with 2."""

    FAILED = 1
    NOT_SIGNED_IN = 3
    UNREACHABLE = 4


class CommandError(Exception):
    """The end of a command; the message is the one line that the operator reads, and holds no secret."""

    exit_code = ExitCode.FAILED


class NotSignedIn(CommandError):
    """Nobody has proved who they are, or they may not do this."""

    exit_code = ExitCode.NOT_SIGNED_IN


class Unreachable(CommandError):
    """There is no service where it was looked for, or it does not answer."""

    exit_code = ExitCode.UNREACHABLE


class BadAnswer(CommandError):
    """The server answered what this version of the command cannot read."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The server's answer cannot be read: {what}.")
