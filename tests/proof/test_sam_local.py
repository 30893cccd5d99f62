"""`make sam-local` as a developer runs it: AWS's image, a container for each function, and the twin's AWS beside it.

It runs where a Docker server answers and has the image of the functions, or can pull it. `IMAGE` names another image,
which is not pulled.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.packaging.locks import ROOT
from infra.sam_local.docker import NoDocker, require_server
from tests import sign_in_story
from tests.sign_in_story import Answer

AWS_IMAGE = "public.ecr.aws/lambda/python:3.13"
SAM_REFUSES = 502
"""The status that SAM makes of an authorizer's `Unauthorized`. AWS makes 401."""

LONGEST_START = 600
"""Seconds: a build, and the start of the twin."""

LONGEST_REQUEST = 300
"""Seconds: the first request to a function makes an image with its layers."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API that SAM serves."""

    port: int
    admin: Mapping[str, str]

    @property
    def issuer(self) -> str:
        """The address that SAM prints."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, route: str, body: Mapping[str, Any] | None = None, token: str = "") -> Answer:
        """Send one request."""
        method, _, path = route.partition(" ")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_REQUEST)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read() or b"null"))
        finally:
            connection.close()


def require_image() -> None:
    """Skip where no container of Lambda's image can start, and say why."""
    try:
        require_server()
    except NoDocker as error:
        pytest.skip(str(error).partition("\n")[0])
    if not os.environ.get("IMAGE"):
        pulled = subprocess.run(["docker", "pull", "--quiet", AWS_IMAGE], capture_output=True, text=True, check=False)
        if pulled.returncode:
            pytest.skip(f"{AWS_IMAGE} cannot be pulled, and IMAGE names no other: {pulled.stderr.strip()[-200:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    pytest.fail(output.read_text())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    require_image()
    port, output = free_port(), tmp_path_factory.mktemp("sam-local") / "output.txt"
    with output.open("wb") as file:
        environment = os.environ | {"PORT": str(port), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "infra.sam_local"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        wait_for(port, process, output)
        dev = json.loads((ROOT / ".latchkey/dev.json").read_text())
        yield Api(port, dev["admin"])
    finally:
        process.terminate()
        process.wait(timeout=120)


def test_people_sign_in_and_keys_rotate(api: Api) -> None:
    """The same story as on the twin, in containers."""
    sign_in_story.tell(api.send, api.admin, api.issuer, refused=SAM_REFUSES)
