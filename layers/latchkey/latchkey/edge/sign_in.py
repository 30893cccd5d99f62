"""Sign-in with a password: what it takes, and the service that does it. People wait for it, so it is compiled here."""

from __future__ import annotations

import secrets
from functools import cache

from latchkey.core.credentials.passwords import Argon2Cost
from latchkey.core.grants.guesses import Guesses
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
        guesses=Guesses(bootstrap.attempts()),
        policies=bootstrap.policies(),
        devices=bootstrap.device_tokens(),
        gate=bootstrap.gate(),
        issuer=bootstrap.issuer(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        cost=Argon2Cost(),
        mails=bool(bootstrap.settings().mail_from),
    )


def sign_in_form(request: Request) -> SignIn:
    """Read `{login|username|email, password, device?, device_token?}`. The last two never stop a sign-in."""
    members = Members.of_json(request)
    asked = SignIn(
        login=members.login(*LOGIN_NAMES),
        password=members.required("password", longest=LONGEST_PASSWORD),
        device=members.loose_label("device"),
        address=request.address,
        device_token=members.loose_text("device_token"),
    )
    members.nothing_else()
    return asked
