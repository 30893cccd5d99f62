"""`latchkey signing`, against a small API on loopback."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from infra.cli.terminal import screen
from tests.infra.fake_api import KID, SIGNING, FakeApi, a_key, a_policy, latchkey, problem

CONFIRMATION = "cnf_not-for-any-screen"
PRIVATE_SECRET = "aHMyNTYtc2VjcmV0"
PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"

ROTATE, RESET, KEY = f"{SIGNING}/rotate", f"{SIGNING}/reset", f"{SIGNING}/validation-key"

IMPACT = {
    "keys_revoked": 2,
    "verifiers_notice_within": 70,
    "other_verifiers_notice_within": 300,
    "longest_token_life": 900,
    "sessions_end": False,
    "verifiers_without_keys_stop_within": 960,
    "functions_notice_within": 60,
    "old_refresh_tokens_accepted_for": 7_776_180,
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
    """The policy that the API shows by default."""
    fake.will("GET", SIGNING, (200, a_policy()))


def local(*arguments: str, typed: str = "") -> Result:
    return latchkey("--local", "signing", *arguments, typed=typed)


# ---- show ----


def test_show_is_a_table_of_settings_and_one_of_keys(fake: FakeApi) -> None:
    """Lifetimes are in human units, and every key has its place in its life."""
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
        ("Late repeats allowed", "12"),
    } <= rows
    keys = {line.split()[0]: line.rstrip() for line in result.stdout.splitlines() if "RS256 " in line}
    assert re.search(r" current +RS256 +\d+ d +signs since .* \(3 d ago\)$", keys[KID])
    assert re.search(r" next .* signs after the next rotation$", keys["spare"])
    assert re.search(r" next .* signs from .* \(in 10 min\)$", keys["heir"])
    assert re.search(r" previous .* verifies until .* \(in 1 h\)$", keys["old"])
    assert result.stderr == ""


def test_keys_fit_a_terminal_of_80_columns(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is one line with its whole id and the time to its next step."""
    monkeypatch.setattr(screen, "width", lambda: 80)
    now = int(time.time())
    heir = a_key(KID, "next", activates_at=now + 605)
    old = a_key(KID, "previous", activates_at=now - 9_000, retire_at=now + 3_599)
    fake.will("GET", SIGNING, (200, a_policy(keys=[*a_policy()["keys"], heir, old])))
    lines = [line.rstrip() for line in local("show").stdout.splitlines() if re.search(r" RS256 +\w", line)]
    assert max(map(len, lines)) <= 80
    assert [re.split(r" {2,}", line)[-1] for line in lines] == [
        "since 3 d",
        "after a rotation",
        "signs in 10 min",
        "ends in 59 min",
    ]


def test_keys_keep_their_ids_on_a_narrow_terminal(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 60 columns a key is its id and its state, both whole."""
    monkeypatch.setattr(screen, "width", lambda: 60)
    lines = [line.rstrip() for line in local("show").stdout.splitlines()]
    assert f"{KID}  current" in lines
    assert max(map(len, lines)) <= 60


def test_brackets_of_the_server_are_text(fake: FakeApi) -> None:
    """Brackets in a server's answer are not read as Rich's markup."""
    fake.will("GET", SIGNING, (200, a_policy(keys=[a_key("[bold]kid", "current")])))
    assert "[bold]kid" in local("show").stdout


def test_show_as_json_is_the_document_unchanged(fake: FakeApi) -> None:
    """A script gets the server's own bytes, with unknown members and unusual spacing."""
    text = json.dumps(a_policy(news={"of": "tomorrow"}), indent=3)
    fake.will("GET", SIGNING, (200, text.encode()))
    assert local("show", "--json").stdout == text + "\n"


def test_output_has_no_colour_in_a_pipe(fake: FakeApi) -> None:
    """A pipe gets text without colours."""
    assert "\x1b" not in local("show").output


def test_terminal_gets_colours_unless_it_refuses_them(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours, unless `NO_COLOR` is set."""
    on_terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = latchkey("--local", "signing", "show", **on_terminal).stdout
    plain = latchkey("--local", "signing", "show", **on_terminal, NO_COLOR="1").stdout
    assert "\x1b[32mcurrent" in coloured
    assert "\x1b[32m" not in plain


def test_spinner_turns_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets no text while the command waits."""
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
    """An unreadable answer is an error in one line without a traceback or escape sequences."""
    fake.will("GET", SIGNING, (200, a_policy(**flaw)))
    result = local("show")
    assert result.exit_code == 1
    assert f"bad_member: {next(iter(flaw))}" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_success_that_is_no_document_is_refused(fake: FakeApi, body: bytes) -> None:
    """A page with status 200, as of a captive portal, is an error."""
    fake.will("GET", SIGNING, (200, body))
    result = local("show")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr


# ---- set ----


def test_set_says_what_changes_and_when(fake: FakeApi) -> None:
    """Only the changed settings are named, with the time at which they take effect."""
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
    assert "JWT authorizers accept only RS256" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (["--refresh-ttl", "30d"], {"refresh_ttl": 2_592_000}),
        (["--access-ttl", "900"], {"access_ttl": 900}),
        (["--retry-limit", "0"], {"refresh_retry_limit": 0}),
    ],
)
def test_set_sends_what_is_named_and_nothing_else(fake: FakeApi, arguments: list[str], members: dict[str, int]) -> None:
    """Durations become seconds, and 0 is sent like any other value."""
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
    """Wrong usage ends with 2 before the server is called."""
    assert local("set", *arguments).exit_code == 2
    assert fake.calls == []


