"""`make sam-local`, all but the container: each handler in a process with exactly the environment that SAM passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.packaging import template
from infra.sam_local import settings
from infra.sam_local.build import BUILT
from tests import sign_in_story
from tests.e2e.client import START_LIMIT, launch
from tests.lambda_fixture import events
from tests.sign_in_story import Answer

ROOT = template.PATH.parent

DOCKER = '#!/bin/sh\ncase "$1" in version) echo 28;; network) echo 127.0.0.1;; esac\n'
SAM = '#!/bin/sh\n[ "$1" = build ] || exec sleep 1000\n'

INVOKE = """
import importlib, json, sys
handler = importlib.import_module(sys.argv[1]).handler
try:
    answer = handler(json.load(sys.stdin), None)
except Exception as error:
    answer = {"refused": str(error)}
print(json.dumps(answer))
"""

FROM_SAM = {
    "AWS_SAM_LOCAL": "true",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_ACCOUNT_ID": "123456789012",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
}
"""What SAM itself sets."""


def command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@dataclass(frozen=True, slots=True)
class SamLocal:
    """What `sam local start-api` would be started with, by function."""

    declared: Mapping[str, Mapping[str, Any]]
    given: Mapping[str, str]
    admin: Mapping[str, str]

    def environment(self, function: str) -> dict[str, str]:
        """Return the environment of a container: of what env.json gives, only what the template declares."""
        variables = self.declared[function]
        made_up = {name: value if isinstance(value, str) else "" for name, value in variables.items()}
        kept = {name: value for name, value in self.given.items() if name in variables}
        return FROM_SAM | made_up | kept

    def invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function in a process of its own."""
        of_machine = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/layers/latchkey:{ROOT}"}
        done = subprocess.run(
            [sys.executable, "-c", INVOKE, f"functions.{function}.app"],
            input=json.dumps(event),
            env=of_machine | self.environment(function),
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def send(self, route: str, body: Mapping[str, Any] | None = None, token: str = "") -> Answer:
        """Answer a request as `sam local start-api` does: the authorizer first, where the route has one."""
        method, _, path = route.partition(" ")
        found = next(each for each in ROUTES if (each.method, each.path) == (method, path))
        caller = None
        if found.authorizer != "NONE":
            verdict = self.invoke("authorizer", events.token_event(token, route=route))
            if "context" not in verdict:
                return Answer(401, verdict)
            caller = verdict["context"]
        answer = self.invoke(found.function, events.proxy_event(route, body, caller=caller))
        return Answer(answer["statusCode"], json.loads(answer["body"] or "null"))


ROUTES = template.routes(template.load())


def variables_by_function(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    shared = document["Globals"]["Function"]["Environment"]["Variables"]
    functions = template.functions(dict(document)).items()
    return {name: shared | each.get("Environment", {}).get("Variables", {}) for name, each in functions}


@pytest.fixture(scope="module")
def sam_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamLocal]:
    """The command with a Docker that answers, and with a SAM that only waits."""
    folder = tmp_path_factory.mktemp("sam-local")
    command(folder / "bin/docker", DOCKER)
    command(folder / ".venv-sam/bin/sam", SAM)
    (folder / BUILT).mkdir(parents=True)
    (folder / BUILT / "template.yaml").write_text(template.PATH.read_text())
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    process = launch(folder, "infra.sam_local", PORT="3000", PATH=path)
    try:
        deadline = time.monotonic() + START_LIMIT
        while "Ctrl-C stops it." not in (folder / "output.txt").read_text():
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        document = json.loads((folder / settings.TEMPLATE).read_text())
        given = json.loads((folder / settings.ENVIRONMENT).read_text())["Parameters"]
        dev = json.loads((folder / ".latchkey/dev.json").read_text())
        yield SamLocal(variables_by_function(document), given, dev["admin"])
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_people_sign_in_and_keys_rotate(sam_local: SamLocal) -> None:
    """The whole story, over AWS's own protocol, and with keys fetched over HTTP by the authorizer."""
    sign_in_story.tell(sam_local.send, sam_local.admin, "http://127.0.0.1:3000")


def test_every_variable_has_a_value_of_the_twin(sam_local: SamLocal) -> None:
    """SAM makes up what it cannot resolve, so no function may get a variable from it that is not plain text."""
    made_up = {
        f"{function}: {name}"
        for function, variables in sam_local.declared.items()
        for name, value in variables.items()
        if not isinstance(value, str) and name not in sam_local.given
    }
    assert made_up == set()


def test_template_that_is_deployed_declares_no_endpoint() -> None:
    """On AWS, no function has a variable that could send its calls elsewhere."""
    names = {name for each in variables_by_function(template.read()).values() for name in each}
    assert not {name for name in names if name.startswith("AWS_")}


def test_without_docker_the_command_says_why_and_what_to_do(tmp_path: Path) -> None:
    """No server: the first line has Docker's own reason, and another says what works without Docker."""
    command(tmp_path / "docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    process = launch(tmp_path, "infra.sam_local", PORT="3000", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert process.wait(timeout=START_LIMIT) == 1
    said = (tmp_path / "output.txt").read_text()
    assert "Cannot connect to the Docker daemon" in said
    assert "make run" in said
