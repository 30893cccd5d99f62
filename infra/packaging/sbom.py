"""A bill of materials of what Lambda gets, in CycloneDX 1.6: every package of the layers with its version.

It is made from the lock, without a network and without a clock, so the same lock gives the same bytes. Scanners find
packages by their `purl` (Package URL, ECMA-427).
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.packaging.locks import LAMBDA, ROOT, pins

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "latchkey bill of materials")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bill(project: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the bill of a project whose layers hold these versions."""
    root = {
        "type": "application",
        "bom-ref": project["name"],  # without a purl, because it is in no registry
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }
    parts = [_library(name, version) for name, version in sorted(versions.items())]
    direct = sorted(_purl(name, versions[name]) for name in map(_package, project["dependencies"]))
    content = {
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": direct}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": serial.urn, "version": 1, **content}


def _library(name: str, version: str) -> dict[str, Any]:
    purl = _purl(name, version)
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _package(requirement: str) -> str:
    """Return the name of a requirement as locks write it (PEP 503)."""
    name = _NAME.match(requirement)
    if not name:
        raise ValueError(f"no requirement: {requirement}")
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def main(arguments: list[str]) -> int:
    """Write the bill to the file that is named."""
    [path] = map(Path, arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    document = bill(project, pins((ROOT / LAMBDA.path).read_text()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(document, indent=2)}\n")
    print(f"{len(document['components'])} packages: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
