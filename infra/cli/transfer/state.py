"""How far an import has come, beside its file: an import that was stopped goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class State:
    """Everything before `offset` is done: so many lines, with these outcomes. Counts of refusals go by code.

    `reported` is how many bytes of the file of refusals belong to it.
    """

    offset: int = 0
    line: int = 0
    imported: int = 0
    present: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    reported: int = 0


@dataclass(frozen=True, slots=True)
class StateFile:
    """The state of the import of one file, with one content, into one Latchkey."""

    path: Path
    fingerprint: str
    address: str

    def load(self) -> State:
        """Return where to go on. Raise `CommandError` where that is about another content or another Latchkey."""
        try:
            kept = json.loads(self.path.read_text())
            state, about = State(**kept["state"]), (kept["fingerprint"], kept["address"])
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError):
            raise CommandError(f"{self.path} cannot be read. --restart begins anew.") from None
        if about != (self.fingerprint, self.address):
            raise CommandError(
                f"{self.path} is about another content of this file, or another Latchkey. --restart begins anew."
            )
        return state

    def save(self, state: State) -> None:
        """Keep how far it has come: the old state or the new one, whatever happens meanwhile."""
        kept = {"fingerprint": self.fingerprint, "address": self.address, "state": asdict(state)}
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text(json.dumps(kept))
        beside.replace(self.path)

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
