"""Ask, before the first deployment of a stack, for what is hard to change later, and write it into samconfig.toml.

`make deploy` runs it each time. Where samconfig.toml names a region, the questions were answered, and nothing is asked
again. STACK, REGION and PARAMETERS answer in advance. Without a terminal nothing is asked at all: what has no answer
keeps its default, and a region must be named.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import boto3
import typer

from infra.cli.terminal import screen
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import is_allowed
from infra.packaging import samconfig, template
from infra.packaging.samconfig import BadConfig, Config
from infra.packaging.template import Template

Answers = Mapping[str, str]
Ask = Callable[[str, str], str]
"""Asks for one value: its name, and the proposal that Enter takes. Returns the value."""

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
_STACK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_REGIONAL = ("CertificateArn", "KmsKeyArn")
"""Parameters that name a resource in the region of the stack, by its ARN."""


@dataclass(frozen=True, slots=True)
class Question:
    """One parameter to ask for, why it matters now, and what to propose. It is asked if `about` has a value."""

    parameter: str
    why: str
    about: str = ""
    propose: Callable[[Answers], str] = lambda _: ""


QUESTIONS = (
    Question(
        "IssuerDomain",
        "The domain of the API, such as auth.example.com. Every token names it as its issuer. It needs a certificate, "
        "and DNS that you can change. Leave it empty to begin without one. Tokens then name the default endpoint of "
        "API Gateway, and later only a planned move changes that (latchkey issuer move).",
    ),
    Question(
        "CertificateArn",
        "The ACM certificate of the domain, in the region of the stack, already issued.",
        about="IssuerDomain",
    ),
    Question(
        "HostedZoneId",
        "The Route 53 zone of the domain, to point the domain at the API. Leave it empty to do that yourself.",
        about="IssuerDomain",
    ),
    Question(
        "Registration",
        "Who may open an account. confirm: everyone, with an e-mail address that they confirm; it needs mail. open: "
        "everyone, at once; no address is confirmed. closed: only operators and partners open accounts. auto: confirm "
        "if the service sends mail, otherwise closed.",
        propose=lambda _: "auto",
    ),
    Question(
        "MailFrom",
        "The address that mail comes from. It needs an identity that Amazon SES has verified. To write to everyone, "
        "SES must be out of its sandbox. Leave it empty to send no mail: no one can then reset a password.",
    ),
    Question(
        "MailIdentity",
        "The verified SES identity that the address belongs to, in the region of the stack.",
        about="MailFrom",
        propose=lambda answers: answers["MailFrom"].partition("@")[2],
    ),
)
"""In the order in which they are asked: the domain first, since everything else can change later."""


def ask_all(given: Answers, declared: Template, ask: Ask, say: Callable[[str], None]) -> dict[str, str]:
    """Return the given answers and those to the questions that remain, which are asked until they can be deployed."""
    answers = dict(given)
    for question in QUESTIONS:
        name = question.parameter
        if name in given or (question.about and not answers.get(question.about)):
            continue
        say(question.why)
        complaints = partial(_complaints, name, answers, declared)
        answers[name] = _good(name, question.propose(answers), ask, say, complaints)
    return {name: value for name, value in answers.items() if name in given or value}


def _good(
    name: str, proposal: str, ask: Ask, say: Callable[[str], None], complaints: Callable[[str], Iterator[str]]
) -> str:
    """Return the first answer that nothing speaks against."""
    while True:
        answer = ask(name, proposal).strip()
        complaint = next(complaints(answer), None)
        if complaint is None:
            return answer
        say(complaint)


def _complaints(name: str, answers: Answers, declared: Template, value: str) -> Iterator[str]:
    """Yield why a value cannot stand: by itself, or beside the answers before it."""
    if not is_allowed(value, declared["Parameters"][name]):
        yield f"The template does not allow {value!r} for {name}."
    settled = {**answers, name: value}
    rules = {rule: each for rule, each in declared["Rules"].items() if name in _named(each) <= settled.keys()}
    yield from _broken(declared | {"Rules": rules}, settled)


def _named(value: object) -> set[str]:
    """Return the parameters that a part of the template refers to."""
    match value:
        case {"Ref": str(name)}:
            return {name}
        case dict():
            return {name for each in value.values() for name in _named(each)}
        case list():
            return {name for each in value for name in _named(each)}
        case _:
            return set()


def _complaints_of_region(region: str) -> Iterator[str]:
    if not _REGION.fullmatch(region):
        yield "name the region of the stack: make deploy REGION=eu-north-1"


def _complaints_of_stack(stack: str) -> Iterator[str]:
    if not _STACK.fullmatch(stack):
        yield f"{stack!r} is no name of a stack"


def problems(config: Config, declared: Template) -> Iterator[str]:
    """Yield why these settings cannot be deployed. CloudFormation would say the same, minutes later."""
    yield from _complaints_of_region(config.region)
    yield from _complaints_of_stack(config.stack)
    for name, value in config.parameters.items():
        if name not in declared["Parameters"]:
            yield f"the template has no parameter {name}"
        elif not is_allowed(value, declared["Parameters"][name]):
            yield f"the template does not allow {value!r} for {name}"
    yield from _broken(declared, config.parameters)
    for name in _REGIONAL:
        arn = config.parameters.get(name, "")
        if arn and arn.split(":")[3:4] != [config.region]:
            yield f"{name} is not in {config.region}, the region of the stack"


def _broken(declared: Template, values: Answers) -> Iterator[str]:
    """Yield what each broken rule of the template says (CloudFormation user guide, "Rules")."""
    resolver = Resolver(declared, {}, values)
    for rule in declared["Rules"].values():
        if resolver.resolve(rule["RuleCondition"]):
            for each in rule["Assertions"]:
                if not resolver.resolve(each["Assert"]):
                    yield each["AssertDescription"]


def contradictions(config: Config, given: Config) -> Iterator[str]:
    """Yield what is given on the command line and differs from samconfig.toml, where it would have no effect."""
    for name, said, now in (("STACK", config.stack, given.stack), ("REGION", config.region, given.region)):
        if now and now != said:
            yield f"{name}={now}: samconfig.toml has {said}"
    for name, now in given.parameters.items():
        if config.parameters.get(name) != now:
            yield f"{name}={now}: samconfig.toml has {config.parameters.get(name, 'no such value')}"


def begun(config: Config, given: Config, declared: Template, ask: Ask | None) -> Config:
    """Return the settings of a first deployment. Without `ask`, nothing is asked.

    Raises `BadConfig` if they cannot be deployed.
    """
    parameters: Answers = {**config.parameters, **given.parameters}
    stack, region = given.stack or config.stack, given.region
    if ask is not None:
        parameters = ask_all(parameters, declared, ask, screen.note)
        arn = parameters.get("CertificateArn", "")
        proposal = arn.split(":")[3] if arn else boto3.Session().region_name or ""
        region = region or _good("Region", proposal, ask, screen.note, _complaints_of_region)
        stack = given.stack or _good("Stack", stack, ask, screen.note, _complaints_of_stack)
    settled = replace(config, stack=stack, region=region, parameters=parameters)
    if found := list(problems(settled, declared)):
        raise BadConfig("; ".join(found))
    return settled


def _ask(name: str, proposal: str) -> str:
    return str(typer.prompt(name, default=proposal, show_default=bool(proposal), err=True))


def main(arguments: list[str], path: Path = samconfig.PATH) -> int:
    """Settle an environment of samconfig.toml, unless it is. Return 1, and write nothing, if it cannot be deployed."""
    [environment] = arguments
    on_terminal = sys.stdin.isatty()
    try:
        given = Config(
            stack=os.environ.get("STACK", ""),
            region=os.environ.get("REGION", ""),
            parameters=samconfig.overrides(os.environ.get("PARAMETERS", "")),
        )
        config = samconfig.read("deploy", environment, path)
        if config.region:
            found = list(contradictions(config, given))
        else:
            found = []
            samconfig.begin(begun(config, given, template.load(), _ask if on_terminal else None), path)
            screen.note(f"The settings of {environment} are in samconfig.toml. Change them there.")
    except BadConfig as error:
        found = [str(error)]
    except typer.Abort:
        found = ["nothing was written"]
    for reason in found:
        sys.stderr.write(f"Not deployed: {reason}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
