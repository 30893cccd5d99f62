"""`latchkey init-admin`, against a small API on loopback in the place of a twin or a stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import Result

from tests.infra.fake_api import PASSWORD, TOKEN, FakeApi, described, latchkey, problem

FUNCTION = "auth-InitAdminFunction-1A2B"
TWINS = "/2015-03-31/functions/InitAdminFunction/invocations"
STACKS = f"/2015-03-31/functions/{FUNCTION}/invocations"
ADMIN = {
    "id": "usr_" + "b" * 26,
    "login": "boss@example.com",
    "status": "active",
    "roles": ["admin", "user"],
    "created_at": 1_780_000_000,
}
TYPED = f"{PASSWORD}\n{PASSWORD}\n"


def answered(status: int, document: Any) -> tuple[int, dict[str, Any]]:
    """Return the answer of the function as Lambda hands it over."""
    return 200, {"statusCode": status, "headers": {}, "body": json.dumps(document), "isBase64Encoded": False}


@pytest.fixture
def twin(fake: FakeApi) -> FakeApi:
    """A twin without an admin."""
    fake.will("POST", TWINS, answered(201, ADMIN))
    return fake


@pytest.fixture
def deployed(stack: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A deployed stack without an admin."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", stack.address)
    stack.will("POST", "/", described({"ApiUrl": stack.address, "InitAdminFunction": FUNCTION}))
    stack.will("POST", STACKS, answered(201, ADMIN))
    return stack


def init(*arguments: str, typed: str = TYPED, **environment: str) -> Result:
    return latchkey("init-admin", *arguments, "--login", "boss@example.com", typed=typed, **environment)


def invocations(fake: FakeApi) -> list[Any]:
    return [
        json.loads(body) if isinstance(body, str) else body for path in (TWINS, STACKS) for body in fake.bodies(path)
    ]


def test_twin_gets_its_first_admin(twin: FakeApi) -> None:
    """Login and password are sent to the function as the body of a request, and the account is shown."""
    result = latchkey("init-admin", "--local", typed=f"boss@example.com\n{TYPED}")
    [event] = invocations(twin)
    assert json.loads(event["body"]) == {"login": "boss@example.com", "password": PASSWORD}
    assert (event["httpMethod"], event["headers"]) == ("POST", {"Content-Type": "application/json"})
    assert result.exit_code == 0
    assert "admin, user" in result.stdout


def test_stack_gets_its_first_admin_by_the_lambda_api(deployed: FakeApi) -> None:
    """The stack's output names the function, and no token is sent there."""
    result = init("--stack", "auth", LATCHKEY_TOKEN=TOKEN)
    [event] = invocations(deployed)
    assert (result.exit_code, json.loads(event["body"])["password"]) == (0, PASSWORD)
    assert TOKEN not in str(deployed.calls)


def test_password_is_on_no_screen(twin: FakeApi) -> None:
    """The password is not shown when it is typed or answered."""
    assert PASSWORD not in init("--local").output


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_password_of_a_pipe_ends_before_its_newline(twin: FakeApi, ending: str) -> None:
    """One newline at the end is not part of the password; blanks are."""
    assert init("--local", "--password-stdin", typed=f" {PASSWORD} {ending}").exit_code == 0
    [event] = invocations(twin)
    assert json.loads(event["body"])["password"] == f" {PASSWORD} "


def test_json_is_the_functions_document(twin: FakeApi) -> None:
    """A script gets the account as JSON."""
    assert json.loads(init("--local", "--json").stdout) == ADMIN


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("admin_exists", "This stack has had its first admin already."), ("weak_password", "This password is too easy.")],
)
def test_refusal_of_the_function_is_said(deployed: FakeApi, code: str, sentence: str) -> None:
    """A problem document of the function is shown like that of a route."""
    deployed.will("POST", STACKS, answered(*problem(409, code, sentence)))
    result = init("--stack", "auth")
    assert (result.exit_code, result.stdout.strip()) == (1, "")
    assert result.stderr.endswith(f"latchkey: {sentence} [{code}, request req-1]\n")


@pytest.mark.parametrize("typed", ["", f"{PASSWORD}\n", f"{PASSWORD}\nanother\n"], ids=["nothing", "once", "differing"])
def test_nothing_is_invoked_without_a_sure_password(twin: FakeApi, typed: str) -> None:
    """A typing error must not set the only admin's password."""
    result = init("--local", typed=typed)
    assert (result.exit_code, invocations(twin)) == (1, [])
    assert "Nothing has changed" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["--local", "--stack", "auth"], ["--local", "--password-stdin"], ["--local", "--password", PASSWORD]],
    ids=["no target", "two targets", "no login", "password as an option"],
)
def test_wrong_usage_invokes_nothing(twin: FakeApi, arguments: list[str]) -> None:
    """Wrong usage ends with 2 before the function is invoked."""
    assert latchkey("init-admin", *arguments, typed=TYPED).exit_code == 2
    assert twin.calls == []


def test_empty_pipe_is_wrong_usage(twin: FakeApi) -> None:
    """An empty standard input, as of a failed secret store, is not a password."""
    assert init("--local", "--password-stdin", typed="\n").exit_code == 2


@pytest.mark.parametrize("document", [{}, {"statusCode": "201", "body": "{}"}, {"statusCode": 201}, []])
def test_answer_of_something_else_is_refused(twin: FakeApi, document: Any) -> None:
    """The answer of a foreign function with this name is an error in one line."""
    twin.will("POST", TWINS, (200, document))
    result = init("--local")
    assert (result.exit_code, result.stdout.strip()) == (1, "")
    assert "cannot be read" in result.stderr


def test_failure_of_the_function_repeats_nothing(deployed: FakeApi) -> None:
    """Lambda's error text is not shown, because it can contain the event."""
    deployed.headers["X-Amz-Function-Error"] = "Unhandled"
    deployed.will("POST", STACKS, (200, {"errorMessage": PASSWORD}))
    result = init("--stack", "auth")
    assert result.exit_code == 1
    assert f"The function {FUNCTION} failed. Its log says where." in result.stderr
    assert PASSWORD not in result.output


@pytest.mark.parametrize(("status", "exit_code"), [(403, 3), (404, 4), (429, 4), (500, 4)])
def test_refusal_of_lambda_itself_is_asked_for_once(deployed: FakeApi, status: int, exit_code: int) -> None:
    """A call that may have been carried out is not repeated, and a missing right is reported."""
    deployed.headers["X-Amzn-ErrorType"] = "SomeException"
    deployed.will("POST", STACKS, (status, {"Type": "User", "Message": "Not so."}))
    result = init("--stack", "auth")
    assert (result.exit_code, len(invocations(deployed))) == (exit_code, 1)
    assert "AWS: " in result.stderr


def test_stack_of_an_earlier_release_is_told_before_a_password_is_typed(deployed: FakeApi) -> None:
    """A stack without the output is reported before the command asks for a password."""
    deployed.will("POST", "/", described({"ApiUrl": deployed.address}))
    result = latchkey("init-admin", "--stack", "auth", typed=TYPED)
    assert (result.exit_code, "Login" in result.stderr) == (4, False)
    assert "no output InitAdminFunction" in result.stderr
