"""What the routes of account flows take."""

from __future__ import annotations

from latchkey.core.errors import invalid_field
from latchkey.edge.forms import Members
from latchkey.edge.http import Request

_LONGEST_PASSWORD = 16_384


def mail_request(request: Request) -> str:
    """Read `{login|username|email, source?}` and return the login."""
    members = Members.of_json(request)
    login = members.one_of(("login", "username", "email"), longest=320)
    members.optional("source", longest=64)
    members.nothing_else()
    return login


def password_reset(request: Request) -> tuple[str, str]:
    """Read `{token, password, passwordRepeat?}` and return token and password."""
    members = Members.of_json(request)
    token, password = members.required("token"), _new_password(members)
    members.nothing_else()
    return token, password


def password_change(request: Request) -> tuple[str, str]:
    """Read `{current_password, password, passwordRepeat?}` and return both passwords."""
    members = Members.of_json(request)
    current, password = members.required("current_password", longest=_LONGEST_PASSWORD), _new_password(members)
    members.nothing_else()
    return current, password


def email_change(request: Request) -> tuple[str, str]:
    """Read `{email, current_password}` and return both."""
    members = Members.of_json(request)
    email = members.required("email", longest=320)
    current = members.required("current_password", longest=_LONGEST_PASSWORD)
    members.nothing_else()
    return email, current


def own_password(request: Request) -> str:
    """Read `{password?}`: a partner's user has none."""
    members = Members.of_json(request)
    password = members.optional("password", longest=_LONGEST_PASSWORD) or ""
    members.nothing_else()
    return password


def _new_password(members: Members) -> str:
    password = members.required("password", longest=_LONGEST_PASSWORD)
    repeat = members.optional("passwordRepeat", longest=_LONGEST_PASSWORD)
    if repeat is not None and repeat != password:
        raise invalid_field("passwordRepeat", "differs", "The two passwords differ.")
    return password
