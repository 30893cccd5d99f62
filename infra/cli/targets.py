"""Find the Latchkey that a command is meant for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from infra.cli.api import is_loopback
from infra.cli.errors import NotSignedIn, Unreachable

TOKEN_VARIABLE = "LATCHKEY_TOKEN"  # noqa: S105 - the name of the variable
LOCAL = "local"
"""What the twin of this folder is called."""

DEV_FILE = Path(".latchkey/dev.json")

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # b64token, RFC 6750 section 2.1


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line and the environment say about the target."""

    local: bool
    stack: str | None
    profile: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login and its password."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A Latchkey: the name an operator knows it by, its address, and what there is to sign in with."""

    name: str
    address: str
    token: str | None = field(default=None, repr=False)
    credentials: Credentials | None = None


def find_target(options: Options) -> Target:
    """Return the target; raise `typer.BadParameter`, `NotSignedIn` or `Unreachable`."""
    if options.local:
        return _local()
    if options.stack is None:
        raise typer.BadParameter("name one", param_hint="--local or --stack NAME")
    token = _token()
    from infra.cli.stacks import api_url  # boto3 takes longer to import than most commands take

    return Target(options.stack, api_url(options.stack, options.profile, options.region), token)


def _local() -> Target:
    """Return the twin of this folder. A token of the environment belongs to a stack, and never goes here."""
    try:
        document = json.loads(DEV_FILE.read_text())
        address = document.get("address") or document["issuer"]
        credentials = _credentials(document["admin"]) if "admin" in document else None  # it may run without
    except FileNotFoundError:
        raise Unreachable(f"There is no {DEV_FILE} here. `make run` writes it; go to its folder.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Unreachable(f"{DEV_FILE} cannot be read. `make run` writes it anew.") from None
    if not is_loopback(address):
        raise Unreachable(f"{DEV_FILE} names an address that is not on this machine: {address}")
    return Target(LOCAL, address, credentials=credentials)


def _credentials(admin: Mapping[str, str]) -> Credentials:
    return Credentials(admin["login"], admin["password"])


def _token() -> str | None:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and not _TOKEN.fullmatch(token):
        raise NotSignedIn(f"{TOKEN_VARIABLE} is not an access token.")
    return token or None
