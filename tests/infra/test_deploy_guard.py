"""The changes that `make deploy` rejects before it builds, and the way it reads samconfig.toml."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from infra.packaging import architecture, samconfig, update
from infra.packaging import template as source
from infra.packaging.parameters import PARAMETERS, Effect
from infra.packaging.samconfig import BadConfig, Config
from infra.packaging.update import Policy, Running, Unknown, Update

DEFAULT = "https://a1.execute-api.eu-north-1.amazonaws.com/live"
DOMAIN, UNTIL = "https://auth.example.com", 1_800_000_000
DEFAULTS = {name: str(each["Default"]) for name, each in source.load()["Parameters"].items()}
QUIET = Policy({DEFAULT: None})


def refused(
    before: dict[str, str], after: dict[str, str], policy: Policy | None = None, *, built: str = "arm64"
) -> list[str]:
    """Return the names of the parameters that are refused, and prove that no policy is asked for in vain."""
    running = Running(DEFAULTS | before, {"ApiUrl": DEFAULT, "IssuerFunction": "auth-IssuerFunction"})

    def ask() -> Policy:
        assert policy is not None
        return policy

    found = update.refusals(Update.to(running, after, DEFAULTS), built, ask)
    return [reason.partition(":")[0] for reason in found]


# ---- What the policy says once and for all ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, each in PARAMETERS.items() if each.effect is Effect.FIRST])
def test_changed_parameter_of_the_first_policy_is_refused(name: str) -> None:
    """It would change nothing, and the operator would believe that it had."""
    assert refused({}, {name: "1"}) == [name]
    assert refused({name: "1"}, {name: "1"}) == []


def test_refusal_says_what_changes_it() -> None:
    """The message has the command and the old value."""
    changed = Update.to(Running(DEFAULTS), {"AccessTokenTtl": "60"}, DEFAULTS)
    [reason] = update.refusals(changed, "arm64", lambda: QUIET)
    assert "latchkey signing set --access-ttl" in reason
    assert "AccessTokenTtl=900" in reason


@pytest.mark.parametrize(
    "after",
    [
        {"Audience": "other"},
        {"PolicyCacheSeconds": "30", "JwksMaxAgeSeconds": "300", "AuthorizerCacheSeconds": "300"},
        {"AllowHS256": "true"},
        {"IssuerDomain": "auth.example.com", "CertificateArn": "arn:aws:acm:x"},
        {"Registration": "closed", "LogLevel": "DEBUG"},
    ],
)
def test_other_changes_pass_without_a_question(after: dict[str, str]) -> None:
    """The stack is asked for its policy only where an answer could refuse the update."""
    assert refused({}, after) == []


def test_parameter_that_is_not_named_keeps_its_value() -> None:
    """So does `sam deploy`: a line removed from samconfig.toml changes nothing."""
    assert refused({"IssuerDomain": "auth.example.com", "AccessTokenTtl": "60"}, {}) == []


def test_parameter_that_is_new_in_this_release_is_no_change() -> None:
    """A stack of the release before has no value to compare with."""
    running = Running({name: value for name, value in DEFAULTS.items() if name != "RsaBits"})
    assert list(update.refusals(Update.to(running, {"RsaBits": "4096"}, DEFAULTS), "arm64", lambda: QUIET)) == []


# ---- What the policy must allow --------------------------------------------------------------------------------------

SHARED = {"AllowHS256": "true"}
WITH_DOMAIN = {"IssuerDomain": "auth.example.com"}
MOVED = Policy({DOMAIN: None})
MOVING = Policy({DOMAIN: None, DEFAULT: UNTIL})


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [((), []), ((UNTIL,), ["AllowHS256"]), ((None,), ["AllowHS256"]), ((UNTIL, None), ["AllowHS256"])],
)
def test_secret_stays_readable_while_a_shared_key_verifies(keys: tuple[int | None, ...], wanted: list[str]) -> None:
    """The authorizer would reject every token that such a key has signed."""
    assert refused(SHARED, {"AllowHS256": "false"}, Policy({DEFAULT: None}, keys)) == wanted


@pytest.mark.parametrize("domain", ["", "login.example.com"])
@pytest.mark.parametrize(("policy", "wanted"), [(QUIET, []), (MOVED, ["IssuerDomain"]), (MOVING, ["IssuerDomain"])])
def test_domain_stays_while_tokens_that_name_it_are_accepted(domain: str, policy: Policy, wanted: list[str]) -> None:
    """The domain cannot be removed or replaced: it serves the metadata and keys of these tokens."""
    assert refused(WITH_DOMAIN, {"IssuerDomain": domain}, policy) == wanted


@pytest.mark.parametrize("before", [{}, WITH_DOMAIN], ids=["both at once", "one after the other"])
@pytest.mark.parametrize(
    ("policy", "wanted"), [(QUIET, ["DisableDefaultEndpoint"]), (MOVING, ["DisableDefaultEndpoint"]), (MOVED, [])]
)
def test_default_endpoint_stays_while_tokens_that_name_it_are_accepted(
    before: dict[str, str], policy: Policy, wanted: list[str]
) -> None:
    """The endpoint is turned off when the move is over, and not with the update that brings the domain."""
    assert refused(before, WITH_DOMAIN | {"DisableDefaultEndpoint": "true"}, policy) == wanted


def test_end_that_is_decided_is_said() -> None:
    """The operator knows when to come back."""
    running = Running(DEFAULTS | WITH_DOMAIN, {"ApiUrl": DEFAULT})
    changed = Update.to(running, {"DisableDefaultEndpoint": "true"}, DEFAULTS)
    [reason] = update.refusals(changed, "arm64", lambda: MOVING)
    assert "until 2027-01-15 08:00 UTC" in reason


def test_stack_that_does_not_answer_is_not_changed_so() -> None:
    """Without an answer, the update is refused by name, and other changes still pass."""

    def silent() -> Policy:
        raise Unknown("it is asleep")

    running = Running(DEFAULTS | SHARED | WITH_DOMAIN, {"ApiUrl": DEFAULT})
    changed = Update.to(running, {"AllowHS256": "false", "IssuerDomain": "", "LogLevel": "DEBUG"}, DEFAULTS)
    reasons = list(update.refusals(changed, "arm64", silent))
    assert [reason.partition(":")[0] for reason in reasons] == ["AllowHS256", "IssuerDomain"]
    assert all("it is asleep" in reason for reason in reasons)


def test_policy_is_read_from_what_the_function_shows() -> None:
    """The issuers of a planned move, of an earlier one, and the shared keys."""
    shown: dict[str, Any] = {
        "issuer": DEFAULT,
        "next_issuer": {"iss": DOMAIN, "at": 1, "previous_until": UNTIL},
        "previous_issuers": [{"iss": "https://first.example", "until": 5}],
        "keys": [
            {"alg": "HS256", "retire_at": 7},
            {"alg": "HS256", "retire_at": None},
            {"alg": "RS256", "retire_at": None},
        ],
    }
    assert Policy.of(shown) == Policy({DEFAULT: UNTIL, DOMAIN: None, "https://first.example": 5}, (7, None))


# ---- What AWS answers ------------------------------------------------------------------------------------------------


LIMITS = ("ConcurrentExecutions", "UnreservedConcurrentExecutions")


class Aws:
    """The two services that are asked, with one answer each."""

    def __init__(self, stack: Any = None, answer: Any = None, quota: tuple[int, int] | None = None) -> None:
        self.stack = stack
        self.answer = answer
        self.quota = quota
        self.invoked: list[dict[str, Any]] = []

    def client(self, _: str) -> Aws:
        """Return the client of a service."""
        return self

    def describe_stacks(self, **_: str) -> Any:
        """Return the stack, or the error of one that does not exist."""
        if self.stack is None:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "It does not exist."}}, "DescribeStacks")
        return {"Stacks": [self.stack]}

    def get_account_settings(self) -> Any:
        """Return how many functions the account may run, and how many are not reserved, or the error of no right."""
        if self.quota is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccountSettings")
        return {"AccountLimit": dict(zip(LIMITS, self.quota, strict=True))}

    def invoke(self, **request: Any) -> Any:
        """Return the answer of the function."""
        self.invoked.append(request)
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())}


def described(status: str = "UPDATE_COMPLETE", **parameters: str) -> dict[str, Any]:
    """Return a stack as CloudFormation describes it."""
    return {
        "StackStatus": status,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Outputs": [{"OutputKey": "IssuerFunction", "OutputValue": "auth-Issuer"}],
    }


def test_stack_that_does_not_exist_takes_everything() -> None:
    """The first deployment has nothing to compare with, and neither has one that never began."""
    assert update.running(Aws(), "auth") is None
    assert update.running(Aws(described("REVIEW_IN_PROGRESS")), "auth") is None


def test_stack_is_read() -> None:
    """Parameters and outputs."""
    found = update.running(Aws(described(Audience="x")), "auth")
    assert found == Running({"Audience": "x"}, {"IssuerFunction": "auth-Issuer"})


def test_other_errors_of_aws_are_not_taken_for_a_new_stack() -> None:
    """A missing right must not switch the guard off."""
    aws = Aws()
    aws.describe_stacks = lambda **_: (_ for _ in ()).throw(  # type: ignore[method-assign]
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")
    )
    with pytest.raises(ClientError):
        update.running(aws, "auth")


def test_policy_is_asked_of_the_function() -> None:
    """With the event of a proxy integration, and an empty body, which moves nothing."""
    shown: dict[str, Any] = {"issuer": DOMAIN, "next_issuer": None, "previous_issuers": [], "keys": []}
    aws = Aws(answer={"statusCode": 200, "body": json.dumps(shown)})
    assert update.asked(aws, Running({}, {"IssuerFunction": "auth-Issuer"})) == Policy({DOMAIN: None})
    assert aws.invoked[0]["FunctionName"] == "auth-Issuer"
    assert json.loads(aws.invoked[0]["Payload"])["body"] == "{}"


@pytest.mark.parametrize(
    "answer", [{"statusCode": 503, "body": "{}"}, {"errorMessage": "x"}, [], {"statusCode": 200, "body": "{}"}, None]
)
def test_odd_answer_is_no_policy(answer: Any) -> None:
    """A function that fails says nothing about the policy."""
    with pytest.raises(Unknown):
        update.asked(Aws(answer=answer), Running({}, {"IssuerFunction": "auth-Issuer"}))


def test_stack_without_the_function_cannot_be_asked() -> None:
    """The message says what to do about it."""
    with pytest.raises(Unknown, match="deploy this release without the change first"):
        update.asked(Aws(), Running())


# ---- The quota of the account ----------------------------------------------------------------------------------------

HASHING = 8
"""Functions that hash."""


def guarded(aws: Aws, **parameters: str) -> tuple[list[str], list[str]]:
    """Return what is refused and what is proposed to a stack that gets these parameters."""
    running = update.running(aws, "auth") or Running()
    found = update.of_quota(Update.to(running, parameters, DEFAULTS), HASHING, aws)
    return found.refusals, found.proposals


@pytest.mark.parametrize(
    ("quota", "proposed"),
    [
        ((1000, 1000), "HashingConcurrency=50:"),
        ((1000, 500), "HashingConcurrency=25:"),
        ((200, 200), "HashingConcurrency=6:"),
        ((10_000, 10_000), "HashingConcurrency=50:"),
        ((10, 10), "too few"),
        ((1000, 100), "too few"),
    ],
)
@pytest.mark.parametrize("stack", [None, described(HashingConcurrency="0")], ids=["first", "running"])
def test_stack_without_a_reservation_gets_a_proposal(stack: Any, quota: tuple[int, int], proposed: str) -> None:
    """Half of what can be reserved stays free. A small account deploys all the same."""
    refusals, [proposal] = guarded(Aws(stack, quota=quota))
    assert (refusals, proposed in proposal) == ([], True)


def test_proposal_is_accepted_when_it_is_taken() -> None:
    """The quota holds what is proposed for it."""
    for total in range(100, 1200, 50):
        aws = Aws(quota=(total, total))
        _, [proposal] = guarded(aws)
        if named := re.search(r"HashingConcurrency=(\d+)", proposal):
            assert guarded(aws, HashingConcurrency=named[1]) == ([], [])


@pytest.mark.parametrize(
    ("before", "wanted", "unreserved", "refused"),
    [
        ("0", "112", 1000, False),
        ("0", "113", 1000, True),
        ("0", "1", 10, True),
        ("50", "112", 600, False),  # its 400 are reserved already
        ("50", "113", 600, True),
        ("50", "50", 90, False),
        ("50", "20", 90, False),
    ],
)
def test_reservation_that_the_quota_does_not_hold_is_refused(
    before: str, wanted: str, unreserved: int, *, refused: bool
) -> None:
    """The deployment would fail after minutes. What the stack has reserved already counts for it."""
    aws = Aws(described(HashingConcurrency=before), quota=(1000, unreserved))
    refusals, proposals = guarded(aws, HashingConcurrency=wanted)
    assert ([each.partition(":")[0] for each in refusals], proposals) == (["HashingConcurrency"] * refused, [])


def test_quota_that_cannot_be_read_keeps_nothing_from_being_deployed() -> None:
    """The right to read it is not needed for a deployment."""
    assert guarded(Aws(), HashingConcurrency="50") == ([], [])
    refusals, [proposal] = guarded(Aws())
    assert (refusals, "the quota is unknown" in proposal) == ([], True)


def test_quota_is_shared_among_the_functions_that_hash_in_the_template() -> None:
    """A first deployment is checked too, before anything is built."""
    found = update.check(Config("auth", "eu-north-1", "", {"HashingConcurrency": "9"}), Aws(quota=(150, 150)))  # type: ignore[arg-type]
    assert [f"for each of {HASHING} functions" in reason for reason in found.refusals] == [True]


# ---- samconfig.toml and the architecture -----------------------------------------------------------------------------


def config(folder: Path, text: str) -> Path:
    """Write settings."""
    path = folder / "samconfig.toml"
    path.write_text(text)
    return path


GLOBAL = '[default.global.parameters]\nstack_name = "latchkey"\n'
DEPLOY, BUILD = "[default.deploy.parameters]\n", "[default.build.parameters]\n"


@pytest.mark.parametrize(
    "overrides",
    [
        '"Audience=\\"two words\\" Architecture=\\"x86_64\\" IssuerDomain=\\"\\""',
        '"ParameterKey=Audience,ParameterValue=\\"two words\\" Architecture=x86_64 IssuerDomain="',
        '["Audience=\\"two words\\"", "Architecture=x86_64", "IssuerDomain="]',
    ],
)
def test_overrides_are_read_as_sam_writes_them(tmp_path: Path, overrides: str) -> None:
    """In each of the forms that `sam deploy` takes."""
    path = config(tmp_path, f'{GLOBAL}{DEPLOY}region = "eu-north-1"\nparameter_overrides = {overrides}\n')
    found = samconfig.read("deploy", "default", path)
    assert (found.stack, found.region) == ("latchkey", "eu-north-1")
    assert found.parameters == {"Audience": "two words", "Architecture": "x86_64", "IssuerDomain": ""}


@pytest.mark.parametrize("overrides", ['"file://x.json"', '"Audience=\\"x"'])
def test_overrides_that_cannot_be_read_are_refused(tmp_path: Path, overrides: str) -> None:
    """A guard that reads half of the values guards nothing."""
    with pytest.raises(BadConfig):
        samconfig.read("deploy", "default", config(tmp_path, f"{DEPLOY}parameter_overrides = {overrides}\n"))


@pytest.mark.parametrize("environment", ["dev", "prod", samconfig.DEFAULT])
def test_settings_of_this_project_are_readable(environment: str) -> None:
    """The file in the repository names no parameter, so the architecture is the template's."""
    assert samconfig.read("deploy", environment).parameters == {}
    assert architecture.chosen(environment) == DEFAULTS["Architecture"] == architecture.DEFAULT


