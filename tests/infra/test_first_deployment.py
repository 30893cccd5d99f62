"""What the first `make deploy` of a stack asks for, and what it writes. The terminal and AWS are not there."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.packaging import first_deployment, samconfig
from infra.packaging import template as source
from infra.packaging.first_deployment import QUESTIONS
from infra.packaging.samconfig import Config

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATE = "arn:aws:acm:eu-north-1:123456789012:certificate/latchkey"
WITH_DOMAIN = {"IssuerDomain": "auth.example.com", "CertificateArn": CERTIFICATE}
DECLARED = source.load()


class Terminal:
    """Someone who answers by the name of the question, or takes the proposal. A list has an answer for each time."""

    def __init__(self, **answers: str | list[str]) -> None:
        self.answers = {name: [each] if isinstance(each, str) else list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    def __call__(self, name: str, proposal: str) -> str:
        """Answer one question."""
        self.asked.append(name)
        answers = self.answers.get(name)
        return answers.pop(0) if answers else proposal


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of samconfig.toml, in a shell that names nothing of AWS."""
    path = tmp_path / "samconfig.toml"
    path.write_text((ROOT / "samconfig.toml").read_text())
    for name in ("STACK", "REGION", "PARAMETERS", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return path


@pytest.fixture
def deploy(settings: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run what `make deploy` runs first: at a terminal, or without one."""

    def run(environment: str = "dev", terminal: Any = None, **given: str) -> int:
        stdin = io.StringIO()
        monkeypatch.setattr(stdin, "isatty", lambda: terminal is not None)
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(first_deployment, "_ask", terminal)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        return first_deployment.main([environment], settings)

    return run


# ---- At a terminal ---------------------------------------------------------------------------------------------------


def test_domain_is_asked_first_with_what_it_needs(
    deploy: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Later, the issuer changes by a planned move alone, and the question says so."""
    terminal = Terminal(Region="eu-north-1")
    assert deploy(terminal=terminal) == 0
    assert terminal.asked == ["IssuerDomain", "Registration", "MailFrom", "Region", "Stack"]
    said = " ".join(capsys.readouterr().err.split())
    assert "needs a certificate" in said
    assert "latchkey issuer move" in said


def test_answers_are_what_is_deployed(deploy: Callable[..., int], settings: Path) -> None:
    """They are in samconfig.toml, where `sam deploy` and `make build` read them."""
    terminal = Terminal(**WITH_DOMAIN, Registration="confirm", MailFrom="auth@example.com", Stack="auth")
    assert deploy("prod", terminal) == 0
    wanted = WITH_DOMAIN | {"Registration": "confirm", "MailFrom": "auth@example.com", "MailIdentity": "example.com"}
    assert samconfig.read("deploy", "prod", settings) == Config("auth", "eu-north-1", "", wanted, "prod")
    assert samconfig.read("deploy", "dev", settings).region == ""


def test_everything_else_in_the_file_stays(deploy: Callable[..., int], settings: Path) -> None:
    """Comments and other settings, too."""
    before = settings.read_text().splitlines()
    assert deploy(terminal=Terminal(Region="eu-north-1")) == 0
    after = settings.read_text().splitlines()
    assert [line for line in before if line not in after] == []
    added = [line for line in after if line not in before]
    assert added == ['parameter_overrides = "Registration=\\"auto\\""', 'region = "eu-north-1"']


def test_second_deployment_asks_nothing(deploy: Callable[..., int], settings: Path) -> None:
    """What was answered once changes in the file."""
    assert deploy(terminal=Terminal(Region="eu-north-1")) == 0
    before, again = settings.read_text(), Terminal()
    assert deploy(terminal=again) == 0
    assert (again.asked, settings.read_text()) == ([], before)


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("IssuerDomain", ["https://auth.example.com", "auth.example.com"]),
        ("CertificateArn", ["", "latchkey", CERTIFICATE]),
        ("Registration", ["sometimes", "open"]),
        ("MailIdentity", ["", "example.com"]),
        ("Region", ["Stockholm", "eu-north-1"]),
        ("Stack", ["my stack", "auth"]),
    ],
)
def test_answer_that_cannot_be_deployed_is_asked_again(
    deploy: Callable[..., int], name: str, answers: list[str]
) -> None:
    """CloudFormation would reject it, minutes later."""
    others: dict[str, Any] = WITH_DOMAIN | {"MailFrom": "auth@example.com"}
    terminal = Terminal(**others | {name: answers})
    assert deploy(terminal=terminal) == 0
    assert terminal.asked.count(name) == len(answers)


def test_confirmation_is_not_left_without_mail(deploy: Callable[..., int]) -> None:
    """`confirm` needs a sender, so an empty one is asked again."""
    terminal = Terminal(Registration="confirm", MailFrom=["", "auth@example.com"], Region="eu-north-1")
    assert deploy(terminal=terminal) == 0
    assert terminal.asked.count("MailFrom") == 2


def test_given_answers_are_not_asked(deploy: Callable[..., int], settings: Path) -> None:
    """Neither what the command line says, nor what samconfig.toml has."""
    terminal = Terminal()
    given = {"STACK": "auth", "REGION": "eu-north-1", "PARAMETERS": 'IssuerDomain="" Registration=closed MailFrom='}
    assert deploy("dev", terminal, **given) == 0
    assert terminal.asked == []
    assert samconfig.read("deploy", "dev", settings).parameters == {
        "IssuerDomain": "",
        "Registration": "closed",
        "MailFrom": "",
    }


