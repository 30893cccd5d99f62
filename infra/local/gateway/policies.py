"""Evaluate the policy of an authorizer for one method ARN."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

_ACTION = "execute-api:Invoke"


class BadPolicyDocument(ValueError):
    """The authorizer did not return a policy."""


class Decision(Enum):
    """The decision of a policy. In IAM, an explicit deny wins, and a request that nothing allows is denied."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


def decide(document: Any, method_arn: str) -> Decision:
    """Return the decision of a policy document. Raise `BadPolicyDocument` if it is malformed."""
    effects = {effect for effect, resources in _statements(document) if _any_matches(resources, method_arn)}
    if "Deny" in effects:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOW if "Allow" in effects else Decision.IMPLICIT_DENY


def _statements(document: Any) -> list[tuple[str, list[str]]]:
    """Return effect and resources of each statement about invoking an API."""
    if not isinstance(document, dict) or "Statement" not in document:
        raise BadPolicyDocument("no policy document with a Statement")
    return [
        (_effect(statement), _texts(statement, "Resource"))
        for statement in _listed(document["Statement"])
        if _any_matches([action.lower() for action in _texts(statement, "Action")], _ACTION.lower())
    ]


def _effect(statement: dict[str, Any]) -> str:
    effect = statement.get("Effect")
    if effect not in {"Allow", "Deny"}:
        raise BadPolicyDocument("Effect must be Allow or Deny")
    return str(effect)


def _texts(statement: Any, member: str) -> list[str]:
    values = _listed(statement.get(member)) if isinstance(statement, dict) else []
    if not values or not all(isinstance(value, str) for value in values):
        raise BadPolicyDocument(f"a statement needs {member}")
    return values


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _any_matches(patterns: list[str], text: str) -> bool:
    """Return whether one of the patterns matches the whole text. `*` and `?` are wildcards, as in IAM."""
    return any(re.fullmatch(_expression(pattern), text, re.DOTALL) for pattern in patterns)


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
