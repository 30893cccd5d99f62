"""The settings of functions that SAM starts in containers.

SAM passes a variable only if the template declares it, whatever env.json says. The template that is deployed declares
no endpoint, so a copy of the built one does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from samtranslator.yaml_helper import yaml_parse

from infra.local.aws_over_http import PREFIX
from infra.sam_local.build import BUILT

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE, ENVIRONMENT = BUILT / "sam-local.json", BUILT / "env.json"

ENDPOINT, KEYS = "AWS_ENDPOINT_URL", "LATCHKEY_JWKS_URI"

_OF_THE_TWIN = frozenset({"LATCHKEY_LIMITS", "LATCHKEY_LOCAL_JWKS"})
"""What only the process of the twin reads. The template declares neither."""


def declared(built: str) -> dict[str, Any]:
    """Return the built template with the endpoint declared for every function."""
    template: dict[str, Any] = yaml_parse(built)
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    template["Globals"]["Function"]["Environment"]["Variables"] = variables | {ENDPOINT: ""}
    return template


def values(environment: Mapping[str, str], twin: str) -> dict[str, dict[str, str]]:
    """Return the document of `--env-vars`: the twin's environment, and its address as containers know it."""
    kept = {name: value for name, value in environment.items() if name not in _OF_THE_TWIN}
    addresses = {ENDPOINT: f"{twin}{PREFIX}", KEYS: f"{twin}/.well-known/jwks.json"}
    return {"Parameters": kept | addresses}


def write(environment: Mapping[str, str], twin: str) -> None:
    """Write the copy of the template and env.json beside what was built."""
    TEMPLATE.write_text(json.dumps(declared((BUILT / "template.yaml").read_text()), indent=1) + "\n")
    ENVIRONMENT.write_text(json.dumps(values(environment, twin), indent=2) + "\n")
