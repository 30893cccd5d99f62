"""Check every AWS call of a function against the statements of its role, as IAM does.

A permission that the template lacks then fails on a laptop, and not first in an AWS account. Where the environment
variable RIGHTS_USED names a folder, the twin also notes there what functions used, so that a test run can show what the
template allows in vain.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.local.stack.functions import current_function
from infra.local.stack.intrinsics import Unresolvable

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from infra.local.stack.intrinsics import Resolver

FOLDER_VARIABLE = "RIGHTS_USED"

_MEMBERS = {"Sid", "Effect", "Action", "Resource", "NotResource", "Condition"}
_IAM_NAMES = {"sesv2": "ses"}
_STEPS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_PARTITION_KEY = re.compile(r"(?:pk|#\w+) = (:\w+)")

Context = Mapping[str, Sequence[str]]
"""The values of IAM's condition keys, by key."""


@dataclass(frozen=True, slots=True)
class Access:
    """One action on one resource. `resource` is the end of its ARN."""

    action: str
    resource: str
    context: Context


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a role. Either `resources` are those that it is about, or, with `others`, all but these."""

    effect: str
    actions: Sequence[str]
    resources: Sequence[str]
    others: bool
    conditions: Mapping[str, Mapping[str, Any]]

    def matches(self, access: Access) -> bool:
        """Return whether the statement is about this access: its action, its resource and every condition match."""
        named = any(each == "*" or each.endswith(access.resource) for each in self.resources)
        return (
            _is_like(access.action, self.actions)
            and named is not self.others
            and all(_holds(test, access.context) for test in self.conditions.items())
        )


class UsedRights:
    """What functions used of their rights, in a file of this process: a line each, written at once and once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{os.getpid()}.txt"
        self._noted: set[str] = set()

    def note(self, function: str, access: Access, resource: str) -> None:
        """Note the function, the action, the resource, and the type of each item: its partition key up to the `#`.

        The keys of an index are no types.
        """
        keys = [""] if "/index/" in resource else access.context.get("dynamodb:LeadingKeys", [""])
        for key in keys:
            kind, separator, _ = key.partition("#")
            line = f"{function} {access.action} {resource} {kind}{separator}".rstrip()
            if line not in self._noted:
                self._noted.add(line)
                with self._file.open("a") as file:
                    file.write(f"{line}\n")


def _used_rights() -> UsedRights | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return UsedRights(Path(folder)) if folder else None


class Rights:
    """The rights of all functions of a stack."""

    def __init__(self, resolver: Resolver) -> None:
        """Read the roles. Raise `Unresolvable` for a statement that the twin does not understand."""
        self._resolver = resolver
        self._used = _used_rights()
        self._granted: dict[str, list[Statement]] = {}
        roles = dict(resolver.resources("AWS::IAM::Role"))
        for name, function in resolver.resources("AWS::Lambda::Function"):
            role, _ = function["Role"]["Fn::GetAtt"]
            policies = resolver.resolve(roles[role].get("Policies", []))
            self._granted[name] = [each for policy in policies for each in _statements(policy["PolicyDocument"])]

    def check(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        """Reject a call that the role of the calling function does not allow, with the error that AWS returns."""
        function = current_function()
        if function is None or function.name not in self._granted:
            return
        for access in _accesses(client.meta.service_model.service_name, operation, parameters):
            if not _allowed(access, self._granted[function.name]):
                message = f"{function.name} may not {access.action} on {access.resource} {dict(access.context)}"
                sys.stderr.write(f"{message}\n")
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, operation)
            if self._used is not None:
                self._used.note(function.name, access, self._resolver.logical_id(access.resource.removeprefix(":")))


def _allowed(access: Access, statements: Sequence[Statement]) -> bool:
    """Return whether one statement allows the access and none denies it (IAM User Guide, "policy evaluation logic")."""
    return {each.effect for each in statements if each.matches(access)} == {"Allow"}


def _statements(document: Any) -> Iterator[Statement]:
    for each in document["Statement"]:
        conditions = each.get("Condition", {})
        unknown = (each.keys() - _MEMBERS) | (conditions.keys() - _TESTS.keys())
        if unknown:
            raise Unresolvable(f"the twin does not understand a statement of a role: {sorted(unknown)}")
        others = "NotResource" in each
        resources = _listed(each["NotResource" if others else "Resource"])
        yield Statement(each["Effect"], _listed(each["Action"]), resources, others, conditions)


def _accesses(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[Access]:
    if service == "dynamodb":
        yield from _table_accesses(operation, parameters)
        return
    context: dict[str, Sequence[str]] = {}
    if operation == "GetSecretValue":
        context["secretsmanager:VersionStage"] = [parameters.get("VersionStage", "AWSCURRENT")]
    if service == "sesv2":
        context["ses:FromAddress"] = [parameters.get("FromEmailAddress", "")]
    yield Access(f"{_IAM_NAMES.get(service, service)}:{operation}", parameters.get("SecretId", ""), context)


def _table_accesses(operation: str, parameters: Mapping[str, Any]) -> Iterator[Access]:
    match operation:
        case "TransactWriteItems":
            for step in parameters["TransactItems"]:
                [(kind, part)] = step.items()
                yield _on_items(_STEPS[kind], part["TableName"], [part])
        case "BatchGetItem":
            for table, asked in parameters["RequestItems"].items():
                yield _on_items(operation, table, [{"Key": key} for key in asked["Keys"]])
        case "BatchWriteItem":
            for table, writes in parameters["RequestItems"].items():
                yield _on_items(operation, table, [part for write in writes for part in write.values()])
        case "Query":
            [name] = _PARTITION_KEY.findall(parameters["KeyConditionExpression"])[:1]
            value = parameters["ExpressionAttributeValues"][name]["S"]
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            resource = f":{parameters['TableName']}{index}"
            yield Access("dynamodb:Query", resource, {"dynamodb:LeadingKeys": [value]})
        case _:
            yield _on_items(operation, parameters["TableName"], [parameters])


def _on_items(operation: str, table: str, parts: Sequence[Mapping[str, Any]]) -> Access:
    keys = [(part.get("Key") or part["Item"])["pk"]["S"] for part in parts]
    return Access(f"dynamodb:{operation}", f":{table}", {"dynamodb:LeadingKeys": keys})


def _holds(test: tuple[str, Mapping[str, Any]], context: Context) -> bool:
    operator, wanted = test
    return all(_TESTS[operator](context.get(key, []), _listed(patterns)) for key, patterns in wanted.items())


_TESTS = {
    "ForAllValues:StringLike": lambda values, patterns: all(_is_like(each, patterns) for each in values),
    "ForAnyValue:StringEquals": lambda values, patterns: any(each in patterns for each in values),
    "StringEquals": lambda values, patterns: len(values) == 1 and values[0] in patterns,
}


def _is_like(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _listed(value: Any) -> Sequence[str]:
    return value if isinstance(value, list) else [value]
