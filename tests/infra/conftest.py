"""The API that the tests of the `latchkey` command call, as that of a twin and of a stack."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from infra.cli.terminal import questions
from tests.infra.fake_api import LOGIN, LOGOUT, TOKEN, FakeApi, FakeServer, Handler, described, write_dev_file


@pytest.fixture(scope="session", autouse=True)
def built_once() -> Iterator[None]:
    """Build the command once for all tests: that takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def fake(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """An API, and the folder of a twin that serves it, with nothing of Latchkey or AWS in the environment."""
    for name in ("LATCHKEY_TOKEN", "LATCHKEY_STACK", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    server.fake = FakeApi(f"http://127.0.0.1:{server.server_port}")
    server.fake.will("POST", LOGIN, (200, {"access_token": TOKEN, "token_type": "Bearer"}))
    server.fake.will("POST", LOGOUT, (204, None))
    write_dev_file(server.fake.address)
    return server.fake


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal, who can be asked; the input of the command is what they type."""
    monkeypatch.setattr(questions, "_on_terminal", lambda: True)


@pytest.fixture
def stack(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """CloudFormation at the same address: a stack named auth, whose output is the API."""
    for name, value in {
        "AWS_ENDPOINT_URL_CLOUDFORMATION": fake.address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": "absent",
        "AWS_SHARED_CREDENTIALS_FILE": "absent",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    fake.will("POST", "/", described({"JwksUri": "https://elsewhere.example", "ApiUrl": fake.address}))
    return fake
