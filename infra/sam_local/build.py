"""Build for this machine, apart from what is deployed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

SAM = Path(".venv-sam/bin/sam")

BUILT = Path(".aws-sam/local")
"""What is built here. `sam deploy` does not look there."""


def architecture() -> str:
    """Return the architecture of this machine, as the template calls it. A container of another one would be slow."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def build() -> None:
    """Build functions and layers as `sam build` does, for the processor of this machine. Exit where it fails."""
    command = [str(SAM), "build", "--build-dir", str(BUILT), "--parameter-overrides", f"Architecture={architecture()}"]
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "ARCHITECTURE": architecture()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
