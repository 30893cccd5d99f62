"""template.yaml as data: its functions, their routes, and what each may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).resolve().parents[2] / "template.yaml"

Template = dict[str, Any]

_NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `authorizer` is a name, `NONE`, or `None` where the template says nothing."""

    function: str
    method: str
    path: str
    authorizer: str | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one kind of resource.

    `items` are the patterns of the partition keys that it is limited to, `stages` the staging labels of the secret.
    """

    action: str
    resource: str
    items: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref X`) as the long ones (`{"Ref": "X"}`)."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    raise yaml.MarkedYAMLError(problem=f"!{suffix} takes no mapping", problem_mark=node.start_mark)


_Loader.add_multi_constructor("!", _intrinsic)


def read() -> Template:
    """Return the template as it is written, with the long forms of its intrinsic functions."""
    return dict(yaml.load(PATH.read_text(), _Loader))  # noqa: S506 - a safe loader's child


def load(*conditions: str) -> Template:
    """Return the template with every `!If` decided: these conditions hold, and no others do."""
    return decided(read(), *conditions)


def decided(template: Template, *conditions: str) -> Template:
    """Return a template with every `Fn::If` decided: these conditions hold, and no others do."""
    unknown = set(conditions) - set(template["Conditions"])
    if unknown:
        raise ValueError(f"template.yaml has no condition {', '.join(sorted(unknown))}")
    return dict(_decided(template, frozenset(conditions)))


def _decided(value: Any, holding: frozenset[str]) -> Any:
    """Return the value without `Fn::If`, and without what is then `AWS::NoValue`."""
    match value:
        case {"Fn::If": [condition, yes, no]}:
            return _decided(yes if condition in holding else no, holding)
        case dict():
            members = {name: _decided(member, holding) for name, member in value.items()}
            return {name: member for name, member in members.items() if member != _NO_VALUE}
        case list():
            return [member for each in value if (member := _decided(each, holding)) != _NO_VALUE]
        case _:
            return value


def resources(template: Template, kind: str) -> dict[str, Any]:
    """Return the resources of one type by logical id."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def functions(template: Template) -> dict[str, Any]:
    """Return the properties of the functions by the name of their folder."""
    found = resources(template, "AWS::Serverless::Function").values()
    return {each["Properties"]["CodeUri"].removeprefix("functions/"): each["Properties"] for each in found}


def environment(function: Any) -> dict[str, Any]:
    """Return the environment of a function, without the variables that every function has."""
    return dict(function["Environment"]["Variables"])


def routes(template: Template) -> list[Route]:
    """Return every route in the order of the template."""
    return [
        Route(name, event["Method"].upper(), event["Path"], event.get("Auth", {}).get("Authorizer"))
        for name, function in functions(template).items()
        for event in (each["Properties"] for each in function.get("Events", {}).values())
    ]


def statements(function: Any, effect: str = "Allow") -> Iterator[Any]:
    """Yield the statements of a function's own policies that allow something, or that deny it."""
    for policy in function.get("Policies", []):
        yield from (statement for statement in policy["Statement"] if statement["Effect"] == effect)


def grants(function: Any) -> frozenset[Grant]:
    """Return what the policies of a function allow, one action and resource at a time."""
    return frozenset(
        Grant(action, _resource(statement["Resource"]), _items(statement), _stages(statement))
        for statement in statements(function)
        for action in statement["Action"]
    )


def _resource(reference: Any) -> str:
    """Return the logical id behind `!Ref X` or `!GetAtt X.Arn`, or the text of `!Sub`."""
    return str(reference.get("Ref") or reference.get("Fn::Sub") or reference["Fn::GetAtt"].removesuffix(".Arn"))


def _items(statement: Any) -> frozenset[str]:
    limits = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
    return frozenset(limits.get("dynamodb:LeadingKeys", []))


def _stages(statement: Any) -> frozenset[str]:
    # If a request names no stage, ForAnyValue is false and ForAllValues is true. Only the first is a limit.
    limits = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {})
    stages = limits.get("secretsmanager:VersionStage", [])
    return frozenset([stages] if isinstance(stages, str) else stages)
