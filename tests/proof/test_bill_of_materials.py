"""The bill of materials is what it says: CycloneDX."""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra.packaging import sbom
from infra.packaging.locks import ROOT

PROGRAM = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
print(fault.data.message if fault else "valid")
"""


def verdict(document: str) -> str:
    command = [str(ROOT / ".venv-proof/bin/python"), "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, input=document, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_bill_keeps_the_schema_of_its_format(tmp_path: Path) -> None:
    """A tool that reads CycloneDX reads it, and a member that the format does not have is noticed."""
    path = tmp_path / "bill.json"
    sbom.main([str(path)])
    assert verdict(path.read_text()) == "valid"
    assert verdict(path.read_text().replace('"purl"', '"pearl"')) != "valid"
