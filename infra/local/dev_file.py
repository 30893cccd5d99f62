"""Write `.latchkey/dev.json`: what a developer or a test needs to use the twin."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(".latchkey")
"""The twin's folder in the current project."""


def write(document: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write the document, completely or not at all, readable only by its owner. Return its path."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path, fresh = folder / "dev.json", folder / f"dev.json.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)
    return path
