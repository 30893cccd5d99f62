"""A ministack for these tests: DynamoDB with conditional writes that are atomic under threads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_START_TIMEOUT = 30
_OK = 200


@contextmanager
def running(python: str = sys.executable) -> Iterator[str]:
    """Run ministack on a free loopback port until the context ends; yield its address.

    It runs functions on its own Python: `python` may be that of the functions, with the packages of this one.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": scratch,
            "HOME": scratch,
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "WARNING",
        }
        if python != sys.executable:
            environment["PYTHONPATH"] = sysconfig.get_path("purelib")
            environment |= {name: os.environ[name] for name in ("PYENV_VERSION", "PYENV_ROOT") if name in os.environ}
        with (Path(scratch) / "log").open("w+b") as log:
            command = [python, "-m", "ministack"]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=scratch)
            try:
                _wait(process, port, Path(log.name))
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if _is_healthy(port):
            return
        time.sleep(0.05)
    raise RuntimeError(f"ministack did not start:\n{log.read_text()}")


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == _OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
