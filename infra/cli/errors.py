"""How a command fails, and the exit code that a script sees."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a command ended. Typer itself ends wrong usage with 2."""

    FAILED = 1
    WRONG_USAGE = 2
    NOT_SIGNED_IN = 3
    UNREACHABLE = 4


class CommandError(Exception):
    """End the command. The message is the one line that the operator reads, and holds no secret."""

    exit_code = ExitCode.FAILED


class NotConfirmable(CommandError):
    """The command asks before it goes on, and there is no terminal to ask on."""

    exit_code = ExitCode.WRONG_USAGE


class NotSignedIn(CommandError):
    """The operator has not signed in, or may not do this."""

    exit_code = ExitCode.NOT_SIGNED_IN


class Unreachable(CommandError):
    """There is no service at the address, or it does not answer."""

    exit_code = ExitCode.UNREACHABLE


class BadAnswer(CommandError):
    """The answer of the server cannot be read by this version of the command."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The server's answer cannot be read: {what}.")
