"""One processor architecture for build and deployment: the one that samconfig.toml gives to `sam deploy`.

`make build` builds for it and allows no other in the built template, so that CloudFormation rejects a deployment of
this code for another processor, even one that `sam deploy --guided` asks about later. It needs the standard library
alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from infra.packaging import samconfig
from infra.packaging.samconfig import BadConfig

NAME = "Architecture"
DEFAULT = "arm64"
"""The default of the template."""

BUILT = Path(__file__).resolve().parents[2] / ".aws-sam" / "build" / "template.yaml"

_PARAMETER = f"  {NAME}:"
_MEMBER = "    "


def chosen(environment: str, path: Path = samconfig.PATH) -> str:
    """Return the architecture. Raises `BadConfig` if the settings of `sam build` name another one."""
    deployed = samconfig.read("deploy", environment, path).parameters.get(NAME, DEFAULT)
    built = samconfig.read("build", environment, path).parameters.get(NAME, deployed)
    if built != deployed:
        raise BadConfig(
            f"{NAME} is {built} for sam build and {deployed} for sam deploy. Set it in one place of samconfig.toml: "
            f"in parameter_overrides of [{environment}.deploy.parameters]."
        )
    return deployed


def pinned(template: str, architecture: str) -> str:
    """Return the built template, which `sam build` writes, with no other architecture allowed.

    Raises `BadConfig` if it has no such parameter.
    """
    lines = template.splitlines()
    if lines.count(_PARAMETER) != 1:
        raise BadConfig(f"the built template has {lines.count(_PARAMETER)} parameters {NAME}, and needs one")
    start = lines.index(_PARAMETER) + 1
    end = next((at for at, line in enumerate(lines[start:], start) if not line.startswith(_MEMBER)), len(lines))
    members = [
        f"{_MEMBER}Type: String",
        f"{_MEMBER}Default: {architecture}",
        f"{_MEMBER}AllowedValues: [{architecture}]",
    ]
    return "\n".join([*lines[:start], *members, *lines[end:]]) + "\n"


def main(arguments: list[str]) -> int:
    """Print the architecture of an environment; with `pin`, allow no other in the built template."""
    environment, *act = arguments or [samconfig.DEFAULT]
    try:
        architecture = chosen(environment)
        if act == ["pin"]:
            BUILT.write_text(pinned(BUILT.read_text(), architecture))
        else:
            sys.stdout.write(f"{architecture}\n")
    except BadConfig as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
