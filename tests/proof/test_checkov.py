"""The rules of checkov for AWS resources, on the template as the SAM translator expands it."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack.template import translate
from infra.packaging import template as source
from infra.packaging.locks import ROOT

EXCUSES = {
    "CKV_AWS_73": "X-Ray costs by request and needs a right in every role; each line of the log has the request's id",
    "CKV_AWS_115": "HashingConcurrency reserves for those that hash; the small quota of a new account leaves no more",
    "CKV_AWS_116": "most are called synchronously, which knows no queue; a mail that fails stays in the outbox",
    "CKV_AWS_117": "no function reaches anything inside a VPC, and a NAT gateway would cost while no one signs in",
    "CKV_AWS_120": "a cache in front of sign-ins and tokens would answer one caller with what is another's",
    "CKV_AWS_158": "CloudWatch Logs encrypts with a key of its own, and no line holds a secret",
    "CKV_AWS_173": "no variable holds a secret: they name resources and settings",
    "CKV_AWS_192": "the managed rules against Log4j reject what OAuth needs, and nothing here is written in Java",
}
"""The rules that a stack breaks on purpose with any parameters, and why."""

WITHOUT_A_KEY = {
    "CKV_AWS_119": "DynamoDB encrypts with a key of its own; a customer's key costs for each request",
    "CKV_AWS_149": "Secrets Manager encrypts with the account's own key, and only five roles may read the secret",
}
"""The rules that a stack breaks, too, unless it has a `KmsKeyArn`."""

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def unrecoverable(resources: dict[str, Any]) -> str:
    resources["Table"]["Properties"]["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": False}
    return "Table"


def all_powerful(resources: dict[str, Any]) -> str:
    [policy] = resources["StatusFunctionRole"]["Properties"]["Policies"]
    policy["PolicyDocument"]["Statement"] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    return "StatusFunctionRole"


def kept_forever(resources: dict[str, Any]) -> str:
    del resources["FunctionLogs"]["Properties"]["RetentionInDays"]
    return "FunctionLogs"


FLAWS = {"CKV_AWS_28": unrecoverable, "CKV_AWS_63": all_powerful, "CKV_AWS_66": kept_forever}
"""Flaws by the rule that must notice them. Each is planted in one resource, whose name it returns."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the rules that the template breaks, and those that the flawed resources alone break, by file."""
    folder = tmp_path_factory.mktemp("expanded")
    expanded = translate(source.PATH.read_text(), {})
    (folder / "template.json").write_text(json.dumps(source.decided(expanded)))
    with_key = source.decided(expanded, "HasKmsKey")
    with_key["Parameters"] = with_key["Parameters"] | {"KmsKeyArn": {"Type": "String", "Default": KEY}}
    (folder / "own_key.json").write_text(json.dumps(with_key))
    flawed = deepcopy(expanded)
    names = {flaw(flawed["Resources"]) for flaw in FLAWS.values()}
    flawed["Resources"] = {name: flawed["Resources"][name] for name in names}
    (folder / "flaws.json").write_text(json.dumps(flawed))
    found: dict[str, set[str]] = {"/template.json": set(), "/own_key.json": set(), "/flaws.json": set()}
    for each in failed(folder):
        found[each["file_path"]].add(each["check_id"])
    return found


def failed(folder: Path) -> list[dict[str, Any]]:
    """Return the checks that the templates of a folder fail. What checkov would fetch from its maker is left out."""
    command = [str(ROOT / ".venv-proof/bin/checkov"), "--framework=cloudformation", "--skip-download", "--output=json"]
    done = subprocess.run([*command, f"--directory={folder}"], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert (report["summary"]["parsing_errors"], report["summary"]["passed"] > 100) == (0, True)
    return list(report["results"]["failed_checks"])


def test_template_breaks_only_rules_that_are_excused(broken: dict[str, set[str]]) -> None:
    """Each excuse has its reason, and an excuse that no resource needs is removed."""
    assert broken["/template.json"] == {*EXCUSES, *WITHOUT_A_KEY}


def test_template_with_a_key_of_ones_own_keeps_the_rules_of_keys(broken: dict[str, set[str]]) -> None:
    """The table and both secrets take it."""
    assert broken["/own_key.json"] == set(EXCUSES)


@pytest.mark.parametrize("rule", FLAWS)
def test_planted_flaw_is_noticed(broken: dict[str, set[str]], rule: str) -> None:
    """A check that notices no flaw proves nothing."""
    assert rule in broken["/flaws.json"]
    assert rule not in broken["/template.json"]
