"""How command lines are read: the options that choose a target, at every place where they may stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from infra.cli.app import app
from tests.infra.fake_api import LOGIN, SIGNING, FakeApi, a_policy, latchkey

TARGET_OPTIONS = ("--local", "--stack", "--profile", "--region")
GIVEN = "eyJhbGciOiJSUzI1NiJ9.e30.Z2l2ZW4"
CLIENTS = "/v1/admin/clients"


def every_command() -> Iterator[tuple[str, Any]]:
    """Yield every command and group with the words that lead to it."""

    def below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield words, command
        if isinstance(command, TyperGroup):
            for name, each in command.commands.items():
                yield from below(f"{words} {name}".strip(), each)

    yield from below("", get_command(app))


EVERY = dict(every_command())
LEAVES = {words: command for words, command in EVERY.items() if not isinstance(command, TyperGroup)}


@cache
def help_of(words: str) -> str:
    """Return the help of a command on a terminal of 80 columns."""
    return latchkey(*words.split(), "--help", COLUMNS="80").stdout


@pytest.fixture
def policy(fake: FakeApi) -> None:
    """Let `signing show` find a policy."""
    fake.will("GET", SIGNING, (200, a_policy()))


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(
    "arguments",
    ["--local signing show --json", "signing --local show --json", "signing show --local --json"],
)
def test_target_may_stand_before_the_noun_the_verb_or_behind_both(fake: FakeApi, arguments: str) -> None:
    """The options of the target may stand at any of these places."""
    assert latchkey(*arguments.split()).exit_code == 0
    assert fake.calls[0].path == LOGIN


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(
    "arguments",
    [
        "--stack auth --region eu-north-1 signing show",
        "signing --stack=auth show --region=eu-north-1",
        "signing show --region eu-north-1 --stack auth",
        "--stack other signing --stack auth show --region eu-north-1",
    ],
)
def test_stack_and_region_may_be_apart(stack: FakeApi, monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    """Each option is read where it stands; of two stacks, the one nearest to the command counts."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = latchkey(*arguments.split(), LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0, result.stderr
    assert "StackName=auth&" in f"{stack.bodies('/')[0]}&"


@pytest.mark.usefixtures("policy")
def test_environment_never_beats_what_is_typed_further_in_front(stack: FakeApi) -> None:
    """Each command reads the environment again, and the command line still has priority."""
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_STACK="other", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0
    assert "StackName=auth&" in f"{stack.bodies('/')[0]}&"


@pytest.mark.parametrize(
    "arguments",
    ["--local signing --stack auth show", "--stack auth signing show --local", "signing show --local --stack auth"],
)
def test_two_targets_are_wrong_usage_wherever_they_stand(stack: FakeApi, arguments: str) -> None:
    """The command cannot know which of two targets is meant."""
    result = latchkey(*arguments.split(), LATCHKEY_TOKEN=GIVEN)
    assert (result.exit_code, stack.calls) == (2, [])
    assert "not both" in result.stderr


def test_value_that_looks_like_a_target_is_a_value(fake: FakeApi) -> None:
    """The client's name is `--local`, because it stands behind --name."""
    fake.will("POST", CLIENTS, (201, {"id": "cli_x", "name": "--local"}))
    result = latchkey("client", "create", "--kind", "service", "--name", "--local", "--local")
    assert result.exit_code == 0
    assert fake.bodies(CLIENTS) == [{"kind": "service", "name": "--local"}]


def test_value_that_looks_like_a_target_is_no_target(fake: FakeApi) -> None:
    """A `--local` that is a name does not choose the target."""
    result = latchkey("client", "create", "--kind", "service", "--name", "--local")
    assert (result.exit_code, fake.calls) == (2, [])
    assert "--local or --stack NAME" in result.stderr


@pytest.mark.parametrize("option", ["--stack", "--profile", "--region"])
@pytest.mark.parametrize(("following", "said"), [([], "requires an argument"), (["--json"], "the value is missing")])
def test_target_without_its_value_is_wrong_usage(stack: FakeApi, option: str, following: list[str], said: str) -> None:
    """A value is missing at the end of the line, or where the next option follows."""
    result = latchkey("signing", "show", option, *following, LATCHKEY_TOKEN=GIVEN)
    assert (result.exit_code, stack.calls) == (2, [])
    assert said in " ".join(result.stderr.split())


def test_target_behind_two_dashes_is_an_argument(fake: FakeApi) -> None:
    """No word behind `--` is an option."""
    fake.will("PUT", "/v1/admin/roles/desk", (200, {"name": "desk", "permissions": ["--local"]}))
    assert latchkey("--local", "role", "set", "desk", "--", "--local").exit_code == 0
    assert fake.bodies("/v1/admin/roles/desk") == [{"permissions": ["--local"]}]


@pytest.mark.parametrize("words", [words for words in EVERY if words != "hash-key"])
def test_help_shows_the_options_of_the_target(words: str) -> None:
    """The help of every command shows how to choose a target."""
    assert [option for option in TARGET_OPTIONS if option not in help_of(words)] == []


@pytest.mark.parametrize("words", LEAVES)
def test_help_of_a_command_has_an_example_of_it(words: str) -> None:
    """Each example fits in one line of 80 columns and uses options that the command has."""
    [example] = re.findall(r"Example:\s+(latchkey .*?)\s*$", help_of(words), re.MULTILINE)
    assert example.startswith(f"latchkey {words}")
    known = {option for param in LEAVES[words].params for option in param.opts}
    assert {word for word in example.split() if word.startswith("--")} <= known


@pytest.mark.parametrize("words", EVERY)
def test_every_option_says_what_it_is(words: str) -> None:
    """Every option and argument has a help text."""
    assert [param.name for param in EVERY[words].params if not param.help] == []


@pytest.mark.parametrize("words", ["user", "client", "api-key", "partner"])
def test_nouns_have_the_same_verbs(words: str) -> None:
    """The nouns share their verbs, as far as the API offers them."""
    verbs = {"list", "show", "create", "set", "disable", "enable"} | ({"delete"} if words != "user" else set())
    assert verbs <= EVERY[words].commands.keys()


@pytest.mark.parametrize("words", LEAVES)
def test_options_mean_the_same_everywhere(words: str) -> None:
    """Every list has `--limit`, `--cursor` and `--json`; every delete has `--yes`."""
    options = {option for param in LEAVES[words].params for option in param.opts}
    verb = words.rsplit(maxsplit=1)[-1]
    wanted = {"list": {"--limit", "--cursor", "--json"}, "show": {"--json"}, "delete": {"--yes", "--json"}}
    whole = {"--limit", "--cursor"} if words in {"role list", "permission list"} else set()  # in one answer
    assert wanted.get(verb, set()) - whole <= options


def test_version_is_printed() -> None:
    """The version is printed without a target."""
    result = latchkey("--version")
    assert (result.exit_code, re.fullmatch(r"latchkey \d+\.\d+\.\d+\n", result.stdout) is not None) == (0, True)
