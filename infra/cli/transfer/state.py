"""The progress of an import, stored beside its file, so that a stopped import can resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class State:
    """Everything before `offset` (bytes) is done: so many lines, with these outcomes. `refused` counts them by code.

    `reported` is how many bytes of the file of refused lines belong to this state.
    """

    offset: int = 0
    line: int = 0
    imported: int = 0
    present: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    reported: int = 0


@dataclass(frozen=True, slots=True)
class StateFile:
    """The stored state of importing one content of one file into one Latchkey."""

    path: Path
    fingerprint: str
    address: str

    def load(self) -> State:
        """Return the state to resume from. Raises `CommandError` if it is not of this content and Latchkey."""
        try:
            kept = json.loads(self.path.read_text())
            state, about = State(**kept["state"]), (kept["fingerprint"], kept["address"])
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError):
            raise CommandError(f"{self.path} cannot be read. Use --restart to start again.") from None
        if about != (self.fingerprint, self.address):
            raise CommandError(
                f"{self.path} belongs to another content of this file, or to another Latchkey. "
                "Use --restart to start again."
            )
        return state

    def save(self, state: State) -> None:
        """Store a state. A crash leaves either the old state or the new one."""
        kept = {"fingerprint": self.fingerprint, "address": self.address, "state": asdict(state)}
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text(json.dumps(kept))
        beside.replace(self.path)

    def remove(self) -> None:
        """Delete the stored state."""
        self.path.unlink(missing_ok=True)
