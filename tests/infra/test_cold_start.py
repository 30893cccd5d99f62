"""The modules that each function loads: an unneeded library makes people wait."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"boto3", "botocore.session", "jwt", "pydantic", "aws_xray_sdk", "asyncio"}


def loaded_by(name: str) -> set[str]:
    """Return the modules that a function has loaded before its first event."""
    program = f"import sys, functions.{name}.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", ["status", "hello", "preflight"])
def test_a_function_without_data_does_not_load_the_sdk(name: str) -> None:
    """Boto3 alone costs more than the rest of such a function."""
    loaded = loaded_by(name)
    assert HEAVY & loaded == set()


@pytest.mark.parametrize("name", ["login", "refresh", "register", "recover", "password"])
def test_only_the_mailer_loads_what_writes_letters(name: str) -> None:
    """The mailer writes letters, and people do not wait for it."""
    loaded = loaded_by(name)
    assert "jinja2" not in loaded


def test_the_authorizer_of_api_keys_mints_nothing() -> None:
    """Every call with a key waits for it, and it needs neither PyJWT nor Powertools."""
    loaded = loaded_by("key_authorizer")
    assert {"jwt", "aws_lambda_powertools", "pydantic"} & loaded == set()


def test_the_authorizer_of_tokens_records_no_event() -> None:
    """The audit log is not read from its log group, so an event of its own would be lost."""
    loaded = loaded_by("authorizer")
    assert {"latchkey.core.events", "latchkey.edge.telemetry"} & loaded == set()


@pytest.mark.parametrize("name", ["login", "password", "email", "erase"])
def test_hashes_of_other_systems_are_loaded_when_one_is_met(name: str) -> None:
    """A person whose password has our own hash does not wait for the code that checks the others."""
    loaded = loaded_by(name)
    assert {"latchkey.core.credentials.foreign_hashes", "latchkey.core.credentials.hash_imports"} & loaded == set()


@pytest.mark.parametrize("name", ["login", "register", "recover", "transfer"])
def test_names_of_other_scripts_load_their_library_when_one_is_met(name: str) -> None:
    """Most logins are addresses in ASCII."""
    loaded = loaded_by(name)
    assert {"precis_i18n", "idna", "latchkey.core.credentials.look_alikes"} & loaded == set()


@pytest.mark.parametrize("name", ["login", "refresh", "register", "me"])
def test_what_people_wait_for_loads_nothing_of_operators_or_partners(name: str) -> None:
    """The services that few functions use are imported by their builders."""
    loaded = loaded_by(name)
    core = {module.removeprefix("latchkey.core.") for module in loaded if module.startswith("latchkey.core.")}
    assert core.isdisjoint(
        {"clients.admin", "partners.admin", "grants.partner", "signing_policy.admin", "users.transfer", "users.admin"}
    )
