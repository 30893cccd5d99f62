"""The `latchkey` command, against a small API of its own on loopback."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from typer.testing import Result

from infra.cli import api, screen
from infra.cli.app import target_first
from infra.cli.errors import Unreachable
from tests.infra.fake_api import (
    LOGIN,
    LOGOUT,
    PASSWORD,
    TOKEN,
    FakeApi,
    FakeServer,
    Handler,
    aws_error,
    described,
    latchkey,
    problem,
    write_dev_file,
)

GIVEN = "eyJhbGciOiJSUzI1NiJ9.e30.Z2l2ZW4"
CONFIRMATION = "cnf_not-for-any-screen"
PRIVATE_SECRET = "aHMyNTYtc2VjcmV0"
PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"

SIGNING = "/v1/admin/signing"
ROTATE, RESET, KEY = f"{SIGNING}/rotate", f"{SIGNING}/reset", f"{SIGNING}/validation-key"
KID = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def a_key(kid: str, state: str, **times: int) -> dict[str, Any]:
    undecided = {"published_at": 1_780_000_000, "activates_at": None, "retire_at": None}
    return {"kid": kid, "alg": "RS256", "state": state} | undecided | times


def a_policy(**members: Any) -> dict[str, Any]:
    now = int(time.time())
    keys = [a_key(KID, "current", activates_at=now - 3 * 86_400 - 60), a_key("spare", "next")]
    return {
        "version": 7,
        "issuer": "https://auth.example",
        "algorithm": "RS256",
        "access_ttl": 900,
        "refresh_ttl": 7_776_000,
        "refresh_idle_ttl": 2_592_000,
        "refresh_retry_limit": 2,
        "keys": keys,
    } | members


IMPACT = {
    "keys_revoked": 2,
    "verifiers_notice_within": 70,
    "other_verifiers_notice_within": 300,
    "longest_token_life": 900,
    "sessions_end": False,
}
CONFIRM = problem(
    409,
    "confirmation_required",
    "Confirm it.",
    confirmation_token=CONFIRMATION,
    expires_in=300,
    impact=IMPACT | {"services": 5},
)


@pytest.fixture(autouse=True)
def policy(fake: FakeApi) -> None:
    """The policy that the API shows unless a test says otherwise."""
    fake.will("GET", SIGNING, (200, a_policy()))


def local(*arguments: str, typed: str = "") -> Result:
    return latchkey("--local", "signing", *arguments, typed=typed)


# ---- show ----


def test_show_is_a_table_of_settings_and_one_of_keys(fake: FakeApi) -> None:
    """Lifetimes are in human units, and every key says where in its life it is."""
    now = int(time.time())
    heir = a_key("heir", "next", activates_at=now + 605)
    old = a_key("old", "previous", activates_at=now - 9_000, retire_at=now + 3_700)
    fake.will("GET", SIGNING, (200, a_policy(keys=[*a_policy()["keys"], heir, old])))
    result = local("show")
    assert result.exit_code == 0
    assert "https://auth.example, version 7" in result.stdout
    rows = {tuple(re.split(r" {2,}", line.strip())[:2]) for line in result.stdout.splitlines()}
    assert {
        ("Access token lives", "15 min"),
        ("Session lives at most", "90 d"),
        ("Late refreshes in a row", "2"),
    } <= rows
    keys = {line.split()[0]: line.rstrip() for line in result.stdout.splitlines() if "RS256 " in line}
    assert re.search(r" current +RS256 +\d+ d +signs since .* \(3 d ago\)$", keys[KID])
    assert re.search(r" next .* signs after the next rotation$", keys["spare"])
    assert re.search(r" next .* signs from .* \(in 10 min\)$", keys["heir"])
    assert re.search(r" previous .* verifies until .* \(in 1 h\)$", keys["old"])
    assert result.stderr == ""


def test_brackets_of_the_server_are_text(fake: FakeApi) -> None:
    """Rich would read them as markup."""
    fake.will("GET", SIGNING, (200, a_policy(keys=[a_key("[bold]kid", "current")])))
    assert "[bold]kid" in local("show").stdout


def test_show_as_json_is_the_document_unchanged(fake: FakeApi) -> None:
    """A script gets the server's own bytes, unknown members and odd spacing included."""
    text = json.dumps(a_policy(news={"of": "tomorrow"}), indent=3)
    fake.will("GET", SIGNING, (200, text.encode()))
    assert local("show", "--json").stdout == text + "\n"


