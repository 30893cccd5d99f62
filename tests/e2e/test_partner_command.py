"""`latchkey partner`, against a twin."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from typer.testing import CliRunner, Result

from infra.cli.app import app
from tests.e2e.accounts import admin
from tests.e2e.client import RunningTwin
from tests.e2e.partners import TestPartner
from tests.partner_world import Signer

Run = Callable[..., Result]


@pytest.fixture
def run(twin: RunningTwin, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in the twin's folder."""
    monkeypatch.chdir(twin.folder)

    def run(*words: str) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--local", "partner", *words])

    return run


@pytest.fixture
def shop(run: Run) -> dict[str, Any]:
    """A partner created by the command."""
    issuer = f"https://{token_hex(8)}.example"
    made = run("create", "--name", "Shop", "--issuer", issuer, "--map-role", "a=b=user", "--json")
    assert made.exit_code == 0, made.output
    record: dict[str, Any] = json.loads(made.stdout)
    return record


def of(run: Run, shop: dict[str, Any]) -> dict[str, Any]:
    """Return the present record of the partner."""
    record: dict[str, Any] = json.loads(run("show", shop["id"], "--json").stdout)
    return record


def test_partner_is_made_shown_and_listed(run: Run, shop: dict[str, Any]) -> None:
    """A partner is created, shown and listed; in the role map the last = divides."""
    assert shop["role_map"] == {"a=b": "user"}
    assert shop["id"] in run("list").stdout
    assert shop["id"] in [each["id"] for each in json.loads(run("list", "--json").stdout)["partners"]]
    assert "standard" in run("show", shop["id"]).stdout


def test_partner_of_a_vendor_is_made(run: Run) -> None:
    """The token profile is not confused with the profile of AWS."""
    words = ["--issuer", f"https://{token_hex(8)}.example", "--token-profile", "nodul", "--tenant", "7", "--json"]
    made = json.loads(run("create", "--name", "Nodul", *words).stdout)
    assert (made["profile"], made["tenant"]) == ("nodul", "7")


def test_pair_made_here_signs_users_in(twin: RunningTwin, run: Run, shop: dict[str, Any], tmp_path: Path) -> None:
    """Only the operator can read the file with the private key, and the service never gets it."""
    file = tmp_path / "shop.pem"
    made = run("key", "create", shop["id"], "--kid", "k1", "--out", str(file))
    assert (made.exit_code, stat.S_IMODE(file.stat().st_mode), made.stdout) == (0, 0o600, "")
    private = load_pem_private_key(file.read_bytes(), None)
    partner = TestPartner(twin, admin(twin), of(run, shop), Signer("k1", "ES256", private))  # type: ignore[arg-type]
    assert partner.exchange(partner.token()).status == 201
    assert run("key", "create", shop["id"], "--out", str(file)).exit_code == 1
    assert len(of(run, shop)["keys"]) == 1


@pytest.mark.parametrize("alg", ["RS256", "EdDSA"])
def test_private_half_is_printed_once(run: Run, shop: dict[str, Any], alg: str) -> None:
    """The private key is alone on stdout, so that it can be piped."""
    made = run("key", "create", shop["id"], "--alg", alg)
    assert made.stdout.startswith("-----BEGIN PRIVATE KEY-----")
    assert [key["alg"] for key in of(run, shop)["keys"]] == [alg]


def test_file_is_not_left_when_the_key_is_refused(run: Run, tmp_path: Path) -> None:
    """The file of a key that is not registered is deleted."""
    file = tmp_path / "missing.pem"
    assert run("key", "create", "prt_missing", "--out", str(file)).exit_code == 1
    assert not file.exists()


def test_keys_of_the_partners_own_come_and_go(run: Run, shop: dict[str, Any], tmp_path: Path) -> None:
    """A public key is added as PEM with its algorithm, or as a JWK."""
    pem, jwk = tmp_path / "a.pem", tmp_path / "b.json"
    pem.write_text(Signer().pem())
    jwk.write_text(json.dumps(Signer("b").key().to_jwk()))
    assert run("key", "add", shop["id"], str(pem), "--alg", "ES256", "--kid", "a").exit_code == 0
    assert run("key", "add", shop["id"], str(jwk)).exit_code == 0
    assert run("key", "delete", shop["id"], "a", "--yes").exit_code == 0
    assert [key["kid"] for key in of(run, shop)["keys"]] == ["b"]


@pytest.mark.parametrize("name", ["a.pem", "b.json"])
def test_private_key_is_not_sent(run: Run, shop: dict[str, Any], tmp_path: Path, name: str) -> None:
    """A private key is refused before it leaves the machine."""
    private, file = Signer().private, tmp_path / name
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file.write_text(text if name == "a.pem" else json.dumps(Signer().key().to_jwk() | {"d": "AAAA"}))
    refused = run("key", "add", shop["id"], str(file), "--alg", "ES256")
    assert (refused.exit_code, "private key" in refused.stderr) == (2, True)


def test_lists_are_emptied(run: Run, shop: dict[str, Any]) -> None:
    """An empty text empties a list."""
    words = [word for name in ("map-role", "default-role", "client-id", "scope") for word in (f"--{name}", "")]
    assert run("set", shop["id"], *words).exit_code == 0
    shown = of(run, shop)
    assert [shown[name] for name in ("role_map", "default_roles", "clients", "scopes")] == [{}, [], [], []]


def test_settings_change(run: Run, shop: dict[str, Any]) -> None:
    """Status and limits change, and at the end the partner is deleted."""
    run("disable", shop["id"])
    assert of(run, shop)["status"] == "disabled"
    run("enable", shop["id"])
    assert run("set", shop["id"], "--max-users", "5", "--allow-missing", "jti").exit_code == 0
    shown = of(run, shop)
    assert (shown["status"], shown["max_users"], shown["allow_missing"]) == ("active", 5, ["jti"])
    assert run("set", shop["id"], "--allow-missing", "").exit_code == 0
    assert of(run, shop)["allow_missing"] == []
    assert run("set", shop["id"]).exit_code == 2
    assert run("delete", shop["id"]).exit_code == 2
    assert run("delete", shop["id"], "--yes").exit_code == 0
    assert run("show", shop["id"]).exit_code == 1