def test_architecture_that_was_chosen_before_stays(deploy: Callable[..., int], settings: Path) -> None:
    """It may stand in the file already, since the build needs it too."""
    chosen = '[dev.deploy.parameters]\nparameter_overrides = "Architecture=x86_64"'
    settings.write_text(settings.read_text().replace("[dev.deploy.parameters]", chosen))
    assert deploy(terminal=Terminal(Region="eu-north-1")) == 0
    assert samconfig.read("deploy", "dev", settings).parameters == {"Architecture": "x86_64", "Registration": "auto"}


def test_interrupted_questions_write_nothing(
    deploy: Callable[..., int], settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the answers would be taken for all of them."""

    def leaves(name: str, proposal: str) -> str:
        if name == "Registration":
            raise typer.Abort
        return proposal

    before = settings.read_text()
    assert deploy(terminal=leaves) == 1
    assert settings.read_text() == before
    assert "nothing was written" in capsys.readouterr().err


def test_enter_takes_the_proposal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one too, which is the answer where nothing is wanted."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\nauth\n"))
    asked = [("MailFrom", ""), ("Stack", "latchkey"), ("Stack", "latchkey")]
    assert [first_deployment._ask(*each) for each in asked] == ["", "latchkey", "auth"]


def test_every_question_is_about_a_parameter() -> None:
    """Its name and what it depends on are those of the template."""
    names = {name for each in QUESTIONS for name in (each.parameter, each.about) if name}
    assert names <= DECLARED["Parameters"].keys()


# ---- Without a terminal ----------------------------------------------------------------------------------------------


def test_nothing_is_asked_without_a_terminal(deploy: Callable[..., int], settings: Path) -> None:
    """A pipeline names a region, and what it does not name keeps its default."""
    assert deploy("prod", REGION="eu-north-1", PARAMETERS="MaxSessions=5") == 0
    assert samconfig.read("deploy", "prod", settings) == Config(
        "latchkey", "eu-north-1", "", {"MaxSessions": "5"}, "prod"
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "make deploy REGION="),
        ({"REGION": "eu-north-1", "PARAMETERS": "Registration=sometimes"}, "'sometimes' for Registration"),
        ({"REGION": "eu-north-1", "PARAMETERS": "Registration=confirm"}, "Registration=confirm needs MailFrom."),
        ({"REGION": "eu-north-1", "PARAMETERS": "IssuerDomain=auth.example.com"}, "needs a CertificateArn"),
        ({"REGION": "eu-north-1", "PARAMETERS": "NoSuchThing=1"}, "no parameter NoSuchThing"),
        ({"REGION": "eu-north-1", "PARAMETERS": "Registration"}, "no Name=value"),
        ({"REGION": "eu-north-1", "STACK": "my stack"}, "no name of a stack"),
        (
            {"REGION": "eu-west-1", "PARAMETERS": f"IssuerDomain=auth.example.com CertificateArn={CERTIFICATE}"},
            "CertificateArn is not in eu-west-1",
        ),
    ],
)
def test_settings_that_cannot_be_deployed_are_refused(
    deploy: Callable[..., int], settings: Path, capsys: pytest.CaptureFixture[str], given: dict[str, str], reason: str
) -> None:
    """The file stays as it was, and the message says why."""
    before = settings.read_text()
    assert deploy("prod", **given) == 1
    assert settings.read_text() == before
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"REGION": "eu-north-1"}, 0),
        ({"PARAMETERS": "Registration=closed"}, 0),
        ({"REGION": "eu-west-1"}, 1),
        ({"STACK": "other"}, 1),
        ({"PARAMETERS": "Registration=open"}, 1),
        ({"PARAMETERS": "MaxSessions=5"}, 1),
    ],
)
def test_later_answers_may_not_contradict_the_file(
    deploy: Callable[..., int], given: dict[str, str], status: int
) -> None:
    """They would have no effect, and the operator would believe that they had."""
    assert deploy(REGION="eu-north-1", PARAMETERS="Registration=closed") == 0
    assert deploy(**({"REGION": "", "PARAMETERS": ""} | given)) == status


def test_table_that_cannot_be_changed_line_by_line_stays(settings: Path) -> None:
    """The message has the lines, and nothing is half written."""
    text = settings.read_text().replace("[dev.deploy.parameters]\n", '[dev.deploy.parameters]\n"region" = ""\n')
    settings.write_text(text)
    with pytest.raises(samconfig.BadConfig, match='region = "eu-north-1"'):
        samconfig.begin(Config("auth", "eu-north-1", "", {}, "dev"), settings)
    assert settings.read_text() == text


def test_environment_without_a_table_gets_one(tmp_path: Path) -> None:
    """A third environment may begin with the name of its stack alone."""
    path = tmp_path / "samconfig.toml"
    path.write_text('version = 0.1\n\n[test.global.parameters]\nstack_name = "test"\n')
    wanted = Config("auth-test", "eu-north-1", "", {"ServiceName": "Harbour lights"}, "test")
    samconfig.begin(wanted, path)
    assert samconfig.read("deploy", "test", path) == wanted