def test_refused_setting_is_named_in_one_line(fake: FakeApi) -> None:
    """The line contains the field, the fault, the code and the request id."""
    fault = {"field": "access_ttl", "code": "out_of_range", "message": "Must be 60 to 3600."}
    fake.will("PATCH", SIGNING, problem(422, "validation_failed", "Some members are wrong.", errors=[fault]))
    result = local("set", "--access-ttl", "1")
    said = "Some members are wrong. access_ttl: Must be 60 to 3600. [validation_failed, request req-1]"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"latchkey: {said}\n")


# ---- rotate ----


def test_rotate_says_when_the_new_key_signs(fake: FakeApi) -> None:
    """The next key is scheduled, because every verifier must have it first."""
    heir = a_key("heir", "next", activates_at=int(time.time()) + 485)
    fake.will("POST", ROTATE, (200, a_policy(keys=[*a_policy()["keys"], heir])))
    result = local("rotate")
    assert fake.bodies(ROTATE) == [{}]
    assert re.match(r"Key heir signs from .* \(in 8 min\)\. By then every verifier has it\.\n", result.stdout)
    assert KID in result.stdout


def test_rotate_at_the_same_time_as_another_operator_fails(fake: FakeApi) -> None:
    """A conflict ends with 1, as every refusal does."""
    fake.will("POST", ROTATE, problem(409, "conflict", "This has changed. Read it and try again."))
    result = local("rotate")
    assert result.exit_code == 1
    assert "Read it and try again. [conflict, request req-1]" in result.stderr


# ---- reset ----


@pytest.fixture
def resettable(fake: FakeApi) -> FakeApi:
    fake.will("POST", RESET, CONFIRM, (200, a_policy(version=8)))
    return fake


@pytest.mark.usefixtures("terminal")
def test_reset_names_what_breaks_and_asks_for_the_name_of_the_target(resettable: FakeApi) -> None:
    """The operator types the target's name, and the server's token confirms the reset."""
    result = local("reset", typed="local\n")
    assert result.exit_code == 0
    for words in (
        "keys revoked: 2;",
        "up to 15 min early",
        "this stack's verifiers follow within 1 min 10 s",
        "verifiers elsewhere follow within 5 min (cache headers)",
        "if they cannot fetch the new keys: within 16 min",
        "cursors of lists end within 1 min",
        "sessions continue",
        "accepted for up to 90 d 3 min",
        "if refresh tokens themselves have leaked, use --end-sessions",
        "services: 5",
    ):
        assert words in result.stderr
    first = {"end_sessions": False}
    confirmed = {"confirmation_token": CONFIRMATION, "understood": True, "end_sessions": False}
    assert resettable.bodies(RESET) == [first, confirmed]
    assert "version 8" in result.stdout
    assert CONFIRMATION not in result.output


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("typed", ["y\n", "yes\n", "Local\n", ""], ids=["y", "yes", "case", "nothing"])
def test_reset_without_the_name_changes_nothing(resettable: FakeApi, typed: str) -> None:
    """Any other answer, and no answer, leave the keys as they are."""
    result = local("reset", typed=typed)
    assert result.exit_code == 1
    assert "Nothing has changed" in result.stderr
    assert len(resettable.bodies(RESET)) == 1


def test_reset_without_a_terminal_asks_the_server_nothing(resettable: FakeApi) -> None:
    """Without a terminal and `--yes`, the command ends with 2 and says how to confirm."""
    result = local("reset", typed="local\n")
    assert (result.exit_code, resettable.calls) == (2, [])
    assert "Add --yes" in result.stderr


def test_reset_of_sessions_too_is_bound_to_both_calls(resettable: FakeApi) -> None:
    """Both calls say whether sessions end; `--yes` skips the question and still shows the effects."""
    ends = CONFIRM[1] | {"impact": IMPACT | {"sessions_end": True}}
    resettable.will("POST", RESET, (409, ends), (200, a_policy(version=8)))
    result = local("reset", "--end-sessions", "--yes", "--json")
    assert [body["end_sessions"] for body in resettable.bodies(RESET)] == [True, True]
    assert "every session ends within 1 min: all users must log in again" in result.stderr
    assert "without --end-sessions, users stay logged in" in result.stderr
    assert json.loads(result.stdout)["version"] == 8


