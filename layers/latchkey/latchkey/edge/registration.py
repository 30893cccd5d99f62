"""Registration: what it takes, and the service behind it if addresses are confirmed by mail."""

from __future__ import annotations

import secrets
from functools import cache

from latchkey.core.errors import invalid_field
from latchkey.core.users.accounts import Registration
from latchkey.core.users.sign_up import MailedSignUp
from latchkey.edge import bootstrap
from latchkey.edge.forms import LABEL, LOCALE, LOGIN_NAMES, LONGEST_LOGIN, LONGEST_PASSWORD, Members
from latchkey.edge.http import Request


@cache
def mailed_sign_up() -> MailedSignUp:
    """Return the registration by mail."""
    return MailedSignUp(bootstrap.attempts(), bootstrap.new_passwords(), bootstrap.outbox(), secrets.token_bytes)


def registration_form(request: Request, sources: tuple[str, ...]) -> Registration:
    """Read `{login|username|email, password, name?, locale?, source?}`. `sources` are the known ones; if empty, any."""
    members = Members.of_json(request)
    asked = Registration(
        login=members.one_of(LOGIN_NAMES, longest=LONGEST_LOGIN),
        password=members.required("password", longest=LONGEST_PASSWORD),
        name=members.optional("name", longest=128) or "",
        locale=members.shaped("locale", LOCALE, longest=35) or "",
        source=members.shaped("source", LABEL, longest=64) or "",
    )
    members.nothing_else()
    if asked.source and sources and asked.source not in sources:
        raise invalid_field("source", "unknown_source", "This source is not known here.")
    return asked
