"""A twin in a process of its own, and an HTTP client for it."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from infra.local import dev_file
from infra.local.deployment import TEMPLATE
from infra.local.stack.template import expand

START_LIMIT = 300.0
"""Seconds a twin may take to start on a busy machine."""

_READY = "Ctrl-C stops it."
_SECRET_MEMBERS = {
    "assertion",
    "externalAccessToken",
    "password",
    "access_token",
    "refresh_token",
    "token",
    "client_secret",
    "confirmation_token",
    "device_token",
    "secret",
}
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `headers` have lower-case names, `json` is `None` where there is no body, or none in JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body) if self.body and "json" in self.headers.get("content-type", "") else None


def call(  # noqa: PLR0913 - as many as a request has parts
    address: str,
    method: str,
    path: str,
    *,
    json_body: object = None,
    form: Mapping[str, str] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send one request on a connection of its own and return the answer."""
    sent = dict(headers or {})
    if json_body is not None:
        body, sent = json.dumps(json_body).encode(), {"Content-Type": "application/json"} | sent
    if form is not None:
        body, sent = urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"} | sent
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(slots=True)
class RunningTwin:
    """A twin that serves, until its context ends. `dev` is its `.latchkey/dev.json`."""

    address: str
    dev: dict[str, Any]
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)

    def call(  # noqa: PLR0913 - as many as a request has parts
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return the answer. Every secret that goes either way is kept, for `leaks`."""
        answer = call(self.address, method, path, json_body=json, form=form, body=body, headers=headers)
        self.secrets |= _secrets_of(json) | _secrets_of(form) | _secrets_of(answer.json)
        return answer

    def leaks(self) -> list[str]:
        """Return the lines of the functions' logs that hold a secret which went over the wire, seeded ones included."""
        seeded = [
            self.dev.get("admin", {}).get("password", ""),
            self.dev["api_key"],
            *(c["client_secret"] for c in self.dev["clients"]),
        ]
        secrets = [secret for secret in {*self.secrets, *seeded} if secret]
        logs = [line for line in self.output().splitlines() if line.startswith("{")]
        return [line for line in logs if any(secret in line for secret in secrets)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def output(self) -> str:
        """Return what the twin has written so far: its screen and the logs of the functions."""
        return (self.folder / "output.txt").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


def _secrets_of(members: object) -> set[str]:
    """Return the values of members that are secret, where they are long enough to be told from ordinary text."""
    if not isinstance(members, Mapping):
        return set()
    return {
        value
        for name, value in members.items()
        if name in _SECRET_MEMBERS and isinstance(value, str) and len(value) >= _SHORTEST_SECRET
    }


@cache
def _expanded_template() -> Path:
    """Return the file of the expanded template, as a twin remembers it: it takes a second to make."""
    folder = Path(tempfile.mkdtemp(prefix="latchkey-expanded-"))
    atexit.register(shutil.rmtree, folder)
    expand(TEMPLATE, folder, {})
    (remembered,) = folder.iterdir()
    return remembered


def launch(folder: Path, program: str = "infra.local", **environment: str) -> subprocess.Popen[bytes]:
    """Start `python -m infra.local`, or another program, in a folder, with options as environment variables."""
    (folder / dev_file.FOLDER).mkdir(mode=0o700, exist_ok=True)
    shutil.copy(_expanded_template(), folder / dev_file.FOLDER)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LATCHKEY_"))}
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", program],
            cwd=folder,
            env=kept | {"PORT": "0", "PYTHONUNBUFFERED": "1"} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def start_twin(folder: Path, program: str = "infra.local", **environment: str) -> RunningTwin:
    """Start a twin and return it as soon as it serves."""
    process = launch(folder, program, **environment)
    deadline = time.monotonic() + START_LIMIT
    while _READY not in (written := (folder / "output.txt").read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError((folder / "output.txt").read_text())
        time.sleep(0.02)
    address = written.partition("runs at ")[2].split()[0]
    return RunningTwin(address, json.loads((folder / ".latchkey" / "dev.json").read_text()), folder, process)
