"""Evaluate an expanded template: the stack as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.stack.api import Api, read_api
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.stack.template import Template


@dataclass(frozen=True, slots=True)
class Stack:
    """One evaluation of the template. It holds no data and starts nothing: other parameters give another value.

    `secret_id` is the secret that the function `rotation` rotates, as `rotation_rules` say. `resolver` resolves
    everything else.
    """

    api: Api
    secret_id: str
    rotation: str
    rotation_rules: Mapping[str, Any]
    resolver: Resolver


def evaluate(template: Template, parameters: Mapping[str, str], names: Mapping[str, str]) -> Stack:
    """Return the stack of a template with these parameters. Raise `BadTemplate` or `Unresolvable`.

    `names` are the physical ids of the resources that exist already.
    """
    resolver = Resolver(template, names, parameters)
    for _, properties in resolver.resources("AWS::SecretsManager::RotationSchedule"):
        rotation = resolver.function_name(properties["RotationLambdaARN"])
        rules = resolver.resolve(properties["RotationRules"])
        return Stack(read_api(resolver), resolver.text(properties["SecretId"]), rotation, rules, resolver)
    raise BadTemplate("the template has no secret with a rotation schedule")
