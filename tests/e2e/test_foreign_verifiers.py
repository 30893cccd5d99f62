"""Third-party verifiers follow the changes of the keys by themselves: they know the issuer's address alone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.foreign_verifiers import ACCEPTED, FOLDER, Issuer, Node, PyJwt, Verdicts, Verifier
from tests.e2e.signing_admin import WAIT, SigningAdmin, done, signer_to_be
from tests.e2e.tls_front import TlsFront
from tests.e2e.tokens import header, kid

JWKS_AGE = 1
"""Seconds that the twin lets others keep the JWKS: one three-hundredth of what a stack does."""

JOSE = {"cacheMaxAge": 2000, "cooldownDuration": 100}
"""The defaults of jose, 10 min and 30 s, at the twin's pace: a three-hundredth."""


@dataclass(slots=True)
class Stage:
    """A twin behind TLS, under the name that its tokens have."""

    twin: RunningTwin
    front: TlsFront

    @property
    def issuer(self) -> Issuer:
        """The settings of a verifier."""
        return Issuer(self.front.address, self.twin.dev["audience"], self.front.certificate)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The twin, and TLS in front of it."""
    folder = tmp_path_factory.mktemp("foreign-twin")
    with TlsFront(folder) as front, start_twin(folder, LIMITS="off", ISSUER=front.address) as twin:
        front.target = twin.address
        yield Stage(twin, front)
        assert twin.leaks() == []


def verdicts(verifiers: list[Verifier], token: str) -> Verdicts:
    """Return what every library says of a token."""
    return {name: said for verifier in verifiers for name, said in verifier(token).items()}


def tampered(token: str) -> str:
    """Return the token with another signature, under a key that is known."""
    signed, _, signature = token.rpartition(".")
    first = "B" if signature.startswith("A") else "A"
    return f"{signed}.{first}{signature[1:]}"


def test_rotation_costs_no_verifier_a_fetch(stage: Stage, packages: None) -> None:
    """With the libraries' defaults, the JWKS in their cache already holds the key that signs next."""
    operator = SigningAdmin.of(stage.twin)
    stage.front.fetches.clear()
    with Node(stage.issuer) as node:
        verifiers: list[Verifier] = [node, PyJwt(stage.issuer)]
        before = operator.me.tokens["access_token"]
        said = [verdicts(verifiers, before), verdicts(verifiers, tampered(before))]
        operator.rotate()
        after = operator.me.tokens["access_token"]
        said += [verdicts(verifiers, token) for token in (before, after)]
    welcome = dict.fromkeys(("jose", "aws-jwt-verify", "PyJWT"), ACCEPTED)
    assert kid(before) != kid(after)
    assert said.pop(1) == {
        "jose": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "aws-jwt-verify": "JwtInvalidSignatureError",
        "PyJWT": "InvalidSignatureError",
    }
    assert said == [welcome] * 3
    assert sorted(stage.front.fetches.values()) == [1, 1, 1]


def test_change_of_algorithm_is_followed(stage: Stage, packages: None) -> None:
    """Every library accepts the first token of the new key, even one that fetches keys on a schedule only."""
    operator = SigningAdmin.of(stage.twin)
    before = operator.me.tokens["access_token"]
    stage.front.fetches.clear()
    with Node(stage.issuer, JOSE) as node:
        eager = PyJwt(stage.issuer, lifespan=JWKS_AGE, cooldown=0.1)
        patient = PyJwt(stage.issuer, "patient", lifespan=JWKS_AGE, cooldown=3600)
        verifiers: list[Verifier] = [node, eager, patient]
        said = [verdicts(verifiers, before)]
        changed = operator.ask("PATCH", json={"algorithm": other_than(header(before)["alg"])})
        said += [verdicts(verifiers, token) for token in minted_until(signer_to_be(done(changed)), operator)]
        said.append(verdicts(verifiers, before))
    print(f"{len(said)} tokens; the JWKS was fetched by {dict(stage.front.fetches)}")  # noqa: T201 - for -s
    assert said == [dict.fromkeys(("jose", "aws-jwt-verify", "PyJWT", "patient"), ACCEPTED)] * len(said)


def other_than(algorithm: str) -> str:
    """Return the other of the two algorithms that every library here knows."""
    return "ES256" if algorithm == "RS256" else "RS256"


def minted_until(signer: str, operator: SigningAdmin) -> Iterator[str]:
    """Yield one fresh token after another, up to the first that this key has signed."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        token = operator.me.refresh()["access_token"]
        yield token
        if kid(token) == signer:
            return
        time.sleep(0.05)
    pytest.fail(f"{signer} does not sign")


# ---- the packages ----------------------------------------------------------------------------------------------------


def test_node_packages_are_pinned_by_hash_and_name_no_registry() -> None:
    """The lock has exact versions with hashes and no registry's address, which each machine configures."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    own = locked.pop("")
    assert own["dependencies"] == wanted
    versions = {name.removeprefix("node_modules/"): package["version"] for name, package in locked.items()}
    assert wanted.items() <= versions.items()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    assert [name for name, package in locked.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in locked.items() if "resolved" in package] == []