def test_environment_that_does_not_exist_is_refused() -> None:
    """A misspelt name must not deploy to a stack of another one."""
    with pytest.raises(BadConfig, match="no settings for prd"):
        samconfig.read("deploy", "prd")


def test_each_environment_has_its_own_stack() -> None:
    """Two environments of one name would be one stack."""
    assert len({samconfig.read("deploy", environment).stack for environment in ("dev", "prod")}) == 2


def test_architecture_of_one_environment_says_nothing_of_the_other(tmp_path: Path) -> None:
    """The build reads the environment that is deployed."""
    path = config(
        tmp_path, '[dev.build.parameters]\n[prod.deploy.parameters]\nparameter_overrides = "Architecture=x86_64"'
    )
    assert [architecture.chosen(each, path) for each in ("dev", "prod")] == ["arm64", "x86_64"]


def test_code_is_built_for_the_architecture_that_is_deployed(tmp_path: Path) -> None:
    """One place is enough."""
    path = config(tmp_path, f'{DEPLOY}parameter_overrides = "Architecture=x86_64"\n')
    assert architecture.chosen("default", path) == "x86_64"


def test_two_architectures_are_refused(tmp_path: Path) -> None:
    """The message says in which place it belongs."""
    text = f'{BUILD}parameter_overrides = "Architecture=arm64"\n{DEPLOY}parameter_overrides = "Architecture=x86_64"\n'
    with pytest.raises(BadConfig, match="in one place"):
        architecture.chosen("default", config(tmp_path, text))


