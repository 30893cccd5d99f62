"""What routes take: the members of bodies and queries, each read by an explicit rule. Unknown members are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self
from urllib.parse import unquote_to_bytes

from latchkey.core.credentials.logins import trimmed
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.labels import LONGEST_LABEL, LONGEST_LANGUAGE, is_visible, label_of, language_of
from latchkey.edge.http import MAX_NAME, Request

_MISSING = object()
_MAX_TEXT = 1024
_MAX_PARAMETERS = 32
_PAGE, _LARGEST_PAGE = 50, 100
LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LOGIN_NAMES = ("login", "username", "email")
LONGEST_LOGIN, LONGEST_PASSWORD = 320, 16_384


class Members:
    """The members of a body, taken out one by one, so that any member left at the end is unknown.

    A member that is `null` is absent. In a `PATCH` it clears: it is the empty text, list or object (RFC 7396).
    Every method raises `INVALID_REQUEST` with the name of the member.
    """

    def __init__(self, members: Mapping[str, object], *, null_clears: bool = False) -> None:
        self._left = {name: value for name, value in members.items() if null_clears or value is not None}

    @classmethod
    def of_json(cls, request: Request) -> Self:
        """Open the JSON object of a request."""
        return cls(request.json(), null_clears=request.method == "PATCH")

    @classmethod
    def of_form(cls, request: Request) -> Self:
        """Open the form of a request. A parameter must not be repeated (RFC 6749 section 3.2)."""
        members: dict[str, object] = {}
        pairs = [pair for pair in request.form().split("&") if pair]
        if len(pairs) > _MAX_PARAMETERS:
            raise ServiceError(Errors.INVALID_REQUEST, "too many parameters")
        for pair in pairs:
            name, _, value = (_decoded(part) for part in pair.partition("="))
            if name in members:
                raise invalid_field(name[:MAX_NAME], "duplicate_member", "This parameter is repeated.")
            members[name] = value
        return cls(members)

    @classmethod
    def of_query(cls, request: Request) -> Self:
        """Open the query of a request."""
        return cls(dict(request.query))

    def optional(self, name: str, *, longest: int = _MAX_TEXT) -> str | None:
        """Take a string that may be absent: at most `longest` characters, and no control characters."""
        value = self._taken(name, "")
        if value is _MISSING:
            return None
        if not isinstance(value, str):
            raise invalid_field(name, "not_a_text", "This member must be a string.")
        return _plain(name, value, longest)

    def has_one_of(self, names: tuple[str, ...]) -> bool:
        """Say whether one of these members is left, and leave it there."""
        return any(name in self._left for name in names)

    def secret(self, *names: str) -> str:
        """Take a token, a code or a client's secret that must be present. It may go by several names, as in `one_of`.

        Its length and its characters are not judged here. Whatever is wrong with a secret, apps must get the error of a
        wrong secret: a refresh token that is too long is an `invalid_grant`, not an `invalid_request`.
        """
        return _only_one(names, self._strings(names))

    def code(self, name: str) -> str:
        """Take a code as `secret` does, without the white space around it: people paste codes out of mails."""
        return _only_one((name,), self._trimmed((name,)))

    def has(self, name: str) -> bool:
        """Say whether a member is present and not taken yet."""
        return name in self._left

    def login(self, *names: str) -> str:
        """Take a login that must be present, without the white space around it. It may go by several names."""
        given = self._trimmed(names)
        return _only_one(names, {name: _plain(name, value, LONGEST_LOGIN) for name, value in given.items()})

    def label(self, name: str) -> str | None:
        """Take a text for people that may be absent. Refuse it if it is too long, or hides a part of itself."""
        value = self.optional(name, longest=LONGEST_LABEL)
        if value and not is_visible(value):
            raise invalid_field(name, "bad_characters", "This member cannot contain invisible characters.")
        return value

    def required_label(self, name: str) -> str:
        """Take a text for people that must be present and not empty."""
        value = self.label(name)
        if not value:
            raise invalid_field(name, "required", "This member is required.")
        return value

    def loose_label(self, name: str) -> str:
        """Take a text for people that must not stop a sign-in: what is wrong with it is left out."""
        value = self._left.pop(name, "")
        return label_of(value) if isinstance(value, str) else ""

    def loose_text(self, name: str) -> str:
        """Take a text for machines that must not stop a sign-in: anything else than a string is left out."""
        value = self._left.pop(name, "")
        return value.strip() if isinstance(value, str) else ""

    def language(self, name: str) -> str | None:
        """Take a language tag that may be absent."""
        value = self.optional(name, longest=LONGEST_LANGUAGE * 4)
        tag = language_of(value or "")
        if value and not tag:
            raise invalid_field(name, "bad_format", "This member must be a language tag, such as en or pt-BR.")
        return None if value is None else tag

    def loose_language(self, name: str) -> str:
        """Take a language tag that must not stop a sign-up: without one, mails are in the stack's language."""
        value = self._left.pop(name, "")
        return language_of(value) if isinstance(value, str) else ""

    def required(self, name: str, *, longest: int = _MAX_TEXT) -> str:
        """Take a string that must be present and not empty."""
        value = self.optional(name, longest=longest)
        if not value:
            raise invalid_field(name, "required", "This member is required.")
        return value

    def shaped(self, name: str, shape: re.Pattern[str], *, longest: int) -> str | None:
        """Take a string that may be absent. If it is present, it must have this shape."""
        value = self.optional(name, longest=longest)
        if value is not None and not shape.fullmatch(value):
            raise invalid_field(name, "bad_format", "This member has the wrong format.")
        return value

    def one_of(self, names: tuple[str, ...], *, longest: int = _MAX_TEXT) -> str:
        """Take a string that goes by several names. One of them must be present, and two of them must not differ."""
        given = {name: value for name in names if (value := self.optional(name, longest=longest)) is not None}
        return _only_one(names, given)

    def number(self, name: str, *, cleared: int | None = None) -> int | None:
        """Take a whole number that may be absent. `cleared` is the number that `null` stands for, if it may clear."""
        value = self._taken(name, cleared)
        if value is _MISSING:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid_field(name, "not_a_number", "This member must be a whole number.")
        return value

    def texts(self, name: str, *, most: int, longest: int = _MAX_TEXT) -> tuple[str, ...] | None:
        """Take a list of strings that may be absent. A repeated string counts once."""
        value = self._taken(name, [])
        if value is _MISSING:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise invalid_field(name, "not_a_list", "This member must be a list of strings.")
        if len(value) > most:
            raise invalid_field(name, "too_long", f"This member can have at most {most} entries.")
        if not all(0 < len(each) <= longest for each in value):
            raise invalid_field(name, "bad_length", f"Each entry must have from 1 to {longest} characters.")
        return tuple(dict.fromkeys(value))

    def objects(self, name: str, *, most: int) -> tuple[dict[str, object], ...]:
        """Take a list of objects that must be present."""
        value = self._left.pop(name, _MISSING)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise invalid_field(name, "not_a_list", "This member must be a list of objects.")
        if len(value) > most:
            raise invalid_field(name, "too_long", f"This member can have at most {most} entries.")
        return tuple(value)

    def anything(self, name: str) -> object:
        """Take a member that the caller checks; `None` if it is absent."""
        return self._left.pop(name, None)

    def pairs(self, name: str, *, most: int) -> dict[str, str] | None:
        """Take an object of strings that may be absent."""
        value = self.record(name)
        if value is None:
            return None
        if len(value) > most or not all(isinstance(each, str) for each in value.values()):
            raise invalid_field(name, "not_pairs", f"This member must be an object of at most {most} strings.")
        return {each: str(text) for each, text in value.items()}

    def record(self, name: str) -> dict[str, object] | None:
        """Take an object that may be absent."""
        value = self._taken(name, {})
        if value is _MISSING:
            return None
        if not isinstance(value, dict):
            raise invalid_field(name, "not_an_object", "This member must be an object.")
        return value

    def records(self, name: str, *, most: int) -> list[dict[str, object]]:
        """Take a list of objects. An absent list is an empty one."""
        value = self._taken(name, [])
        value = [] if value is _MISSING else value
        if not isinstance(value, list) or len(value) > most or not all(isinstance(each, dict) for each in value):
            raise invalid_field(name, "not_a_list", f"This member must be a list of at most {most} objects.")
        return value

    def block(self, name: str, *, longest: int) -> str | None:
        """Take a string that may be absent and may have several lines, as PEM has."""
        value = self._taken(name, "")
        if value is _MISSING:
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise invalid_field(name, "bad_format", f"This member must be a string of at most {longest} characters.")
        return value

    def page_size(self) -> int:
        """Take `limit` out of a query: the number of entries on a page."""
        text = self.optional("limit", longest=3)
        if text is None:
            return _PAGE
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST_PAGE):
            raise invalid_field("limit", "bad_value", f"This parameter must be from 1 to {_LARGEST_PAGE}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Take true or false. An absent flag is false."""
        value = self._taken(name, False)  # noqa: FBT003 - what null stands for
        if value is _MISSING:
            return False
        if not isinstance(value, bool):
            raise invalid_field(name, "not_a_flag", "This member must be true or false.")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """Take true or false, where an absent flag changes nothing."""
        return self.flag(name) if name in self._left else None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Take one of the allowed strings, which may be absent."""
        value = self.optional(name)
        if value is not None and value not in allowed:
            raise invalid_field(name, "bad_value", f"This member must be one of {', '.join(allowed)}.")
        return value

    def _taken(self, name: str, cleared: object) -> object:
        """Take a member out; `null`, where it clears, as `cleared`."""
        value = self._left.pop(name, _MISSING)
        return cleared if value is None else value

    def _strings(self, names: tuple[str, ...]) -> dict[str, str]:
        """Take the strings of these names, as far as they are present."""
        given = {name: self._left.pop(name) for name in names if name in self._left}
        for name, value in given.items():
            if not isinstance(value, str):
                raise invalid_field(name, "not_a_text", "This member must be a string.")
        return {name: str(value) for name, value in given.items()}

    def _trimmed(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: trimmed(value) for name, value in self._strings(names).items()}

    def nothing_else(self) -> None:
        """Refuse any member that has not been taken."""
        for name in self._left:
            raise invalid_field(name[:MAX_NAME], "unknown_member", "This member is unknown.")


def token(request: Request) -> str:
    """Read `{token}`."""
    members = Members.of_json(request)
    text = members.secret("token")
    members.nothing_else()
    return text


def code(request: Request) -> str:
    """Read `{code}`: a code from a mail."""
    members = Members.of_json(request)
    text = members.code("code")
    members.nothing_else()
    return text


def _plain(name: str, value: str, longest: int) -> str:
    """Return a string of at most `longest` characters, none of them a control character of ASCII."""
    if len(value) > longest:
        raise invalid_field(name, "too_long", f"This member can have at most {longest} characters.")
    if any(character < " " or character == "\x7f" for character in value):
        raise invalid_field(name, "bad_characters", "This member cannot contain control characters.")
    return value


def _only_one(names: tuple[str, ...], given: dict[str, str]) -> str:
    """Return the one value that was given under any of the names."""
    if len(set(given.values())) > 1:
        raise invalid_field(next(iter(given)), "ambiguous", f"Give only one of {', '.join(names)}.")
    value = next(iter(given.values()), "")
    if value:
        return value
    sentence = "This member is required." if len(names) == 1 else f"One of {', '.join(names)} is required."
    raise invalid_field(names[0], "required", sentence)


def nothing_given(*names: str) -> ServiceError:
    """Return the error for a change that names none of these members."""
    return invalid_field(names[0], "required", f"One of {', '.join(names)} is required.")


def _decoded(text: str) -> str:
    """Decode one part of a form: `+` is a blank, and the rest is percent-encoded UTF-8."""
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise ServiceError(Errors.INVALID_REQUEST, "form is not UTF-8") from None
