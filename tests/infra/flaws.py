"""Flaws to plant in a copy of the template, so that a test can show that a rule notices them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from infra.packaging.template import Template

Rule = Callable[[Template], list[str]]
"""Returns what breaks the rule."""

Flaw = Callable[[Template], None]
"""Puts a flaw into a template."""


def flawed(template: Template, flaw: Flaw) -> Template:
    """Return a copy of the template with a flaw in it."""
    copy = deepcopy(template)
    flaw(copy)
    return copy


def plant(*path: str, value: Any) -> Flaw:
    """Return a flaw: another value at one place of the resources."""

    def planted(template: Template) -> None:
        place = template["Resources"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return planted


def add_function(**properties: Any) -> Flaw:
    """Return a flaw: one more function."""
    own = {"CodeUri": "functions/flaw", "Environment": {"Variables": {}}} | properties
    return plant("FlawFunction", value={"Type": "AWS::Serverless::Function", "Properties": own})


def event(path: str, **properties: Any) -> dict[str, Any]:
    """Return the events of a function with one route: a GET that does not say who may call it, by default."""
    return {"Flaw": {"Type": "Api", "Properties": {"Method": "get", "Path": path} | properties}}


def policies(**statement: Any) -> list[Any]:
    """Return the policies of a function with one statement, which allows to read the table unless it says otherwise."""
    table = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": {"Fn::GetAtt": "Table.Arn"}}
    return [{"Statement": [table | statement]}]


def variables(**values: str) -> dict[str, Any]:
    """Return the environment of a function."""
    return {"Variables": values}
