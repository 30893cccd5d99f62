"""What the routes take: small explicit parsers from a body to a frozen value. Unknown members are refused."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import unquote_to_bytes

from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.grants.password import SignIn
from latchkey.core.users.accounts import Registration
from latchkey.edge.http import MAX_NAME, Request

_MISSING = object()
_MAX_TEXT = 1024
_MAX_PARAMETERS = 32
_PAGE, _LARGEST_PAGE = 50, 100
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # the shape of RFC 5646, not its registry
LABEL = re.compile(r"[A-Za-z0-9_.-]+")
LOGIN_NAMES = ("login", "username", "email")


class Members:
    """The members of a body, taken out one by one, so that what is left in the end is unknown.

    Every method raises `INVALID_REQUEST` with the member's name.
    """

    def __init__(self, members: dict[str, object]) -> None:
        self._left = dict(members)

    @classmethod
    def of_json(cls, request: Request) -> Self:
        """Open the JSON object of a request."""
        return cls(request.json())

    @classmethod
    def of_form(cls, request: Request) -> Self:
        """Open the form of a request; a parameter must not stand twice (RFC 6749 section 3.2)."""
        members: dict[str, object] = {}
        pairs = [pair for pair in request.form().split("&") if pair]
        if len(pairs) > _MAX_PARAMETERS:
            raise ServiceError(Errors.INVALID_REQUEST, "too many parameters")
        for pair in pairs:
            name, _, value = (_decoded(part) for part in pair.partition("="))
            if name in members:
                raise invalid_field(name[:MAX_NAME], "duplicate_member", "This parameter stands more than once.")
            members[name] = value
        return cls(members)

    @classmethod
    def of_query(cls, request: Request) -> Self:
        """Open what stands behind the `?` of a request."""
        return cls(dict(request.query))

    def optional(self, name: str, *, longest: int = _MAX_TEXT) -> str | None:
        """Take a text that may be absent: without control characters, of at most `longest` characters."""
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, str):
            raise invalid_field(name, "not_a_text", "This member must be a text.")
        if len(value) > longest:
            raise invalid_field(name, "too_long", f"This member must have at most {longest} characters.")
        if any(character < " " or character == "\x7f" for character in value):
            raise invalid_field(name, "bad_characters", "This member must not hold control characters.")
        return value

    def required(self, name: str, *, longest: int = _MAX_TEXT) -> str:
        """Take a text that must be there and not be empty."""
        value = self.optional(name, longest=longest)
        if not value:
            raise invalid_field(name, "required", "This member is required.")
        return value

    def shaped(self, name: str, shape: re.Pattern[str], *, longest: int) -> str | None:
        """Take a text that may be absent and otherwise has this shape."""
        value = self.optional(name, longest=longest)
        if value is not None and not shape.fullmatch(value):
            raise invalid_field(name, "bad_format", "This member has the wrong format.")
        return value

    def one_of(self, names: tuple[str, ...], *, longest: int = _MAX_TEXT) -> str:
        """Take a text that goes by several names. It must stand under one of them, and not differ between two."""
        given = {name: value for name in names if (value := self.optional(name, longest=longest)) is not None}
        if len(set(given.values())) > 1:
            raise invalid_field(next(iter(given)), "ambiguous", f"Give one of {', '.join(names)}, not several.")
        value = next(iter(given.values()), "")
        if not value:
            raise invalid_field(names[0], "required", f"One of {', '.join(names)} is required.")
        return value

    def number(self, name: str) -> int | None:
        """Take a whole number that may be absent."""
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid_field(name, "not_a_number", "This member must be a whole number.")
        return value

    def texts(self, name: str, *, most: int, longest: int = _MAX_TEXT) -> tuple[str, ...] | None:
        """Take a list of texts that may be absent, each once; a text that stands twice counts once."""
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise invalid_field(name, "not_a_list", "This member must be a list of texts.")
        if len(value) > most:
            raise invalid_field(name, "too_long", f"This member must have at most {most} entries.")
        if not all(0 < len(each) <= longest for each in value):
            raise invalid_field(name, "bad_length", f"Each entry must have 1 to {longest} characters.")
        return tuple(dict.fromkeys(value))

    def objects(self, name: str, *, most: int) -> tuple[dict[str, object], ...]:
        """Take a list of objects that must be there."""
        value = self._left.pop(name, _MISSING)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise invalid_field(name, "not_a_list", "This member must be a list of objects.")
        if len(value) > most:
            raise invalid_field(name, "too_long", f"This member must have at most {most} entries.")
        return tuple(value)

    def anything(self, name: str) -> object:
        """Take a member that its taker reads; `None` where it is absent."""
        return self._left.pop(name, None)

    def pairs(self, name: str, *, most: int) -> dict[str, str] | None:
        """Take an object of texts that may be absent."""
        value = self.record(name)
        if value is None:
            return None
        if len(value) > most or not all(isinstance(each, str) for each in value.values()):
            raise invalid_field(name, "not_pairs", f"This member must be an object of at most {most} texts.")
        return {each: str(text) for each, text in value.items()}

    def record(self, name: str) -> dict[str, object] | None:
        """Take an object that may be absent."""
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, dict):
            raise invalid_field(name, "not_an_object", "This member must be an object.")
        return value

    def records(self, name: str, *, most: int) -> list[dict[str, object]]:
        """Take a list of objects that may be absent, which means an empty one."""
        value = self._left.pop(name, [])
        if not isinstance(value, list) or len(value) > most or not all(isinstance(each, dict) for each in value):
            raise invalid_field(name, "not_a_list", f"This member must be a list of at most {most} objects.")
        return value

    def block(self, name: str, *, longest: int) -> str | None:
        """Take a text that may be absent and may have several lines, as PEM does."""
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise invalid_field(name, "bad_format", f"This member must be a text of at most {longest} characters.")
        return value

    def page_size(self) -> int:
        """Take `limit` out of a query: how many entries a page has."""
        text = self.optional("limit", longest=3)
        if text is None:
            return _PAGE
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST_PAGE):
            raise invalid_field("limit", "bad_value", f"This parameter must be from 1 to {_LARGEST_PAGE}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Take a true or false that may be absent, which means false."""
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            raise invalid_field(name, "not_a_flag", "This member must be true or false.")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Take one of the texts allowed, which may be absent."""
        value = self.optional(name)
        if value is not None and value not in allowed:
            raise invalid_field(name, "bad_value", f"This member must be one of {', '.join(allowed)}.")
        return value

    def nothing_else(self) -> None:
        """Refuse what has not been taken."""
        for name in self._left:
            raise invalid_field(name[:MAX_NAME], "unknown_member", "This member is not known here.")


def first_admin(request: Request) -> Registration:
    """Read `{login, password}`."""
    members = Members.of_json(request)
    result = Registration(members.required("login", longest=320), members.required("password", longest=16_384))
    members.nothing_else()
    return result


def registration(request: Request, sources: tuple[str, ...]) -> Registration:
    """Read `{login|username|email, password, name?, locale?, source?}`; `sources` are those known, none means any."""
    members = Members.of_json(request)
    result = Registration(
        login=members.one_of(LOGIN_NAMES, longest=320),
        password=members.required("password", longest=16_384),
        name=members.optional("name", longest=128) or "",
        locale=members.shaped("locale", LOCALE, longest=35) or "",
        source=members.shaped("source", LABEL, longest=64) or "",
    )
    members.nothing_else()
    if result.source and sources and result.source not in sources:
        raise invalid_field("source", "unknown_source", "This source is not known here.")
    return result


def sign_in(request: Request) -> SignIn:
    """Read `{login|username|email, password, device?}`."""
    members = Members.of_json(request)
    result = SignIn(
        login=members.one_of(LOGIN_NAMES, longest=320),
        password=members.required("password", longest=16_384),
        device=members.optional("device", longest=128) or "",
        address=request.address,
    )
    members.nothing_else()
    return result


def refresh_token(request: Request) -> str:
    """Read `{refresh_token|token}`."""
    members = Members.of_json(request)
    token = members.one_of(("refresh_token", "token"))
    members.nothing_else()
    return token


def profile_changes(request: Request) -> dict[str, str]:
    """Read `{name?, locale?}`: at least one of them."""
    members = Members.of_json(request)
    given = {"name": members.optional("name", longest=128), "locale": members.shaped("locale", LOCALE, longest=35)}
    members.nothing_else()
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise nothing_given("name", "locale")
    return changes


def logout_of_all(request: Request) -> bool:
    """Read `{sessions?: current|all}`, or no body at all: whether all sessions are to end."""
    if not request.body:
        return False
    members = Members.of_json(request)
    which = members.choice("sessions", ("current", "all"))
    members.nothing_else()
    return which == "all"


def token(request: Request) -> str:
    """Read `{token}`: an access token."""
    members = Members.of_json(request)
    text = members.required("token", longest=8192)
    members.nothing_else()
    return text


def nothing_given(*names: str) -> ServiceError:
    """Return the error for a change that names none of the members it could."""
    return invalid_field(names[0], "required", f"One of {', '.join(names)} is required.")


def _decoded(text: str) -> str:
    """Decode one part of a form: `+` is a blank, the rest percent-encoded UTF-8."""
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise ServiceError(Errors.INVALID_REQUEST, "form is not UTF-8") from None
