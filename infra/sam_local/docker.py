"""Docker: whether its server answers, and how a container reaches this machine."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from latchkey.adapters.jwks import DOCKER_HOST

LOOPBACK = "127.0.0.1"
_LIMIT = 20
"""Seconds for an answer."""

_SERVER = ("docker", "version", "--format", "{{.Server.Version}}")
_GATEWAY = ("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")


class NoDocker(Exception):
    """No Docker server answers. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where this machine listens for containers, and the host by which they reach it there."""

    listen: str
    host: str


def require_server() -> None:
    """Return if a Docker server answers. A client alone starts no container. Raise `NoDocker`."""
    try:
        _asked(_SERVER)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoDocker(
            f"sam local starts each function in a container, and no Docker server answers: {_why(error)}\n"
            "Start Docker Desktop, or on Debian: apt install docker.io. DOCKER_HOST names a server elsewhere.\n"
            "`make run` serves the same template without Docker."
        ) from None


def reach() -> Reach:
    """Return how containers reach this machine: by their bridge, or by name where Docker runs in a virtual machine."""
    with suppress(OSError, subprocess.SubprocessError):
        gateway = _asked(_GATEWAY)
        if _is_ours(gateway):
            return Reach(gateway, gateway)
    return Reach(LOOPBACK, DOCKER_HOST)


def _asked(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=True)
    return done.stdout.strip()


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().partition("\n")[0]
    return "there is no command docker" if isinstance(error, FileNotFoundError) else type(error).__name__


def _is_ours(address: str) -> bool:
    """Say whether this machine has the address. The bridge of Docker Desktop is in its virtual machine."""
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
