"""samconfig.toml, as `sam build` and `sam deploy` read it. Of Python, it needs the standard library alone."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


def read(command: str, path: Path = PATH) -> Config:
    """Return the settings of `build` or `deploy`. Those of the command come before the global ones."""
    try:
        tables = tomllib.loads(path.read_text())["default"]
    except (OSError, ValueError, KeyError) as error:
        raise BadConfig(f"{path.name} cannot be read: {type(error).__name__}") from None
    settings = {**_settings(tables, "global"), **_settings(tables, command)}
    return Config(
        stack=str(settings.get("stack_name", "")),
        region=str(settings.get("region", "")),
        profile=str(settings.get("profile", "")),
        parameters=_overrides(settings.get("parameter_overrides", "")),
    )


def _settings(tables: Mapping[str, Any], command: str) -> dict[str, Any]:
    return dict(tables.get(command, {}).get("parameters", {}))


def _overrides(value: object) -> dict[str, str]:
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
