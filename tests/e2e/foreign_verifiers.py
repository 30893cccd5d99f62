"""Third-party verifiers, each with its own cache of the JWKS."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import jwt

FOLDER = Path(__file__).parent / "verifiers"
ACCEPTED = "accepted"

Verdicts = dict[str, str]
"""What each library said of a token: `accepted`, or the name of its error."""


class Verifier(Protocol):
    """One or more libraries that judge a token."""

    def __call__(self, token: str) -> Verdicts:
        """Return what they say of it."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The settings of a service: the issuer and the audience of its tokens, and the certificate to trust."""

    address: str
    audience: str
    certificate: Path


class PyJwt:
    """PyJWT with its JWKS client; seconds are the client's own by default."""

    def __init__(self, issuer: Issuer, name: str = "PyJWT", *, lifespan: float = 300, cooldown: float = 30) -> None:
        self._issuer = issuer
        self._name = name
        context = ssl.create_default_context(cafile=issuer.certificate)
        jwks_uri = f"{issuer.address}/.well-known/jwks.json"
        self._keys = jwt.PyJWKClient(
            jwks_uri,
            lifespan=lifespan,
            cooldown_duration=cooldown,
            headers={"User-Agent": name},
            ssl_context=context,
        )

    def __call__(self, token: str) -> Verdicts:
        """Return what it says of a token."""
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, [key.algorithm_name], audience=self._issuer.audience, issuer=self._issuer.address)
        except jwt.PyJWTError as error:
            return {self._name: type(error).__name__}
        return {self._name: ACCEPTED}


class Node:
    """jose and aws-jwt-verify in one process, which lives while its context lasts; `jose` are options of that one."""

    def __init__(self, issuer: Issuer, jose: Mapping[str, int] | None = None) -> None:
        told = {"issuer": issuer.address, "audience": issuer.audience, "jose": dict(jose or {})}
        self._process = subprocess.Popen(
            ["node", "verify.mjs", json.dumps(told)],
            cwd=FOLDER,
            env=os.environ | {"NODE_EXTRA_CA_CERTS": str(issuer.certificate)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __call__(self, token: str) -> Verdicts:
        """Return what they say of a token."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{token}\n")
        verdicts: Verdicts = json.loads(self._process.stdout.readline())
        return verdicts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)
