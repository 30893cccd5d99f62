"""Sign-in with a password: what it takes, and the service that does it. People wait for it, so it is compiled here."""

from __future__ import annotations

import secrets
from functools import cache

from latchkey.core.credentials.passwords import Argon2Cost
from latchkey.core.grants.password import PasswordSignIn, SignIn
from latchkey.edge import bootstrap
from latchkey.edge.forms import LOGIN_NAMES, LONGEST_LOGIN, LONGEST_PASSWORD, Members
from latchkey.edge.http import Request
from latchkey.edge.telemetry import LogJournal


@cache
def password_sign_in() -> PasswordSignIn:
    """Return the sign-in with a password."""
    return PasswordSignIn(
        store=bootstrap.store(),
        policies=bootstrap.policies(),
        issuer=bootstrap.issuer(),
        roles=bootstrap.roles(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        cost=Argon2Cost(),
        throttled=bootstrap.settings().throttled,
    )


def sign_in_form(request: Request) -> SignIn:
    """Read `{login|username|email, password, device?}`."""
    members = Members.of_json(request)
    asked = SignIn(
        login=members.one_of(LOGIN_NAMES, longest=LONGEST_LOGIN),
        password=members.required("password", longest=LONGEST_PASSWORD),
        device=members.optional("device", longest=128) or "",
        address=request.address,
    )
    members.nothing_else()
    return asked
