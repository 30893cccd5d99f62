"""A new password, asked for unseen: never an option, which other users and the shell's history would see."""

from __future__ import annotations

from infra.cli.errors import CommandError
from infra.cli.screen import ask


def ask_new_password() -> str:
    """Return what is typed twice alike; raise `CommandError`."""
    password = ask("New password", hidden=True)
    again = ask("New password again", hidden=True) if password else None
    if not password or again is None:
        raise CommandError("Nothing has changed: nobody has typed a password.")
    if password != again:
        raise CommandError("Nothing has changed: the two passwords differ.")
    return password
