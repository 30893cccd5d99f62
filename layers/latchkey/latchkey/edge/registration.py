"""Registration: what it takes, and the service behind it if addresses are confirmed by mail."""

from __future__ import annotations

import secrets
from functools import cache

from latchkey.core.errors import invalid_field
from latchkey.core.users.accounts import Registration
from latchkey.core.users.sign_up import MailedSignUp
from latchkey.edge import bootstrap
from latchkey.edge.forms import LABEL, LOGIN_NAMES, LONGEST_PASSWORD, Members
from latchkey.edge.http import Request


@cache
def mailed_sign_up() -> MailedSignUp:
    """Return the registration by mail."""
    return MailedSignUp(bootstrap.attempts(), bootstrap.new_passwords(), bootstrap.outbox(), secrets.token_bytes)


def registration_form(request: Request, sources: tuple[str, ...]) -> Registration:
    """Read `{login|username|email, password, name?, locale?, source?}`. `sources` are the known ones; if empty, any.

    An optional member never stops a sign-up, except a source that a stack with a list does not know.
    """
    members = Members.of_json(request)
    asked = Registration(
        login=members.login(*LOGIN_NAMES),
        password=members.required("password", longest=LONGEST_PASSWORD),
        name=members.loose_label("name"),
        locale=members.loose_language("locale"),
        source=_source(members.anything("source"), sources),
    )
    members.nothing_else()
    return asked


def _source(given: object, sources: tuple[str, ...]) -> str:
    if given and sources and given not in sources:
        raise invalid_field("source", "unknown_source", "This source is not known here.")
    return given if isinstance(given, str) and LABEL.fullmatch(given) else ""
