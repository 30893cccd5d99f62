"""The tools of `make check`: each notices a flaw that is planted for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.packaging.locks import ROOT

CHECKS = ("ruff check", "ruff format --check", "mypy", "cfn-lint", "locks --check", "tidiness")

INSECURE = {
    "B105 password in the code": ('PASSWORD = "correct horse"\n', "S105"),
    "B102 exec": ('exec("x")\n', "S102"),
    "B301 pickle": ("import pickle\n\npickle.loads(b'')\n", "S301"),
    "B303 MD5": ('import hashlib\n\nhashlib.md5(b"")\n', "S324"),
    "B311 guessable random": ("import random\n\nrandom.random()\n", "S311"),
    "B501 unverified TLS": ('import httpx\n\nhttpx.get("https://a.example", verify=False)\n', "S501"),
    "B506 unsafe YAML": ('import yaml\n\nyaml.load("a")\n', "S506"),
    "B602 shell": ('import subprocess\n\nsubprocess.run("ls *", shell=True)\n', "S602"),
    "B608 SQL": ("def f(name):\n    return \"SELECT * FROM t WHERE a = '%s'\" % name\n", "S608"),
    "B701 unescaped templates": ("import jinja2\n\njinja2.Environment()\n", "S701"),
}
"""Flaws that bandit knows, by its own names, and the rules of ruff that are made after them."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("check", CHECKS)
def test_check_runs_each_tool(check: str) -> None:
    """A tool that `make check` does not run checks nothing."""
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    assert f"{check}\n" in f"{recipe}\n".replace("cfn-lint template.yaml", "cfn-lint")


@pytest.mark.parametrize(("flaw", "rule"), INSECURE.values(), ids=INSECURE)
def test_insecure_code_is_noticed_where_lambda_gets_it(flaw: str, rule: str) -> None:
    """The rules of bandit hold in the layer, and no setting turns one of them off there."""
    place = "layers/latchkey/latchkey/core/flaw.py"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", f"--stdin-filename={place}", "-"],
        cwd=ROOT,
        input=flaw,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, f" {rule} " in done.stdout) == (1, True), done.stdout


def test_wrong_type_is_noticed(tmp_path: Path) -> None:
    """Mypy reads code without annotations as a fault, and an argument of the wrong type too."""
    flaw = tmp_path / "flaw.py"
    flaw.write_text("def double(number: int) -> int:\n    return 2 * number\n\n\ndouble('2')\n\n\ndef bare(): ...\n")
    done = run(sys.executable, "-m", "mypy", f"--cache-dir={tmp_path}", str(flaw))
    assert done.returncode == 1
    assert "[arg-type]" in done.stdout
    assert "[no-untyped-def]" in done.stdout


def test_wrong_template_is_noticed(tmp_path: Path) -> None:
    """cfn-lint knows the members of each resource, and which runtimes there still are."""
    template = tmp_path / "template.yaml"
    template.write_text(
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources:\n"
        "  A: {Type: AWS::Serverless::Function, Properties: {CodeUri: x, Runtime: python2.7, Handler: a.b}}\n"
        "  B: {Type: AWS::DynamoDB::Table, Properties: {Nonsense: 1}}\n"
    )
    done = run(str(ROOT / ".venv/bin/cfn-lint"), "--format=parseable", str(template))
    assert done.returncode != 0
    assert "python2.7" in done.stdout
    assert "Nonsense" in done.stdout
