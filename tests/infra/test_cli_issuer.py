"""`latchkey issuer`, against a small API on loopback in the place of a twin or a stack."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.infra.fake_api import TOKEN, FakeApi, described, latchkey, problem

FUNCTION = "auth-IssuerFunction-1A2B"
TWINS = "/2015-03-31/functions/IssuerFunction/invocations"
STACKS = f"/2015-03-31/functions/{FUNCTION}/invocations"
OLD, NEW = "https://a1.execute-api.eu-north-1.amazonaws.com/live", "https://auth.example.com"
MOVE = ("issuer", "move", NEW)


def document(**members: Any) -> dict[str, Any]:
    """Return what the function shows of a stack at rest."""
    return {"version": 3, "issuer": OLD, "next_issuer": None, "previous_issuers": [], "publish_lead": 480} | members


def answered(status: int, document: Any) -> tuple[int, dict[str, Any]]:
    """Return the answer of the function as Lambda hands it over."""
    return 200, {"statusCode": status, "headers": {}, "body": json.dumps(document), "isBase64Encoded": False}


def moving() -> dict[str, Any]:
    """Return what the function answers to a move."""
    now = int(time.time())
    return document(next_issuer={"iss": NEW, "at": now + 480, "previous_until": now + 2000})


@pytest.fixture
def twin(fake: FakeApi) -> FakeApi:
    """A twin at rest."""
    fake.will("POST", TWINS, answered(200, document()), answered(200, moving()))
    return fake


@pytest.fixture
def deployed(stack: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A deployed stack at rest."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", stack.address)
    stack.will("POST", "/", described({"ApiUrl": stack.address, "IssuerFunction": FUNCTION}))
    stack.will("POST", STACKS, answered(200, document()), answered(200, moving()))
    return stack


def bodies(fake: FakeApi) -> list[Any]:
    """Return the bodies that were sent to the function."""
    events = [*fake.bodies(TWINS), *fake.bodies(STACKS)]
    return [json.loads((json.loads(event) if isinstance(event, str) else event)["body"]) for event in events]


def test_issuer_of_a_twin_is_shown(twin: FakeApi) -> None:
    """Showing the issuer changes nothing and needs no sign-in."""
    result = latchkey("issuer", "show", "--local")
    assert (result.exit_code, result.stdout) == (0, f"Tokens name {OLD}.\n")
    assert (bodies(twin), {call.path for call in twin.calls}) == ([{}], {TWINS})


def test_issuers_of_a_move_are_shown_with_their_times(twin: FakeApi) -> None:
    """A move that is over, and one that is planned."""
    now = int(time.time())
    old = [{"iss": OLD, "until": now + 90_000}]
    planned = {"iss": "https://third.example", "at": now + 60, "previous_until": now + 3600}
    twin.will("POST", TWINS, answered(200, document(issuer=NEW, next_issuer=planned, previous_issuers=old)))
    lines = latchkey("issuer", "show", "--local").stdout.splitlines()
    assert [line.split(" 20")[0] for line in lines] == [
        f"Tokens name {NEW}.",
        "They name https://third.example from",
        f"{NEW} is accepted until",
        f"{OLD} is accepted until",
    ]
    assert all("(in " in line for line in lines[1:])


def test_stack_moves_by_the_lambda_api_without_a_token(deployed: FakeApi) -> None:
    """A stack that accepts no token is repaired in this way."""
    result = latchkey(*MOVE, "--stack", "auth", "--yes", LATCHKEY_TOKEN=TOKEN)
    assert (result.exit_code, bodies(deployed)) == (0, [{}, {"iss": NEW}])
    assert f"They name {NEW} from " in result.stdout
    assert f"{OLD} is accepted until " in result.stdout
    assert TOKEN not in str(deployed.calls)


def test_move_asks_and_says_what_will_happen(twin: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The publish lead is the stack's own, and anything but yes moves nothing."""
    monkeypatch.setattr("infra.cli.terminal.questions._on_terminal", lambda: True)
    result = latchkey(*MOVE, "--local", typed="no\n")
    assert (result.exit_code, bodies(twin)) == (1, [{}])
    assert f"every verifier learns {NEW} first; tokens name it in 8 min" in result.stderr
    assert "Nothing has changed" in result.stderr
    assert latchkey(*MOVE, "--local", typed="yes\n").exit_code == 0
    assert bodies(twin)[-1] == {"iss": NEW}


def test_move_without_a_terminal_needs_yes(twin: FakeApi) -> None:
    """A script says that it means it, before anything is invoked."""
    assert latchkey(*MOVE, "--local").exit_code == 2
    assert twin.calls == []


def test_json_is_the_functions_document(twin: FakeApi) -> None:
    """A script gets the times as numbers."""
    assert json.loads(latchkey("issuer", "show", "--local", "--json").stdout) == document()
    assert json.loads(latchkey(*MOVE, "--local", "--yes", "--json").stdout)["next_issuer"]["iss"] == NEW


def test_refusal_of_the_address_is_said(deployed: FakeApi) -> None:
    """The operator reads what is wrong with the address."""
    errors = [{"field": "iss", "code": "no_answer", "message": "Metadata and keys must be served at this address."}]
    refused = problem(422, "validation_failed", "A value is not acceptable here.", errors=errors)
    deployed.will("POST", STACKS, answered(200, document()), answered(*refused))
    result = latchkey(*MOVE, "--stack", "auth", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Metadata and keys must be served at this address." in result.stderr


def test_stack_of_an_earlier_release_is_told(deployed: FakeApi) -> None:
    """A stack without the function has no output for it."""
    deployed.will("POST", "/", described({"ApiUrl": deployed.address}))
    result = latchkey("issuer", "show", "--stack", "auth")
    assert (result.exit_code, "no output IssuerFunction" in result.stderr) == (4, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": 1},
        {"issuer": "https://a\x1b[2J"},
        {"next_issuer": "x"},
        {"next_issuer": {"iss": NEW}},
        {"previous_issuers": None},
        {"previous_issuers": ["x"]},
    ],
)
def test_answer_of_something_else_is_refused(twin: FakeApi, wrong: Any) -> None:
    """A document that is none of this function's is an error in one line, and no control character is printed."""
    twin.will("POST", TWINS, answered(200, document(**wrong)))
    result = latchkey("issuer", "show", "--local")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr
