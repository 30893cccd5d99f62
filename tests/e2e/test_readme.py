"""The README: what it tells a newcomer to type works word for word."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from latchkey.edge.waves import secure_hash
from tests.e2e.accounts import admin
from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.foreign_verifiers import FOLDER

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8080"


def code_below(heading: str, language: str = "sh", *, mark: str = "##") -> str:
    """Return the first block of a language, the shell's by default, below a heading."""
    section = README.read_text().partition(f"\n{mark} {heading}\n")[2].partition("\n## ")[0]
    return section.partition(f"```{language}\n")[2].partition("\n```")[0]


def test_the_walk_ends_where_it_says(limited_twin: RunningTwin) -> None:
    """Register, log in, call, refresh, retry, replay: each step answers as the text around it says."""
    script = code_below("A walk").replace(ADDRESS, limited_twin.address)
    walked = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    assert "Welcome, usr_" in walked.stdout
    assert "a retry gets the same token" in walked.stdout
    assert walked.stdout.count('"code": "invalid_grant"') == 2
    assert limited_twin.output().count('"event":"refresh_reuse"') == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a twin runs."""
    path = tmp_path_factory.mktemp("folder")
    with start_twin(path):
        yield path


def typed_in(folder: Path, heading: str) -> str:
    """Type what stands below a heading into a shell in that folder; return what it prints."""
    script = code_below(heading).replace(".venv/bin/", f"{sys.prefix}/bin/")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=folder
    )
    return done.stdout


def test_the_commands_for_moving_users_work(folder: Path) -> None:
    """The line of the README is imported by the commands below it, and exported again."""
    section = README.read_text().partition("\n## Move your users here\n")[2]
    line = section.partition("```json\n")[2].partition("```")[0]
    (folder / "users.jsonl").write_text(line.replace("$2b$12$…", "$2b$12$" + "." * 53))
    assert "1 would be imported" in typed_in(folder, "Move your users here")
    assert "ann@example.com" in (folder / "everybody.jsonl").read_text()


def test_the_commands_for_accounts_and_clients_work(folder: Path) -> None:
    """Open, give, list, disable, register, make a key and hash it, against a twin of this folder."""
    printed = typed_in(folder, "Operate accounts and clients")
    assert re.search(r"bob@example.com +active +help_desk, user", printed)
    assert "disabled" in printed
    assert re.fullmatch(r"lk_\w+\n", (folder / "nightly.key").read_text())
    assert printed.splitlines()[-1] == secure_hash((folder / "nightly.key").read_bytes().strip())


def test_the_commands_for_the_signing_keys_work(folder: Path) -> None:
    """Show, set, rotate, print and reset, against a twin of this folder."""
    printed = typed_in(folder, "Operate the signing keys")
    assert "-----BEGIN PUBLIC KEY-----" in printed
    assert "ES256" in printed


def test_the_commands_for_the_audit_log_work(limited_twin: RunningTwin) -> None:
    """A table of today, and the events of the app's client as JSON."""
    printed = typed_in(limited_twin.folder, "The audit log")
    assert "signing_rotated" in printed
    assert '{"events": [' in printed


LONGEST_CLIENT = 15


@pytest.fixture(scope="module")
def key_of_the_shop(twin: RunningTwin) -> Iterator[Path]:
    """The partner of the text, registered as the text says, and the file with its key."""
    script = code_below("Partners").replace(".venv/bin/", f"{sys.prefix}/bin/")
    subprocess.run(["bash", "-euc", script], capture_output=True, check=True, timeout=60, cwd=twin.folder)
    yield twin.folder / "shop.pem"
    boss = admin(twin)
    partners = twin.call("GET", "/v1/admin/partners?limit=100", headers=boss.bearer).json["partners"]
    [shop] = [each["id"] for each in partners if each["issuer"] == "https://shop.example"]
    twin.call("DELETE", f"/v1/admin/partners/{shop}", headers=boss.bearer)


def test_partners_client_in_python_signs_its_user_in(twin: RunningTwin, key_of_the_shop: Path) -> None:
    """As it stands, in fifteen lines."""
    program = code_below("Partners", "python")
    command = [sys.executable, "-c", program, twin.address, str(key_of_the_shop)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    user = ast.literal_eval(done.stdout)
    assert (user["external_id"], user["created"]) == ("user-42", True)
    assert len(program.splitlines()) <= LONGEST_CLIENT


def test_partners_client_in_node_signs_its_user_in(twin: RunningTwin, packages: None, key_of_the_shop: Path) -> None:
    """As it stands, in fifteen lines."""
    program = code_below("Partners", "js")
    command = ["node", "--input-type=module", "-", twin.address, str(key_of_the_shop)]
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=True, timeout=60, cwd=FOLDER)
    assert '"external_id":"user-43","created":true' in done.stdout
    assert len(program.splitlines()) <= LONGEST_CLIENT


def token_of(file: Path, kid: str | None, claims: dict[str, object]) -> str:
    """Sign as both vendors do."""
    return jwt.encode(claims, file.read_text(), "RS256", headers={"kid": kid} if kid else None)


def test_partners_of_the_vendors_sign_their_users_in(twin: RunningTwin) -> None:
    """Registered as the text says, by tokens as their documents have them, one under the vendor's own member."""
    script = code_below("Nodul, Latenode, Activepieces", mark="###").replace(".venv/bin/", f"{sys.prefix}/bin/")
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=twin.folder)
    now, (nodul, pieces) = int(time.time()), done.stdout.split()
    access = {"tenant_id": 123, "user_id": "n-1", "exp": now + 600, "grant_access": [{"space_id": 1, "role_id": 4}]}
    user = {"version": "v3", "externalUserId": "p-1", "externalProjectId": "project-1", "role": "EDITOR"}
    bodies = (
        {"token": token_of(twin.folder / "nodul.pem", None, access), "issuer_id": nodul},
        {
            "externalAccessToken": token_of(
                twin.folder / "pieces.pem", "key-1", user | {"iat": now, "exp": now + 3600}
            ),
            "issuer_id": pieces,
        },
    )
    answers = [twin.call("POST", "/v1/auth/external-token", json=body) for body in bodies]
    assert [(answer.status, answer.json["user"]["external_id"]) for answer in answers] == [(201, "n-1"), (201, "p-1")]
    boss = admin(twin)
    for partner in (nodul, pieces):
        twin.call("DELETE", f"/v1/admin/partners/{partner}", headers=boss.bearer)
