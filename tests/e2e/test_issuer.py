"""A running stack takes another issuer: people stay signed in, and the old issuer ends when stated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.mailbox import wait_for

LEAD = 30.0
"""Seconds that a test waits for tokens to follow: the twin's publish lead is a few."""


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin of its own, because the others keep their issuer."""
    with start_twin(tmp_path_factory.mktemp("moving-twin")) as running:
        yield running
        assert running.leaks() == []


def command(twin: RunningTwin, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder of the twin, without a token."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LATCHKEY_"))}
    return subprocess.run(
        [sys.executable, "-c", "from infra.cli.app import app; app()", "issuer", *arguments, "--local", "--json"],
        capture_output=True,
        text=True,
        cwd=twin.folder,
        env=kept,
        timeout=60,
        check=False,
    )


def sign_in(twin: RunningTwin) -> Any:
    return twin.call("POST", "/v1/auth/login", json=twin.dev["admin"]).json


def issuer_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["iss"])


def accepted(twin: RunningTwin, token: str) -> list[int]:
    """Return what the authorizer, an operator's route and the validation say to a token."""
    bearer = {"Authorization": f"Bearer {token}"}
    return [
        twin.call("GET", "/v1/hello", headers=bearer).status,
        twin.call("GET", "/v1/admin/signing", headers=bearer).status,
        twin.call("POST", "/v1/auth/validate", json={"token": token}).status,
    ]


def test_address_that_is_not_of_this_stack_is_refused(twin: RunningTwin) -> None:
    """Nothing answers there, so no token ever names it."""
    refused = command(twin, "move", "http://localhost:9", "--yes")
    assert (refused.returncode, "must be served at this address" in refused.stderr) == (1, True)
    assert json.loads(command(twin, "show").stdout)["next_issuer"] is None


def test_issuer_moves_while_people_are_signed_in(twin: RunningTwin) -> None:
    """Old tokens go on, a refresh brings the new issuer, mails link to it, and metadata name it."""
    old, new = twin.address, twin.address.replace("127.0.0.1", "localhost")
    session = sign_in(twin)
    moved = json.loads(command(twin, "move", new, "--yes").stdout)
    assert (moved["issuer"], moved["next_issuer"]["iss"]) == (old, new)
    assert issuer_of(sign_in(twin)["access_token"]) == old
    deadline = time.monotonic() + LEAD
    while issuer_of(sign_in(twin)["access_token"]) != new:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert time.time() >= moved["next_issuer"]["at"]
    refreshed = twin.call("POST", "/v1/auth/refresh", json={"refresh_token": session["refresh_token"]}).json
    assert [issuer_of(each["access_token"]) for each in (session, refreshed)] == [old, new]
    assert [accepted(twin, each["access_token"]) for each in (session, refreshed)] == [[200, 200, 204]] * 2
    assert twin.call("GET", "/.well-known/openid-configuration").json["issuer"] == new
    shown = json.loads(command(twin, "show").stdout)
    assert shown["previous_issuers"] == [{"iss": old, "until": moved["next_issuer"]["previous_until"]}]
    login = twin.dev["admin"]["login"]
    twin.call("POST", "/v1/user/password/restore", json={"login": login})
    assert f"{new}/" in wait_for(twin, login)["text"]
