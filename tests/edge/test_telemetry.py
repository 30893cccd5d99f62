"""Logs: no secret gets in, no line can be forged, and event logging stays off."""

from __future__ import annotations

import json
import time

import pytest

from latchkey.core.events import Event
from latchkey.edge.settings import BadSettings
from latchkey.edge.telemetry import LogJournal, logger, redact

SECRETS = [
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfYSJ9.c2lnbmF0dXJl",
    "lk2.usr_abcdefgh.ses_abcdefgh.12.ZmFtaWx5.c2lnbmF0dXJl",
    "lk_abcdefghijklmnopqrstuvwxyz_" + "a2" * 29 + "b",
    "lks_" + "a2" * 29 + "b",
    "drf_" + "a2" * 13 + "." + "a2" * 29 + "b",
    "lkc_drf_" + "a2" * 13 + "." + "a2" * 29 + "b",
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
    "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQw==",
    "scrypt:32768:8:1$seasalt$" + "0af9" * 32,
    "$pbkdf2-sha512$i=27500,l=64$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA",
    "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
    "pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=",
    "pbkdf2:sha256:600000$seasalt$" + "0af9" * 16,
    "{SSHA}3Px1P+JqeRUmMLTF73uK4osMPu9rLUUI",
    "{SHA}bROMo65UVjGzq9caTwds51nFcAs=",
    "{CRYPT}$6$S3WQZRVrGjtpXyLj$GnmF/ZBKJ9lWk5bSZ/OeUKd.5dtkeWJDPBd4jsy.wpH5M1FGX.NZ5JP7XWts8IZ.1fASF",
    "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
    "$wp$2y$10$v719Zyb/5DiglXjaGmtVoO.58ZfZLBkfIyjXnYyIbWYYFsofeucua",
    "$bcrypt-sha256$v=2,t=2b,r=4$nRb.eADqybmr8naXcuhL9u$X8br05xMcZfqSxA6OtEQqE4qyDHqEV2",
    "$P$5PyV1Fv94bLKUa6GhLgVWKpGh/leHy.",
    "$S$5FIcboyzv1ZD/OZDb4w/4HSlnsPlwbr/PWLWrHPWrJp8eXOQQaWJ",
    "$argon2id-wrap$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$AAAA$pbkdf2-sha256$i=29,l=32$c2FsdA",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuA==$C0sHCg9ek77hsg==$ZGlmZmVyZW50aGFzaA==",
    "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0B",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_redacted(secret: str) -> None:
    """It does not matter where in the line it is."""
    assert redact(f'{{"a": "before {secret} after"}}').count("[redacted]") == 1
    assert secret not in redact(f'{{"a": "{secret}"}}')


@pytest.mark.parametrize("line", ['{"sid": "ses_abc", "sub": "usr_abc"}', '{"path": "/v1/auth/login"}', "1.2.3"])
def test_what_is_no_secret_stays(line: str) -> None:
    """A log needs identifiers and paths."""
    assert redact(line) == line


@pytest.mark.parametrize("secret", SECRETS)
def test_the_logger_redacts(capsys: pytest.CaptureFixture[str], secret: str) -> None:
    """Every line of every function is redacted."""
    logger().info("text", extra={"careless": secret})
    assert secret not in capsys.readouterr().out


def test_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends and terminal sequences from a client cannot forge a second line."""
    logger().info("text", extra={"reason": 'x\r\n{"level": "INFO"}\x1b[31m\u2028\x9b'})
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isascii()
    assert json.loads(line)["reason"].startswith("x\r\n")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("before", "after"), [("", '", "level": "ERROR'), ("\n", ""), ("\x01", "\\"), ("\\", "\n")])
def test_redaction_keeps_a_line_one_json_object(
    capsys: pytest.CaptureFixture[str], secret: str, before: str, after: str
) -> None:
    """A secret beside a quote or an escape can neither break the line nor add members to it."""
    logger().info("text", extra={"reason": before + secret + after})
    line = json.loads(capsys.readouterr().out)
    assert line["level"] == "INFO"
    assert "[redacted]" in line["reason"]


IDENTIFIERS = [
    "lk_superadmin_of_payments",
    "lks_superadmin_of_all_shops",
    "lk_a2b3c4d5e6f7g2h3i4j5k6l7m2",
    "2025-signing.production.eu-central-1",
    "eu-signing.production.eu-central-1",
    "monkeyKeeper.production.eu-central-1",
    "eyes-wide.production.eu-central-1",
    "aaaaaaaa.bbbbbbbb.cccccccc",
]
OF_EVENTS = ["reason", "sub", "sid", "client_id", "actor", "partner_id"]


def journaled(capsys: pytest.CaptureFixture[str], event: Event) -> dict[str, object]:
    """Return the line of an event."""
    LogJournal().record(event)
    written: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[0])
    return written


@pytest.mark.parametrize("member", OF_EVENTS)
@pytest.mark.parametrize("name", IDENTIFIERS)
def test_names_that_operators_choose_stand_in_events_as_they_are(
    capsys: pytest.CaptureFixture[str], name: str, member: str
) -> None:
    """A role may be named as secrets begin, and a `kid` may have two dots."""
    assert journaled(capsys, Event("role_changed", **{member: name}))[member] == name
    assert journaled(capsys, Event("role_changed", **{member: f"user {name}"}))[member] == f"user {name}"


@pytest.mark.parametrize("member", OF_EVENTS)
@pytest.mark.parametrize("secret", SECRETS)
def test_secret_does_not_survive_in_an_event(capsys: pytest.CaptureFixture[str], secret: str, member: str) -> None:
    """A name that is a whole secret is redacted, and so is one inside a reason."""
    for text in (secret, f"role {secret}", f'"{secret}"\n'):
        assert secret not in str(journaled(capsys, Event("role_changed", **{member: text}))[member])


def test_names_are_redacted_outside_events(capsys: pytest.CaptureFixture[str]) -> None:
    """Any other line may hold free text, so what looks like a part of a secret is redacted there."""
    logger().info("text", extra={"reason": IDENTIFIERS[0], "private": IDENTIFIERS[3]})
    assert [name for name in IDENTIFIERS if name in capsys.readouterr().out] == []


def test_event_logging_keeps_a_function_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable alone could print every password."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    with pytest.raises(BadSettings):
        logger()


def test_a_security_event_is_one_line_and_one_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """Both have the same name, so an alarm and a query find the same events."""
    LogJournal().record(Event("refresh_reuse", sub="usr_a", sid="ses_b"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("event") for line in lines] == ["refresh_reuse", None]
    assert lines[1]["refresh_reuse"] == [1.0]


def test_an_event_names_its_operator(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the operator and the user, and leaves out empty members."""
    LogJournal().record(Event("user_disabled", sub="usr_ann", actor="usr_boss"))
    line = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if "usr_ann" in line)
    assert (line["event"], line["sub"], line["actor"]) == ("user_disabled", "usr_ann", "usr_boss")
    assert "sid" not in line


def test_an_event_has_its_time_in_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    """The time is a number, and people read the text beside it."""
    before = time.time_ns() // 1_000_000
    LogJournal().record(Event("login"))
    written = json.loads(capsys.readouterr().out.splitlines()[0])
    assert before <= written["time"] <= time.time_ns() // 1_000_000


def test_the_journal_costs_a_request_next_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It writes two lines to the standard output, far below a millisecond. A write to the table takes several."""
    LogJournal().record(Event("login", sub="usr_a"))
    begun = time.perf_counter()
    for _ in range(100):
        LogJournal().record(Event("login", sub="usr_a", sid="ses_b", client_id="cli_app"))
    assert (time.perf_counter() - begun) / 100 < 0.002