@pytest.mark.parametrize("built", ["arm64", "x86_64"])
def test_built_template_allows_one_architecture(built: str) -> None:
    """CloudFormation accepts only the built architecture, also in a guided deployment."""
    loaded = yaml.load(source.PATH.read_text(), source._Loader)  # noqa: S506 - the same loader as the template's
    text = yaml.dump(loaded, sort_keys=False)
    pinned = yaml.safe_load(architecture.pinned(text, built))
    loaded["Parameters"]["Architecture"] = {"Type": "String", "Default": built, "AllowedValues": [built]}
    assert pinned == loaded


def test_template_without_the_parameter_is_refused() -> None:
    """A built template of another shape is not passed on unpinned."""
    with pytest.raises(BadConfig):
        architecture.pinned("Parameters:\n  Audience:\n    Default: latchkey\n", "arm64")


def test_stack_of_another_architecture_is_refused() -> None:
    """A value that samconfig.toml does not name stays in the stack, and the build must know it."""
    assert refused({"Architecture": "x86_64"}, {}) == ["Architecture"]
    assert refused({"Architecture": "x86_64"}, {}, built="x86_64") == []


@pytest.mark.parametrize("module", ["samconfig", "architecture"])
def test_build_needs_the_standard_library_alone(module: str) -> None:
    """`make build` runs before anything of this project is installed."""
    program = f"import sys, infra.packaging.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"boto3", "botocore", "yaml", "rich"}.isdisjoint(done.stdout.split())
