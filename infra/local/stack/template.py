"""Expand template.yaml with the official SAM translator, so that the twin runs what AWS would deploy."""

from __future__ import annotations

import hashlib
import json
import os
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from infra.local.stack.account import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Template = dict[str, Any]

_BUCKET = "s3://twin/"


class BadTemplate(ValueError):
    """SAM could not deploy this template, or the twin cannot run it."""


def expand(path: Path, cache: Path, parameters: Mapping[str, str]) -> Template:
    """Return the expanded template, from the folder `cache` if the same text was expanded before.

    Raise `BadTemplate` when the translator rejects it, or CloudFormation would reject a parameter. The references to
    parameters stay in it, for the resolver: so one expansion serves every update of a stack. The `S3Key` of a function
    is the folder of its code.
    """
    text = path.read_text()
    cached = cache / f"template-{_fingerprint(text)}.json"
    try:
        expanded: Template = json.loads(cached.read_bytes())
    except (OSError, ValueError):
        expanded = _with_references(text)
        _remember(cached, expanded)
    _require_valid(parameters, expanded.get("Parameters", {}))
    return expanded


def translate(text: str, parameters: Mapping[str, str]) -> Template:
    """Expand the text of a SAM template for these parameters. Raise `BadTemplate` when the text or one is rejected."""
    source = _source(text)
    _require_valid(parameters, source.get("Parameters", {}))
    return _translated(source, parameters)


def _with_references(text: str) -> Template:
    """Expand the text of a SAM template. The translator replaces no reference to a parameter that has no value."""
    source = _source(text)
    declared = source.get("Parameters", {})
    defaults = {name: rule.pop("Default") for name, rule in declared.items() if "Default" in rule}
    expanded = _translated(source, {})
    for name, default in defaults.items():
        expanded["Parameters"][name]["Default"] = default
    return expanded


def _source(text: str) -> Template:
    # The translator takes a third of a second to import. A start that finds its template in the cache does not need it.
    from samtranslator.yaml_helper import yaml_parse

    # As `sam build` writes it: the translator changes what it reads, so no two places may share what an alias names.
    source: Template = json.loads(json.dumps(yaml_parse(text)))
    return source


def _translated(source: Template, parameters: Mapping[str, str]) -> Template:
    import boto3
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    _name_code(source)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    try:
        expanded: Template = translator.translate(
            source, parameter_values=dict(parameters), get_managed_policy_map=dict
        )
    except InvalidDocumentException as error:
        raise BadTemplate("; ".join(cause.message for cause in error.causes) or error.message) from error
    return expanded


def _require_valid(parameters: Mapping[str, str], declared: Template) -> None:
    """Reject the parameters that CloudFormation would reject, so that no function reads an invalid value."""
    unknown = parameters.keys() - declared.keys()
    if unknown:
        raise BadTemplate(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    for name, value in parameters.items():
        if not is_allowed(value, declared[name]):
            raise BadTemplate(f"template.yaml does not allow {value!r} for the parameter {name}")


def is_allowed(value: str, rule: Template) -> bool:
    """Return whether CloudFormation takes a value for a parameter that is declared so."""
    if "AllowedValues" in rule and value not in map(str, rule["AllowedValues"]):
        return False
    if rule["Type"] == "Number":
        return value.isdecimal() and rule.get("MinValue", 0) <= int(value) <= rule.get("MaxValue", int(value))
    return re.fullmatch(rule.get("AllowedPattern", ".*"), value) is not None


def _name_code(source: Template) -> None:
    """Write local code folders as S3 addresses, as `sam package` does: the translator accepts nothing else."""
    for resource in source.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        for member in ("CodeUri", "ContentUri"):
            if isinstance(properties.get(member), str):
                properties[member] = _BUCKET + properties[member].strip("./")


def _fingerprint(text: str) -> str:
    """Return one hash of everything that the expansion depends on."""
    everything = json.dumps([version("aws-sam-translator"), "references", text])
    return hashlib.sha256(everything.encode()).hexdigest()


def _remember(cached: Path, expanded: Template) -> None:
    cached.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for older in cached.parent.glob("template-*.json"):
        older.unlink(missing_ok=True)
    fresh = cached.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(expanded))
    fresh.replace(cached)
