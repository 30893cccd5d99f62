"""The README: what it tells a newcomer to type works word for word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.client import RunningTwin, start_twin

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8080"


def code_below(heading: str) -> str:
    """Return the first shell block below a heading."""
    section = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return section.partition("```sh\n")[2].partition("```")[0]


def test_the_walk_ends_where_it_says(limited_twin: RunningTwin) -> None:
    """Register, log in, call, refresh, retry, replay: each step answers as the text around it says."""
    script = code_below("A walk").replace(ADDRESS, limited_twin.address)
    walked = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    assert "Welcome, usr_" in walked.stdout
    assert "a retry gets the same token" in walked.stdout
    assert walked.stdout.count('"code": "invalid_grant"') == 2
    assert limited_twin.output().count('"event":"refresh_reuse"') == 1


def test_the_commands_for_moving_users_work(tmp_path: Path) -> None:
    """The line of the README is imported by the commands below it, and exported again."""
    section = README.read_text().partition("\n## Move your users here\n")[2]
    line = section.partition("```json\n")[2].partition("```")[0]
    (tmp_path / "users.jsonl").write_text(line.replace("$2b$12$…", "$2b$12$" + "." * 53))
    script = code_below("Move your users here").replace(".venv/bin/", f"{sys.prefix}/bin/")
    with start_twin(tmp_path):
        done = subprocess.run(
            ["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
        )
    assert "1 would be imported" in done.stdout
    assert "ann@example.com" in (tmp_path / "everybody.jsonl").read_text()


def test_the_commands_for_the_signing_keys_work(tmp_path: Path) -> None:
    """Show, set, rotate, print and reset, against a twin of this folder."""
    script = code_below("Operate the signing keys").replace(".venv/bin/", f"{sys.prefix}/bin/")
    with start_twin(tmp_path):
        done = subprocess.run(
            ["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
        )
    assert "-----BEGIN PUBLIC KEY-----" in done.stdout
    assert "ES256" in done.stdout


def test_the_commands_for_the_audit_log_work(limited_twin: RunningTwin) -> None:
    """A table of today, and the events of the app's client as JSON."""
    script = code_below("The audit log").replace(".venv/bin/", f"{sys.prefix}/bin/")
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60, cwd=limited_twin.folder
    )
    assert "signing_rotated" in done.stdout
    assert '{"events": [' in done.stdout