def test_reset_confirmed_too_late_fails(resettable: FakeApi) -> None:
    """The server's token expires after five minutes, and the command does not request another."""
    resettable.will("POST", RESET, CONFIRM, problem(409, "confirmation_failed", "Ask for another."))
    result = local("reset", "--yes")
    assert (result.exit_code, len(resettable.bodies(RESET))) == (1, 2)
    assert result.stderr.endswith("latchkey: Ask for another. [confirmation_failed, request req-1]\n")


@pytest.mark.usefixtures("terminal")
def test_reset_that_is_refused_outright_asks_nothing(fake: FakeApi) -> None:
    """Any other refusal of the first call ends the command."""
    fake.will("POST", RESET, problem(409, "conflict", "Not now."))
    result = local("reset", typed="local\n")
    assert (result.exit_code, result.stderr) == (1, "latchkey: Not now. [conflict, request req-1]\n")


@pytest.mark.parametrize("answer", [(200, {}), problem(409, "confirmation_required", "Confirm it.")])
def test_reset_without_an_impact_goes_no_further(fake: FakeApi, answer: tuple[int, Any]) -> None:
    """Without a list of effects, the reset is not confirmed."""
    fake.will("POST", RESET, answer)
    result = local("reset", "--yes")
    assert (result.exit_code, len(fake.bodies(RESET))) == (1, 1)


# ---- validation-key ----


SHARED = {"kid": "h", "alg": "HS256", "secret": PRIVATE_SECRET, "jwk": {"kty": "oct", "k": "aaaa"}}
COMING = {"kid": "n", "alg": "HS256", "secret": "coming", "jwk": {"kty": "oct", "k": "bbbb"}, "activates_at": None}


def test_key_is_the_pem_and_nothing_else(fake: FakeApi) -> None:
    """`latchkey signing validation-key > key.pem` writes a file that verifiers can read."""
    fake.will("GET", KEY, (200, {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM}))
    result = local("validation-key")
    assert (result.stdout, result.stderr) == (PEM, "")


def test_secret_comes_with_a_warning_beside_it(fake: FakeApi) -> None:
    """The warning is on stderr, so the secret can be piped."""
    fake.will("GET", KEY, (200, SHARED))
    result = local("validation-key")
    assert result.stdout == f"{PRIVATE_SECRET}\n"
    assert result.stderr.startswith("Warning: this is a secret.")


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        (["--jwk"], '{"kty": "oct", "k": "aaaa"}'),
        (["--next"], "coming"),
        (["--next", "--jwk"], '{"kty": "oct", "k": "bbbb"}'),
    ],
)
def test_secret_is_printed_in_either_form_and_before_it_signs(fake: FakeApi, options: list[str], printed: str) -> None:
    """Each form stands alone on standard output, with the warning beside it."""
    fake.will("GET", KEY, (200, SHARED | {"next": COMING}))
    result = local("validation-key", *options)
    assert result.stdout == f"{printed}\n"
    assert result.stderr.startswith("Warning: this is a secret.")


def test_public_key_beside_a_secret_to_come_is_printed_without_a_warning(fake: FakeApi) -> None:
    """The warning is about what is printed: the document of both keys holds the secret, the PEM does not."""
    fake.will("GET", KEY, (200, {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM, "next": COMING}))
    assert local("validation-key").stderr == ""
    fake.will("GET", KEY, (200, {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM, "next": COMING}))
    assert local("validation-key", "--json").stderr.startswith("Warning: this is a secret.")


def test_next_key_that_is_not_shown_is_an_error(fake: FakeApi) -> None:
    """An operator without the permission to read secrets gets the next key's id, and no key."""
    hidden = {"kid": "n", "alg": "HS256", "activates_at": None}
    fake.will("GET", KEY, (200, {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM, "next": hidden}))
    result = local("validation-key", "--next")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "signing:read_secret" in result.stderr


def test_key_in_json_has_the_jwk(fake: FakeApi) -> None:
    """--json prints the JWK, which some verifiers need."""
    document = {"kid": KID, "alg": "RS256", "jwk": {"kty": "RSA"}, "pem": PEM}
    fake.will("GET", KEY, (200, document))
    assert json.loads(local("validation-key", "--json").stdout) == document


def test_key_without_the_permission_is_not_allowed(fake: FakeApi) -> None:
    """A 403 ends with 3, so a script can tell it from a failure."""
    fake.will("GET", KEY, problem(403, "forbidden", "Sign in again first."))
    result = local("validation-key")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "latchkey: Sign in again first. [forbidden, request req-1]\n"
