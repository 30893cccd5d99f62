"""samconfig.toml, as `sam build` and `sam deploy` read it. Of Python, it needs the standard library alone.

An environment is a set of settings, which `--config-env` of the SAM CLI names: `dev`, `prod`. Where nothing names one,
it is `default`.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT = "default"
"""The environment of a bare `sam build`."""

PATH = Path(__file__).resolve().parents[2] / "samconfig.toml"


class BadConfig(ValueError):
    """Settings that cannot be read. The message says which."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one command. `parameters` are the values that it gives to the template."""

    stack: str = ""
    region: str = ""
    profile: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: str = DEFAULT


def read(command: str, environment: str, path: Path = PATH) -> Config:
    """Return the settings of `build` or `deploy`. Those of the command come before the global ones.

    Raises `BadConfig` if the file cannot be read, or has no such environment.
    """
    tables = _environments(path).get(environment)
    if not isinstance(tables, dict):
        raise BadConfig(f"{path.name} has no settings for {environment}")
    settings = {**_settings(tables, "global"), **_settings(tables, command)}
    return Config(
        stack=str(settings.get("stack_name", "")),
        region=str(settings.get("region", "")),
        profile=str(settings.get("profile", "")),
        parameters=overrides(settings.get("parameter_overrides", "")),
        environment=environment,
    )


def begin(config: Config, path: Path = PATH) -> None:
    """Write the settings of a first deployment into the file, and leave everything else in it as it is.

    Raises `BadConfig` if they cannot be written. Then the file stays as it was.
    """
    before, environment = path.read_text(), config.environment
    named = " ".join(f'{name}="{value}"' for name, value in config.parameters.items())
    after = _put(before, f"[{environment}.global.parameters]", "stack_name", config.stack)
    after = _put(after, f"[{environment}.deploy.parameters]", "region", config.region)
    after = _put(after, f"[{environment}.deploy.parameters]", "parameter_overrides", named)
    path.write_text(after)
    try:
        written = read("deploy", environment, path)
    except BadConfig:
        written = None
    if written != config:
        path.write_text(before)
        raise BadConfig(
            f"{path.name} cannot be changed automatically. Write into [{environment}.deploy.parameters]: "
            f"region = {json.dumps(config.region)} and parameter_overrides = {json.dumps(named)}"
        )


def _put(text: str, table: str, name: str, value: str) -> str:
    """Return the text with one setting, in a line of its own, in place of the line that it has."""
    if table not in text.splitlines():
        text = f"{text.rstrip()}\n\n{table}\n"
    head, _, rest = text.partition(f"{table}\n")
    inside, bracket, behind = rest.partition("\n[")
    line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
    inside, found = re.subn(rf"(?m)^{name} *=.*$", lambda _: line, inside)
    if not found:
        inside = f"{line}\n{inside}"
    return f"{head}{table}\n{inside}{bracket}{behind}"


def _environments(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path.name} cannot be read: {type(error).__name__}") from None


def _settings(tables: Mapping[str, Any], command: str) -> dict[str, Any]:
    return dict(tables.get(command, {}).get("parameters", {}))


def overrides(value: object) -> dict[str, str]:
    """Read `Name=value Other="a value"`, or `ParameterKey=Name,ParameterValue=value`, in one text or in a list."""
    texts = value if isinstance(value, list) else [value]
    try:
        words = [word for text in texts for word in shlex.split(str(text))]
    except ValueError:
        raise BadConfig("parameter_overrides has a quote that does not end") from None
    return dict(_pair(word) for word in words)


def _pair(word: str) -> tuple[str, str]:
    name, separator, value = word.removeprefix("ParameterKey=").partition(
        ",ParameterValue=" if word.startswith("ParameterKey=") else "="
    )
    if not separator:
        raise BadConfig(f"parameter_overrides has {word!r}, which is no Name=value")
    return name, value
