"""Find the Latchkey that a command is for: the twin of this folder, or a deployed stack."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from infra.cli.errors import NotSignedIn, Unreachable
from infra.cli.service.api import is_loopback

TOKEN_VARIABLE = "LATCHKEY_TOKEN"  # noqa: S105 - the name of the variable
LOCAL = "local"
"""The name of the twin of this folder."""

DEV_FILE = Path(".latchkey/dev.json")

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # b64token, RFC 6750 section 2.1


@dataclass(frozen=True, slots=True)
class Options:
    """The options that choose a target, from the command line and the environment.

    `typed` are the options that stand on the command line, which the environment does not change.
    """

    local: bool = False
    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    typed: frozenset[str] = frozenset()

    def having(self, name: str, value: Any, *, typed: bool) -> Options:
        """Return these options with one more, which was typed or comes from the environment."""
        return replace(self, **{name: value}, typed=self.typed | {name} if typed else self.typed)

    def require_target(self) -> str:
        """Return the name of the target; raise `typer.BadParameter` if there is none."""
        if self.local:
            return LOCAL
        if self.stack is None:
            raise typer.BadParameter("name one of them", param_hint="--local or --stack NAME")
        return self.stack


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login and its password."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A Latchkey: the name an operator knows it by, its address, and what the command can sign in with."""

    name: str
    address: str
    token: str | None = field(default=None, repr=False)
    credentials: Credentials | None = None


def find_target(options: Options) -> Target:
    """Return the target; raise `typer.BadParameter`, `NotSignedIn` or `Unreachable`."""
    name = options.require_target()
    if options.local:
        return _local()
    token = _token()
    from infra.cli.service.stacks import api_url  # boto3 takes longer to import than most commands take

    return Target(name, api_url(name, options.profile, options.region), token)


def _local() -> Target:
    """Return the twin of this folder. A token of the environment belongs to a stack, and is never sent to a twin."""
    try:
        document = json.loads(DEV_FILE.read_text())
        address = document.get("address") or document["issuer"]
        credentials = _credentials(document["admin"]) if "admin" in document else None  # a twin may have no admin
    except FileNotFoundError:
        raise Unreachable(f"There is no {DEV_FILE} here. `make run` writes it: use the same folder.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Unreachable(f"{DEV_FILE} cannot be read. Restart `make run`, which writes it.") from None
    if not is_loopback(address):
        raise Unreachable(f"{DEV_FILE} names an address that is not on this machine: {address}")
    return Target(LOCAL, address, credentials=credentials)


def _credentials(admin: Mapping[str, str]) -> Credentials:
    return Credentials(admin["login"], admin["password"])


def _token() -> str | None:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and not _TOKEN.fullmatch(token):
        raise NotSignedIn(f"{TOKEN_VARIABLE} does not hold an access token.")
    return token or None