def test_output_has_no_colour_where_nobody_looks(fake: FakeApi) -> None:
    """A pipe gets text."""
    assert "\x1b" not in local("show").output


def test_terminal_gets_colours_unless_it_refuses_them(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_COLOR` is respected on a terminal too."""
    on_terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = latchkey("--local", "signing", "show", **on_terminal).stdout
    plain = latchkey("--local", "signing", "show", **on_terminal, NO_COLOR="1").stdout
    assert "\x1b[32mcurrent" in coloured
    assert "\x1b[32m" not in plain


def test_spinner_turns_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks, waiting writes nothing."""
    said = []
    for terminal in (True, False):
        console = Console(stderr=True, force_terminal=terminal)
        monkeypatch.setattr(screen, "_console", lambda console=console, **_: console)
        with console.capture() as captured, screen.waiting():
            pass
        said.append(captured.get())
    assert "Waiting" in said[0]
    assert said[1].strip() == ""


@pytest.mark.parametrize(
    "flaw",
    [{"keys": None}, {"keys": ["x"]}, {"version": "7"}, {"access_ttl": None}, {"issuer": "\x1b]0;owned\x07"}],
    ids=["no keys", "no key", "text", "absent", "escape"],
)
def test_document_that_is_none_is_refused(fake: FakeApi, flaw: dict[str, Any]) -> None:
    """An answer that cannot be read is a failure in one line, not a traceback, and moves no terminal."""
    fake.will("GET", SIGNING, (200, a_policy(**flaw)))
    result = local("show")
    assert result.exit_code == 1
    assert f"bad_member: {next(iter(flaw))}" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_success_that_is_no_document_is_refused(fake: FakeApi, body: bytes) -> None:
    """A captive portal answers 200 too."""
    fake.will("GET", SIGNING, (200, body))
    result = local("show")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr


# ---- set ----


def test_set_says_what_changes_and_when(fake: FakeApi) -> None:
    """Only what differs is named, with the moment it takes effect."""
    activates = int(time.time()) + 485
    after = a_policy(
        version=8,
        algorithm="ES256",
        access_ttl=600,
        refresh_idle_ttl=86_400,
        keys=[a_key("new", "next", activates_at=activates) | {"alg": "ES256"}],
    )
    fake.will("PATCH", SIGNING, (200, after))
    result = local("set", "--algorithm", "ES256", "--access-ttl", "10m", "--refresh-idle-ttl", "24h")
    assert fake.bodies(SIGNING)[1:] == [{"algorithm": "ES256", "access_ttl": 600, "refresh_idle_ttl": 86_400}]
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"Algorithm: RS256 → ES256, in tokens issued from .* \(in 8 min\) on", lines[0])
    assert lines[1:3] == [
        "Access token lives: 15 min → 10 min, in tokens issued from now on",
        "Unused session lives: 30 d → 1 d, in each session from its next refresh on",
    ]
    assert "within a minute" in lines[3]
    assert "JWT authorizers take RS256 only" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (["--refresh-ttl", "30d"], {"refresh_ttl": 2_592_000}),
        (["--access-ttl", "900"], {"access_ttl": 900}),
        (["--retry-limit", "0"], {"refresh_retry_limit": 0}),
    ],
)
def test_set_sends_what_is_named_and_nothing_else(fake: FakeApi, arguments: list[str], members: dict[str, int]) -> None:
    """Durations become seconds, and 0 is a value like any other."""
    fake.will("PATCH", SIGNING, (200, a_policy()))
    result = local("set", *arguments)
    assert [call.body for call in fake.calls if call.method == "PATCH"] == [members]
    assert result.stdout == "Nothing has changed.\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["--access-ttl", "soon"], ["--algorithm", "none"], ["--retry-limit", "-1"]],
    ids=["nothing", "duration", "algorithm", "limit"],
)
def test_set_of_nothing_or_nonsense_is_wrong_usage(fake: FakeApi, arguments: list[str]) -> None:
    """Wrong usage ends with 2 before anybody is called."""
    assert local("set", *arguments).exit_code == 2
    assert fake.calls == []


def test_refused_setting_is_named_in_one_line(fake: FakeApi) -> None:
    """The line has the field, what is wrong, the code and the request."""
    fault = {"field": "access_ttl", "code": "out_of_range", "message": "Must be 60 to 86400."}
    fake.will("PATCH", SIGNING, problem(422, "validation_failed", "Some members are wrong.", errors=[fault]))
    result = local("set", "--access-ttl", "1")
    said = "Some members are wrong. access_ttl: Must be 60 to 86400. [validation_failed, request req-1]"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"latchkey: {said}\n")


# ---- rotate ----


def test_rotate_says_when_the_new_key_signs(fake: FakeApi) -> None:
    """The next key is scheduled, since every verifier must have it first."""
    heir = a_key("heir", "next", activates_at=int(time.time()) + 485)
    fake.will("POST", ROTATE, (200, a_policy(keys=[*a_policy()["keys"], heir])))
    result = local("rotate")
    assert fake.bodies(ROTATE) == [{}]
    assert re.match(r"Key heir signs from .* \(in 8 min\)\. By then every verifier has it\.\n", result.stdout)
    assert KID in result.stdout


def test_rotate_at_the_same_time_as_somebody_else_fails(fake: FakeApi) -> None:
    """A conflict is the server's refusal: 1."""
    fake.will("POST", ROTATE, problem(409, "conflict", "Somebody else changed this. Read it and try again."))
    result = local("rotate")
    assert result.exit_code == 1
    assert "Read it and try again. [conflict, request req-1]" in result.stderr


# ---- reset ----


@pytest.fixture
def resettable(fake: FakeApi) -> FakeApi:
    fake.will("POST", RESET, CONFIRM, (200, a_policy(version=8)))
    return fake


def test_reset_names_what_breaks_and_asks_for_the_name_of_the_target(resettable: FakeApi) -> None:
    """Whoever types the name knows which Latchkey it is; then the server's token confirms it."""
    result = local("reset", typed="local\n")
    assert result.exit_code == 0
    for words in (
        "keys revoked: 2;",
        "up to 15 min early",
        "this stack's verifiers follow within 1 min 10 s",
        "others that keep to the cache headers follow within 5 min",
        "sessions live on",
        "services: 5",
    ):
        assert words in result.stderr
    first = {"end_sessions": False}
    confirmed = {"confirmation_token": CONFIRMATION, "understood": True, "end_sessions": False}
    assert resettable.bodies(RESET) == [first, confirmed]
    assert "version 8" in result.stdout
    assert CONFIRMATION not in result.output


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "Local\n", ""], ids=["y", "yes", "case", "nobody"])
def test_reset_without_the_name_changes_nothing(resettable: FakeApi, typed: str) -> None:
    """A habit is not a confirmation, and neither is silence."""
    result = local("reset", typed=typed)
    assert result.exit_code == 1
    assert "Nothing has changed" in result.stderr
    assert len(resettable.bodies(RESET)) == 1


def test_reset_of_sessions_too_is_bound_to_both_calls(resettable: FakeApi) -> None:
    """What was announced is what is confirmed; `--yes` asks nobody and still says what breaks."""
    ends = CONFIRM[1] | {"impact": IMPACT | {"sessions_end": True}}
    resettable.will("POST", RESET, (409, ends), (200, a_policy(version=8)))
    result = local("reset", "--end-sessions", "--yes", "--json")
    assert [body["end_sessions"] for body in resettable.bodies(RESET)] == [True, True]
    assert "everybody has to log in again" in result.stderr
    assert json.loads(result.stdout)["version"] == 8


def test_reset_confirmed_too_late_fails(resettable: FakeApi) -> None:
    """The server takes a confirmation for five minutes; nothing is repeated in the operator's name."""
    resettable.will("POST", RESET, CONFIRM, problem(409, "confirmation_failed", "Ask for another."))
    result = local("reset", "--yes")
    assert (result.exit_code, len(resettable.bodies(RESET))) == (1, 2)
    assert result.stderr.endswith("latchkey: Ask for another. [confirmation_failed, request req-1]\n")


def test_reset_that_is_refused_outright_asks_nothing(fake: FakeApi) -> None:
    """Any other refusal of the first call ends the command."""
    fake.will("POST", RESET, problem(409, "conflict", "Somebody else."))
    result = local("reset", typed="local\n")
    assert (result.exit_code, result.stderr) == (1, "latchkey: Somebody else. [conflict, request req-1]\n")


@pytest.mark.parametrize("answer", [(200, {}), problem(409, "confirmation_required", "Confirm it.")])
def test_reset_without_an_impact_goes_no_further(fake: FakeApi, answer: tuple[int, Any]) -> None:
    """Nobody confirms what was not announced."""
    fake.will("POST", RESET, answer)
    result = local("reset", "--yes")
    assert (result.exit_code, len(fake.bodies(RESET))) == (1, 1)


# ---- key ----


def test_key_is_the_pem_and_nothing_else(fake: FakeApi) -> None:
    """`latchkey signing key > key.pem` makes a file that verifiers can read."""
    fake.will("GET", KEY, (200, {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM}))
    result = local("key")
    assert (result.stdout, result.stderr) == (PEM, "")


def test_secret_comes_with_a_warning_beside_it(fake: FakeApi) -> None:
    """The warning is on stderr, so the secret can be piped."""
    fake.will("GET", KEY, (200, {"kid": "h", "alg": "HS256", "secret": PRIVATE_SECRET}))
    result = local("key")
    assert result.stdout == f"{PRIVATE_SECRET}\n"
    assert result.stderr.startswith("Warning: this is a secret.")


def test_key_in_json_has_the_jwk(fake: FakeApi) -> None:
    """Some verifiers want the JWK."""
    document = {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM}
    fake.will("GET", KEY, (200, document))
    assert json.loads(local("key", "--json").stdout) == document


def test_key_without_the_permission_is_not_allowed(fake: FakeApi) -> None:
    """403 is exit code 3, so a script can tell it from a failure."""
    fake.will("GET", KEY, problem(403, "forbidden", "Sign in again first."))
    result = local("key")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "latchkey: Sign in again first. [forbidden, request req-1]\n"


# ---- Signing in ----


def test_twin_is_signed_in_to_with_its_admin_and_out_of_again(fake: FakeApi) -> None:
    """The session lives as long as the command."""
    local("show")
    assert [(call.method, call.path, call.token) for call in fake.calls] == [
        ("POST", LOGIN, ""),
        ("GET", SIGNING, TOKEN),
        ("POST", LOGOUT, TOKEN),
    ]
    assert fake.calls[0].body == {"login": "admin@example.com", "password": PASSWORD, "device": "latchkey command"}


def test_session_ends_after_a_refusal_too(fake: FakeApi) -> None:
    """A failed command leaves no session behind."""
    fake.will("POST", ROTATE, problem(409, "conflict", "Somebody else."))
    local("rotate")
    assert fake.calls[-1].path == LOGOUT


def test_session_that_cannot_be_ended_fails_nothing(fake: FakeApi) -> None:
    """After a reset the token is dead, and the command has done its work."""
    fake.will("POST", LOGOUT, problem(401, "invalid_token", "Revoked."))
    result = local("show")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(401, "invalid_credentials", 3), (403, "account_disabled", 3), (429, "rate_limited", 1), (503, "internal", 1)],
)
def test_refused_login_ends_the_command(fake: FakeApi, status: int, code: str, exit_code: int) -> None:
    """Without a token nothing else is called."""
    fake.will("POST", LOGIN, problem(status, code, "No."))
    result = local("show")
    assert result.exit_code == exit_code
    assert [call.path for call in fake.calls] == [LOGIN]
    assert PASSWORD not in result.output


def test_stack_asks_for_login_and_password(stack: FakeApi) -> None:
    """The questions go to stderr, so the result can be piped, and the password to nobody but the server."""
    result = latchkey("--stack", "auth", "signing", "show", "--json", typed=f"ann@example.com\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert stack.bodies(LOGIN)[0]["login"] == "ann@example.com"
    assert stack.bodies(LOGIN)[0]["password"] == PASSWORD
    assert "Login at auth: " in result.stderr
    assert PASSWORD not in result.output


@pytest.mark.parametrize("typed", ["", "ann@example.com\n"], ids=["no login", "no password"])
def test_nobody_there_to_sign_in_is_not_signed_in(stack: FakeApi, typed: str) -> None:
    """A script without a token ends with 3 and reads how to give one."""
    result = latchkey("--stack", "auth", "signing", "show", typed=typed)
    assert result.exit_code == 3
    assert "set LATCHKEY_TOKEN" in result.stderr


def test_token_of_the_environment_spares_the_login(stack: FakeApi) -> None:
    """It is used as it is: nobody signs in, and nobody out."""
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert [(call.path, call.token) for call in stack.calls if call.path != "/"] == [(SIGNING, GIVEN)]
    assert GIVEN not in result.output


def test_expired_token_says_what_to_do(stack: FakeApi) -> None:
    """401 is exit code 3."""
    stack.will("GET", SIGNING, problem(401, "invalid_token", "The access token is expired."))
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 3
    assert "Set a fresh LATCHKEY_TOKEN" in result.stderr
    assert result.stderr.count("\n") == 1
    assert GIVEN not in result.output


def test_token_that_is_none_is_not_quoted(stack: FakeApi) -> None:
    """A line break would end the header, and what was pasted by mistake may be a password."""
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN="hunter2\r\nX-Evil: 1")
    assert result.exit_code == 3
    assert "hunter2" not in result.output
    assert stack.calls == []


def test_token_of_a_stack_never_reaches_a_twin(fake: FakeApi) -> None:
    """What listens on loopback is whatever a checkout says it is."""
    latchkey("--local", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert GIVEN not in {call.token for call in fake.calls}


# ---- Targets ----


def test_stack_of_the_environment_is_the_target(stack: FakeApi) -> None:
    """`LATCHKEY_STACK` spares the option."""
    result = latchkey("signing", "show", LATCHKEY_STACK="auth", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0
    assert "StackName=auth" in stack.bodies("/")[0]


def test_local_on_the_command_line_beats_a_stack_of_the_environment(stack: FakeApi) -> None:
    """What was typed now was meant now."""
    assert latchkey("--local", "signing", "show", LATCHKEY_STACK="auth").exit_code == 0
    assert stack.bodies("/") == []


@pytest.mark.parametrize("arguments", [[], ["--local", "--stack", "auth"]], ids=["none", "both"])
def test_target_must_be_named_once(fake: FakeApi, arguments: list[str]) -> None:
    """No target, and two, are wrong usage."""
    result = latchkey(*arguments, "signing", "show")
    assert result.exit_code == 2
    assert "--local" in result.stderr


def test_help_needs_no_target(fake: FakeApi) -> None:
    """Who asks how to name a target has none yet."""
    assert latchkey("signing", "reset", "--help").exit_code == 0


def test_no_twin_in_this_folder_is_unreachable(fake: FakeApi) -> None:
    """The line says where the file was looked for and what writes it."""
    Path(".latchkey/dev.json").unlink()
    result = local("show")
    assert result.exit_code == 4
    assert "There is no .latchkey/dev.json here. `make run` writes it" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"issuer": "x", "admin": {}}', '{"issuer": "x", "admin": 1}'])
def test_dev_file_that_cannot_be_read_is_unreachable(fake: FakeApi, text: str) -> None:
    """Half a file is no file."""
    Path(".latchkey/dev.json").write_text(text)
    result = local("show")
    assert result.exit_code == 4
    assert "cannot be read" in result.stderr


def test_dev_file_names_no_other_machine(fake: FakeApi) -> None:
    """A checkout of somebody else's cannot make the command call out."""
    write_dev_file("https://attacker.example")
    result = local("show")
    assert result.exit_code == 4
    assert "not on this machine" in result.stderr


def test_twin_that_has_stopped_is_unreachable(fake: FakeApi) -> None:
    """Its file outlives it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    write_dev_file(address)
    result = local("show")
    assert result.exit_code == 4
    assert result.stderr.startswith(f"latchkey: Cannot reach {address}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "exit_code", "said"),
    [
        (aws_error(400, "ValidationError", "Stack with id auth does not exist"), 4, "auth does not exist"),
        (aws_error(403, "AccessDenied", "not authorized"), 3, "not authorized [AccessDenied]"),
        (aws_error(403, "ExpiredToken", "token is expired"), 3, "[ExpiredToken]"),
        (described({"Other": "https://x.example"}), 4, "has no output ApiUrl"),
        (described({"ApiUrl": "http://auth.example"}), 4, "http://auth.example is not an https address"),
    ],
    ids=["absent", "denied", "expired", "another's", "clear text"],
)
def test_stack_that_is_not_to_be_found(stack: FakeApi, answer: tuple[int, bytes], exit_code: int, said: str) -> None:
    """CloudFormation's refusals are told apart: no rights, or no such stack."""
    stack.will("POST", "/", answer)
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert said in result.stderr
    assert GIVEN not in {call.token for call in stack.calls}


@pytest.mark.parametrize(
    ("missing", "arguments", "exit_code"),
    [
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], [], 3),
        (["AWS_DEFAULT_REGION"], [], 2),
        ([], ["--profile", "nobody"], 2),
    ],
    ids=["credentials", "region", "profile"],
)
def test_aws_that_cannot_be_asked(
    stack: FakeApi, monkeypatch: pytest.MonkeyPatch, missing: list[str], arguments: list[str], exit_code: int
) -> None:
    """Without credentials nobody is signed in; without a region or with an unknown profile it is wrong usage."""
    for name in missing:
        monkeypatch.delenv(name)
    result = latchkey("--stack", "auth", *arguments, "signing", "show")
    assert result.exit_code == exit_code
    assert stack.calls == []


def test_region_of_the_command_line_is_used(stack: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """It spares the environment's."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = latchkey("--stack", "auth", "--region", "eu-north-1", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0


# ---- HTTP ----


def test_redirect_is_not_followed(fake: FakeApi) -> None:
    """A token goes where it was meant to go, and nowhere else."""
    fake.headers["Location"] = f"{fake.address}/elsewhere"
    fake.will("GET", SIGNING, (302, b""))
    result = local("show")
    assert result.exit_code == 1
    assert "The server answered 302." in result.stderr
    assert "/elsewhere" not in {call.path for call in fake.calls}


def test_refusal_that_is_no_problem_document_still_names_the_request(fake: FakeApi) -> None:
    """A proxy's page is not shown; its status is, and the header's request id."""
    fake.headers["X-Request-Id"] = "req-2"
    fake.will("GET", SIGNING, (502, b"<html>\x1b[2J</html>"))
    assert local("show").stderr == "latchkey: The server answered 502. [request req-2]\n"


def test_words_of_a_server_stay_one_line_of_text(fake: FakeApi) -> None:
    """Neither a line break nor an escape sequence nor Rich's markup gets through."""
    fake.will("GET", SIGNING, problem(400, "x", "one\ntwo \x1b[31m[bold]three[/bold]"))
    assert local("show").stderr == "latchkey: one two [31m[bold]three[/bold] [x, request req-1]\n"


@pytest.mark.parametrize("terminal", [{}, {"FORCE_COLOR": "1", "COLUMNS": "40"}], ids=["pipe", "terminal"])
def test_long_words_of_a_server_are_said_whole(fake: FakeApi, terminal: dict[str, str]) -> None:
    """The code and the request stand at the end, where a narrow terminal would cut them off."""
    fake.will("GET", SIGNING, problem(400, "x", "word " * 100))
    result = latchkey("--local", "signing", "show", **terminal)
    assert f"latchkey: {'word ' * 100}[x, request req-1]" in result.stderr


def test_rate_limit_says_how_long_to_wait(fake: FakeApi) -> None:
    """The header's seconds are for the operator too."""
    fake.headers["Retry-After"] = "30"
    fake.will("GET", SIGNING, problem(429, "rate_limited", "Too many attempts."))
    assert "Too many attempts. Try again in 30 s. [rate_limited" in local("show").stderr


def test_proxy_never_sees_what_stays_on_this_machine(fake: FakeApi) -> None:
    """`http_proxy` without `no_proxy` would hand it the admin's password."""
    closed = "http://127.0.0.1:1"
    assert latchkey("--local", "signing", "show", http_proxy=closed, no_proxy="").exit_code == 0


@contextmanager
def silent_server() -> Iterator[str]:
    """Listen, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_server_that_never_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait has an end."""
    monkeypatch.setattr(api, "TIMEOUT", 0.05)
    with silent_server() as address, pytest.raises(Unreachable, match="timed out"):
        api.Api(address).get("/status")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server on TLS, and its certificate, which nobody has signed but itself."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with FakeServer(("127.0.0.1", 0), Handler) as running:
        running.fake = FakeApi(answers={("GET", SIGNING): [(200, {})]})
        running.socket = context.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake is expected
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"https://127.0.0.1:{running.server_port}", path
        running.shutdown()


def self_signed() -> bytes:
    """Return a key and a certificate for 127.0.0.1, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    loopback = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = builder.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def test_certificate_that_nobody_vouches_for_is_refused(tls: tuple[str, Path]) -> None:
    """A token goes to who proves to be the address it was meant for."""
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        api.Api(tls[0], TOKEN).get(SIGNING)


def test_certificate_of_a_known_authority_is_accepted(tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server is spoken to as soon as somebody vouches for it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    assert api.Api(tls[0], TOKEN).get(SIGNING).members == {}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["signing", "show", "--local", "--json"], ["--local", "signing", "show", "--json"]),
        (["signing", "rotate", "--stack", "auth"], ["--stack", "auth", "signing", "rotate"]),
        (["signing", "--region=eu-west-1", "show"], ["--region=eu-west-1", "signing", "show"]),
        (["signing", "set", "--algorithm", "ES256"], ["signing", "set", "--algorithm", "ES256"]),
    ],
)
def test_options_of_the_target_may_stand_anywhere(typed: list[str], read: list[str]) -> None:
    """Nobody remembers whether they come before the command or behind it."""
    assert target_first(typed) == read
