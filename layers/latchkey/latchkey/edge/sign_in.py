"""Sign-in with a password: what it takes, and the service that does it. People wait for it, so it is compiled here."""

from __future__ import annotations

import secrets
from functools import cache

from latchkey.core.credentials.passwords import Argon2Cost
from latchkey.core.grants.password import PasswordGrant, SignIn
from latchkey.edge import bootstrap
from latchkey.edge.forms import LOGIN_NAMES, LONGEST_PASSWORD, Members
from latchkey.edge.http import Request
from latchkey.edge.telemetry import LogJournal


@cache
def password_grant() -> PasswordGrant:
    """Return the sign-in with a password."""
    return PasswordGrant(
        credentials=bootstrap.store(),
        sessions=bootstrap.store(),
        attempts=bootstrap.attempts(),
        policies=bootstrap.policies(),
        gate=bootstrap.gate(),
        issuer=bootstrap.issuer(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        cost=Argon2Cost(),
    )


def sign_in_form(request: Request) -> SignIn:
    """Read `{login|username|email, password, device?}`."""
    members = Members.of_json(request)
    asked = SignIn(
        login=members.login(*LOGIN_NAMES),
        password=members.required("password", longest=LONGEST_PASSWORD),
        device=members.loose_label("device"),
        address=request.address,
    )
    members.nothing_else()
    return asked
