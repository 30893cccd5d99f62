"""An operator's day with the `latchkey` command, on a twin that starts without an admin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.gateway.invocations import Invocations
from infra.local.gateway.messages import Request
from infra.local.stack.api import Api, Function
from tests.e2e.client import Response, RunningTwin, start_twin
from tests.e2e.mailbox import code_in, wait_for

BOSS, PASSWORD = "boss@example.com", "a quiet river at dawn"
ANN, ANNS_PASSWORD = "ann@example.com", "a walk in the rain"
INVOKE = "/2015-03-31/functions/{}/invocations"


@dataclass(slots=True)
class Operator:
    """A person at a keyboard, in the folder of a twin."""

    twin: RunningTwin

    def types(self, *arguments: str, typed: str = "", code: int = 0) -> str:
        """Run a command with typed input; return its output, which must not contain a password."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LATCHKEY_"))}
        done = subprocess.run(
            [f"{sys.prefix}/bin/latchkey", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            cwd=self.twin.folder,
            env=kept | {"COLUMNS": "200"},
            start_new_session=True,  # else the terminal that runs the tests would be asked for a password
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert not any(password in done.stdout + done.stderr for password in (PASSWORD, ANNS_PASSWORD))
        return done.stdout if code == 0 else done.stderr

    def does(self, *arguments: str, typed: str = "", code: int = 0) -> str:
        """Run a command that signs in as the admin."""
        return self.types("--local", *arguments, typed=f"{BOSS}\n{PASSWORD}\n{typed}", code=code)

    def reads(self, *arguments: str) -> Any:
        """Run a command that signs in as the admin, and return the server's document."""
        return json.loads(self.does(*arguments, "--json"))


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin without an admin."""
    with start_twin(tmp_path_factory.mktemp("bare-twin"), ADMIN="off", LIMITS="off") as running:
        running.secrets |= {PASSWORD, ANNS_PASSWORD}
        yield running
        assert running.leaks() == []  # no log line contains them


def log_in(twin: RunningTwin, password: str = ANNS_PASSWORD) -> Response:
    return twin.call("POST", "/v1/auth/login", json={"login": ANN, "password": password})


def refresh(twin: RunningTwin, tokens: Any) -> Response:
    return twin.call("POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


def session_of(twin: RunningTwin, key: str) -> int:
    """Return the status that a service gets when it opens a session with its key."""
    twin.secrets.add(key)
    return twin.call("POST", "/v1/auth/token", headers={"X-API-Key": key}).status


def test_the_operators_day(twin: RunningTwin) -> None:
    """Accounts, roles, clients and keys work as soon as they are created, and stop when the operator says so."""
    operator = Operator(twin)
    assert ("admin" in twin.dev, "There is no admin yet" in twin.output()) == (False, True)
    initial = ("--local", "init-admin", "--password-stdin", "--login")
    assert "admin, user" in operator.types(*initial, BOSS, typed=PASSWORD)  # the role admin holds the rest
    assert "admin_exists" in operator.types(*initial, "eve@example.com", typed=PASSWORD, code=1)

    made = operator.does("user", "create", ANN, "--name", "Ann", typed=f"{ANNS_PASSWORD}\n{ANNS_PASSWORD}\n")
    assert ANN in made
    operator.does("role", "set", "help_desk", "users:read")
    assert operator.reads("user", "set", ANN, "--add-role", "help_desk")["roles"] == ["help_desk", "user"]

    client = operator.reads("client", "create", "--kind", "service", "--name", "Job", "--role", "service")
    key = operator.does("api-key", "create", "--client-id", client["id"], "--name", "nightly").strip()
    assert session_of(twin, key) == 200
    successor = operator.does("api-key", "rotate", key.split("_")[1], "--yes").strip()
    assert (session_of(twin, key), session_of(twin, successor)) == (401, 200)
    key_id = successor.split("_")[1]
    statuses = [operator.reads("api-key", verb, key_id)["status"] for verb in ("disable", "show")]
    assert (statuses, session_of(twin, successor)) == (["disabled", "disabled"], 401)
    operator.does("api-key", "enable", key_id)
    assert session_of(twin, successor) == 200
    operator.does("api-key", "delete", key_id, "--yes")
    assert session_of(twin, successor) == 401

    tokens = log_in(twin).json
    operator.does("user", "disable", ANN)
    assert (refresh(twin, tokens).status, log_in(twin).status) == (401, 401)
    operator.does("user", "enable", ANN)
    tokens = log_in(twin).json
    operator.does("user", "end-sessions", ANN, "--yes")
    assert (refresh(twin, tokens).status, log_in(twin).status) == (401, 200)

    operator.does("user", "reset-password", ANN)
    code = code_in(twin, wait_for(twin, ANN))
    reset = twin.call("POST", "/v1/user/password/reset", json={"token": code, "password": "some other words"})
    assert (reset.status, log_in(twin).status) == (200, 401)
    listed = operator.does("user", "list")
    assert [login in listed for login in (BOSS, ANN, "eve@example.com")] == [True, True, False]


def test_client_is_disabled_and_deleted_on_demand_alone(twin: RunningTwin) -> None:
    """A disabled client's keys are not accepted until it is enabled, and it is deleted only with a confirmation."""
    operator = Operator(twin)
    client = operator.reads("client", "create", "--kind", "service", "--name", "Robot", "--role", "service")
    key = operator.does("api-key", "create", "--client-id", client["id"], "--name", "daily").strip()
    assert operator.reads("client", "disable", client["id"])["status"] == "disabled"
    assert session_of(twin, key) == 401
    assert operator.reads("client", "enable", client["id"])["status"] == "active"
    assert session_of(twin, key) == 200
    assert "Add --yes" in operator.does("client", "delete", client["id"], code=2)
    assert operator.reads("client", "show", client["id"])["id"] == client["id"]
    operator.does("client", "delete", client["id"], "--yes")
    assert session_of(twin, key) == 401


def test_list_is_continued_on_a_real_server(twin: RunningTwin) -> None:
    """The next command, which signs in again, accepts the cursor."""
    operator = Operator(twin)
    for name in ("one", "two", "three"):
        operator.does("client", "create", "--kind", "service", "--name", name)
    whole = operator.reads("client", "list")
    first = operator.reads("client", "list", "--limit", "2")
    rest = operator.reads("client", "list", "--cursor", first["cursor"])
    assert len(first["clients"]) == 2
    assert (first["clients"] + rest["clients"], rest["cursor"]) == (whole["clients"], None)


# ---- The Invoke API of the twin ----


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://127.0.0.1"}, {"Host": "attacker.example"}, {"Origin": "null"}, {"Host": "[::1"}]
)
def test_no_web_page_invokes(twin: RunningTwin, headers: dict[str, str]) -> None:
    """A web page cannot invoke a function, whether it sends its origin or uses a name that resolves to this machine."""
    answer = twin.call("POST", INVOKE.format("InitAdminFunction"), json={}, headers=headers)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_no_other_machine_invokes() -> None:
    """A request from another machine cannot invoke a function, whatever its headers say."""
    function = Function("F", "arn:F", "app", "handler", {}, 3, 128, "logs")
    invoke = Invocations(Api("api", "live", (), {}, {}, {"F": function}), lambda name, _: name)
    asked = [
        Request("POST", INVOKE.format("F"), "", (("Host", "127.0.0.1"),), b"{}", peer)
        for peer in ("127.0.0.1", "192.0.2.7")
    ]
    assert [invoke.answer(request).status for request in asked] == [200, 403]


@pytest.mark.parametrize("name", ["UsersFunction", "AuthorizerFunction", "NoFunction", "InitAdminFunction%2F"])
def test_what_answers_a_route_is_not_invoked(twin: RunningTwin, name: str) -> None:
    """Invoking a function that has a route would avoid its authorizer."""
    answer = twin.call("POST", INVOKE.format(name), json={})
    assert (answer.status, answer.json["Type"]) == (404, "User")


def test_invocation_is_a_post_that_waits(twin: RunningTwin) -> None:
    """Other methods, other kinds of invocation and a broken payload are refused."""
    path = INVOKE.format("InitAdminFunction")
    answers = [
        twin.call("GET", path),
        twin.call("POST", path, json={}, headers={"X-Amz-Invocation-Type": "Event"}),
        twin.call("POST", path, body=b"{"),
    ]
    assert [answer.status for answer in answers] == [404, 400, 400]


def test_error_of_a_function_is_marked(twin: RunningTwin) -> None:
    """An error has Lambda's header and the type of the exception, and nothing of the event."""
    answer = twin.call("POST", INVOKE.format("RotateFunction"), json={})
    assert (answer.status, answer.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert answer.json == {"errorType": "KeyError"}
