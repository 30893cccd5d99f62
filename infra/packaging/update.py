"""Refuse, by name, an update that a running stack cannot take. `make deploy` asks before it builds.

CloudFormation `Rules` cannot see the values of before. What depends on the signing policy is asked of the stack itself,
through the function that shows the issuer (`lambda:InvokeFunction`). A bare `sam deploy` has no such guard.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.packaging import architecture, reservation, samconfig, template
from infra.packaging.parameters import PARAMETERS, Effect
from infra.packaging.reservation import Quota
from infra.packaging.samconfig import BadConfig, Config

_MISSING = "ValidationError"  # what DescribeStacks answers for a stack that does not exist
_NEVER_DEPLOYED = "REVIEW_IN_PROGRESS"
_OK = 200


@dataclass(frozen=True, slots=True)
class Running:
    """A stack as it runs: its parameters and its outputs."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts of the signing policy: the issuers that are accepted or will be, and the HS256 keys that verify.

    Both with their ends, in seconds since the epoch; `None` where no end is decided.
    """

    issuers: Mapping[str, int | None]
    shared_keys: tuple[int | None, ...] = ()

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Policy:
        """Read what the function of the issuer shows."""
        planned = shown["next_issuer"]
        ends = {each["iss"]: each["until"] for each in shown["previous_issuers"]}
        ends[shown["issuer"]] = planned["previous_until"] if planned else None
        if planned:
            ends[planned["iss"]] = None
        return cls(ends, tuple(key["retire_at"] for key in shown["keys"] if key["alg"] == "HS256"))


class Unknown(Exception):
    """The stack does not say what its policy is. The message says why."""


Ask = Callable[[], Policy]


@dataclass(frozen=True, slots=True)
class Update:
    """What an update would make of a stack."""

    running: Running
    wanted: Mapping[str, str]

    @classmethod
    def to(cls, running: Running, overrides: Mapping[str, str], defaults: Mapping[str, str]) -> Update:
        """Return the update as `sam deploy` carries it out: what is not named keeps its value."""
        return cls(running, {**defaults, **running.parameters, **overrides})

    def changes(self, name: str) -> tuple[str, str] | None:
        """Return the value of before and the one wanted, if they differ. A new parameter changes nothing."""
        before, after = self.running.parameters.get(name), self.wanted[name]
        return None if before in {None, after} else (str(before), after)


def refusals(update: Update, built: str, ask: Ask) -> Iterator[str]:
    """Yield each reason why the stack cannot take the update. `built` is the architecture that is built for."""
    if update.wanted[architecture.NAME] != built:
        yield (
            f"Architecture: the stack has {update.wanted[architecture.NAME]}, and the code would be built for {built}. "
            "Name it in parameter_overrides in samconfig.toml."
        )
    yield from _frozen(update)
    doubts = list(_doubts(update))
    if not doubts:
        return
    try:
        policy = ask()
    except Unknown as error:
        yield from (f"{name}: it cannot change while the stack does not show its policy: {error}" for name in doubts)
        return
    yield from _against(update, policy)


def _frozen(update: Update) -> Iterator[str]:
    for name, parameter in PARAMETERS.items():
        if parameter.effect is Effect.FIRST and (change := update.changes(name)):
            instead = f"Use {parameter.command}" if parameter.command else "It stays as it is"
            yield f"{name}: it sets the first signing policy only. {instead}, and leave {name}={change[0]} here."


def _doubts(update: Update) -> Iterator[str]:
    """Yield the changed parameters of which the policy decides whether they may change so."""
    if update.changes("AllowHS256") == ("true", "false"):
        yield "AllowHS256"
    if (change := update.changes("IssuerDomain")) and change[0]:
        yield "IssuerDomain"
    if update.running.outputs and _closes(update):
        yield "DisableDefaultEndpoint"


def _closes(update: Update) -> bool:
    before = update.running.parameters.get("DisableDefaultEndpoint", "false")
    return (before, update.wanted["DisableDefaultEndpoint"]) == ("false", "true")


def _against(update: Update, policy: Policy) -> Iterator[str]:
    if update.changes("AllowHS256") == ("true", "false") and policy.shared_keys:
        end = None if None in policy.shared_keys else max(filter(None, policy.shared_keys))
        yield (
            f"AllowHS256: a key of HS256 verifies{_until(end)}, and the authorizer could not read it any more. "
            "Use latchkey signing set --algorithm first, and wait until its keys have gone."
        )
    if (change := update.changes("IssuerDomain")) and (address := f"https://{change[0]}") in policy.issuers:
        yield (
            f"IssuerDomain: tokens that name {address} are accepted{_until(policy.issuers[address])}. "
            "Use latchkey issuer move first, and wait for that end."
        )
    address = update.running.outputs.get("ApiUrl", "")
    if _closes(update) and address in policy.issuers:
        yield (
            f"DisableDefaultEndpoint: tokens that name {address} are accepted{_until(policy.issuers[address])}. "
            "Use latchkey issuer move first, and wait for that end."
        )


def _until(end: int | None) -> str:
    return f" until {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC" if end else ""


def running(client: Any, stack: str) -> Running | None:
    """Return the stack, or `None` if there is none yet."""
    try:
        [found] = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == _MISSING:
            return None
        raise
    if found["StackStatus"] == _NEVER_DEPLOYED:
        return None
    return Running(
        {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])},
        {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
    )


def asked(client: Any, stack: Running) -> Policy:
    """Return the policy that the stack's function of the issuer shows. Raises `Unknown`."""
    function = stack.outputs.get("IssuerFunction")
    if function is None:
        raise Unknown("it has no output IssuerFunction; deploy this release without the change first")
    event = {"httpMethod": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"}
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    try:
        document = json.loads(answer["Payload"].read())
        if document["statusCode"] != _OK:
            raise Unknown(f"{function} answers {document['statusCode']}")
        return Policy.of(json.loads(document["body"]))
    except (ValueError, KeyError, TypeError):
        raise Unknown(f"{function} failed; its log says where") from None


@dataclass(frozen=True, slots=True)
class Findings:
    """Why the stack cannot take the settings, and what they could do better."""

    refusals: list[str] = field(default_factory=list)
    proposals: list[str] = field(default_factory=list)


def check(config: Config, session: boto3.Session) -> Findings:
    """Return what speaks against these settings. A stack that does not exist yet has nothing to compare with."""
    built = architecture.chosen(config.environment)
    stack = running(session.client("cloudformation"), config.stack)
    source = template.load("HasHashingConcurrency")
    defaults = {name: str(each["Default"]) for name, each in source["Parameters"].items()}
    update = Update.to(stack or Running(), config.parameters, defaults)
    hashing = sum("ReservedConcurrentExecutions" in each for each in template.functions(source).values())
    found = of_quota(update, hashing, session.client("lambda"))
    if stack:
        found.refusals.extend(refusals(update, built, lambda: asked(session.client("lambda"), stack)))
    return found


def of_quota(update: Update, hashing: int, client: Any) -> Findings:
    """Compare the reservation for the functions that hash with the quota.

    Without the right to read the quota, nothing is said against a reservation.
    """
    wanted = int(update.wanted[reservation.NAME])
    try:
        quota = Quota.of(client)
    except (BotoCoreError, ClientError) as error:
        return Findings(proposals=[] if wanted else [f"{reservation.NAME} is 0, and the quota is unknown: {error}"])
    if not wanted:
        return Findings(proposals=[reservation.proposal(quota, hashing)])
    before = int(update.running.parameters.get(reservation.NAME, "0"))
    reason = reservation.refusal(quota, hashing, before=before, wanted=wanted)
    return Findings([reason] if reason else [])


def main(arguments: list[str]) -> int:
    """Compare an environment of samconfig.toml with its stack; return 1 and say why if the stack cannot take it."""
    [environment] = arguments
    try:
        config = samconfig.read("deploy", environment)
        session = boto3.Session(profile_name=config.profile or None, region_name=config.region)
        found = check(config, session)
    except (BadConfig, BotoCoreError, ClientError) as error:
        found = Findings([str(error)])
    for proposal in found.proposals:
        sys.stdout.write(f"{proposal}\n")
    for reason in found.refusals:
        sys.stderr.write(f"Not deployed. {reason}\n")
    return 1 if found.refusals else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
