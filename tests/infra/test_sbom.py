"""The bill of materials: every package that Lambda gets, and the same bytes for the same lock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.packaging import sbom, tidiness
from infra.packaging.locks import LAMBDA, ROOT, pins

PROJECT = {"name": "latchkey", "version": "1.2.3", "license": "MIT", "dependencies": ["PyJWT>=2", "my_own.lib[x]>=1"]}
VERSIONS = {"pyjwt": "2.15.1", "my-own-lib": "1.0", "cffi": "2.1"}


def test_bill_names_every_package_of_the_lock(tmp_path: Path) -> None:
    """A scanner finds each package with its version."""
    sbom.main([str(tmp_path / "new" / "bill.json")])
    document = json.loads((tmp_path / "new" / "bill.json").read_text())
    listed = {part["name"]: part["version"] for part in document["components"]}
    assert listed == pins((ROOT / LAMBDA.path).read_text())
    assert "cryptography" in listed


def test_same_lock_gives_the_same_bill() -> None:
    """It holds no time and no random id, and another version gives it another id."""
    first, second = sbom.bill(PROJECT, VERSIONS), sbom.bill(PROJECT, dict(reversed(VERSIONS.items())))
    other = sbom.bill(PROJECT, VERSIONS | {"cffi": "2.2"})
    assert json.dumps(first) == json.dumps(second)
    assert first["serialNumber"] != other["serialNumber"]


def test_bill_tells_what_was_asked_for_from_what_came_along() -> None:
    """Requirements are matched with the names of the lock, as PEP 503 normalises them."""
    document: dict[str, Any] = sbom.bill(PROJECT, VERSIONS)
    assert document["dependencies"] == [
        {"ref": "latchkey", "dependsOn": ["pkg:pypi/my-own-lib@1.0", "pkg:pypi/pyjwt@2.15.1"]}
    ]


def test_bill_names_no_address() -> None:
    """It says what was installed, and not from where."""
    text = json.dumps(sbom.bill(PROJECT, VERSIONS))
    assert ("://" in text, tidiness.traces(text.encode())) == (False, [])
