"""Resolve CloudFormation's intrinsic functions as a stack with these parameters would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.stack.account import ACCOUNT, REGION, STACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from infra.local.stack.template import Template

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}

_NO_VALUE = object()
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class Unresolvable(ValueError):
    """The twin cannot resolve this expression."""


class Resolver:
    """Resolves values of one expanded template.

    `names` are the physical ids (what `Ref` returns) of resources that exist in the twin. Any other resource is named
    after its logical id. `parameters` replace the defaults of the template.
    """

    def __init__(self, template: Template, names: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        self._resources: Mapping[str, Any] = template.get("Resources", {})
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._parameters = {
            name: parameter.get("Default", "") for name, parameter in template.get("Parameters", {}).items()
        } | dict(parameters)
        self._names = names
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self._condition,
            "Fn::And": lambda parts: all(self.resolve(part) for part in parts),
            "Fn::Equals": lambda pair: str(self.resolve(pair[0])) == str(self.resolve(pair[1])),
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": lambda choice: self.resolve(choice[1] if self._condition(choice[0]) else choice[2]),
            "Fn::Join": lambda args: str(args[0]).join(str(part) for part in self.resolve(args[1])),
            "Fn::Not": lambda parts: not self.resolve(parts[0]),
            "Fn::Or": lambda parts: any(self.resolve(part) for part in parts),
            "Fn::Select": lambda args: self.resolve(args[1])[int(self.resolve(args[0]))],
            "Fn::Split": lambda args: str(self.resolve(args[1])).split(args[0]),
            "Fn::Sub": self._sub,
        }

    def resolve(self, value: Any) -> Any:
        """Return the value with all its intrinsic functions resolved. Raise `Unresolvable`."""
        if isinstance(value, list):
            resolved = [self.resolve(member) for member in value]
            return [member for member in resolved if member is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise Unresolvable(name)
        members = {name: self.resolve(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not _NO_VALUE}

    def resources(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the logical id and the properties of every resource of one type; values in them are not resolved."""
        for name, resource in self._resources.items():
            if resource["Type"] == kind and ("Condition" not in resource or self._condition(resource["Condition"])):
                yield name, resource.get("Properties", {})

    def text(self, value: Any) -> str:
        """Resolve to text, as CloudFormation writes it."""
        resolved = self.resolve(value)
        return str(resolved).lower() if isinstance(resolved, bool) else str(resolved)

    def logical_id(self, name: str) -> str:
        """Return the logical id of the resource with this physical id, or the name itself."""
        return next((logical for logical, physical in self._names.items() if physical == name), name)

    def function_arn(self, logical_id: str) -> str:
        """Return the ARN of a Lambda function."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{logical_id}"

    def function_name(self, value: Any) -> str:
        """Return the logical id of the function whose name or ARN a value resolves to."""
        return self.text(value).rpartition(":")[2]

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name]
        if name in self._parameters:
            return self._parameters[name]
        if name not in self._resources:
            raise Unresolvable(f"Ref {name}")
        return self._names.get(name) or self._qualified(name) or name

    def _qualified(self, name: str) -> str | None:
        """Return the ARN that `Ref` returns for an alias or a version of a function."""
        resource = self._resources[name]
        if resource["Type"] not in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            return None
        properties = resource["Properties"]
        return f"{self.function_arn(self.resolve(properties['FunctionName']))}:{properties.get('Name', '1')}"

    def _get_att(self, argument: str | list[str]) -> str:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        if name not in self._resources:
            raise Unresolvable(f"GetAtt {name}.{attribute}")
        if attribute != "Arn":
            return f"{name}.{attribute}"
        if self._resources[name]["Type"] == "AWS::Lambda::Function":
            return self.function_arn(name)
        return f"arn:aws:local:{REGION}:{ACCOUNT}:{self._ref(name)}"

    def _sub(self, argument: str | list[Any]) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replacement(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in variables:
                return self.text(variables[name])
            return self.text({"Fn::GetAtt": name} if "." in name else {"Ref": name})

        return _PLACEHOLDER.sub(replacement, text).replace("${!", "${")

    def _condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise Unresolvable(f"Condition {name}")
        return bool(self.resolve(self._conditions[name]))

    def _find_in_map(self, path: list[Any]) -> Any:
        found: Any = self._mappings
        for step in path:
            found = found[self.resolve(step)]
        return found
