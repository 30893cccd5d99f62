"""JSON by RFC 8259 and RFC 7493 (I-JSON): every text has one reading, at a bounded cost.

The standard library takes the last of two equal members, `NaN`, lone surrogates, and numbers of any length; each has
let two programs read one text in two ways.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

MAX_DEPTH = 32
"""How deep arrays and objects may nest."""

_INTEGER_RANGE = range(-(2**63), 2**63)
_INTEGER_LENGTH = len(str(-(2**63)))
# The closing quote is optional, so that an unterminated string is swallowed whole instead of tried again from inside.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class StrictJsonError(ValueError):
    """A text that is refused.

    `code` is one of `not_utf8`, `not_json`, `duplicate_member`, `too_deep`, `bad_number`, `bad_string`, or, from the
    readers of single members, `bad_member`. `member` names the member at fault, or is empty. The message never quotes
    a value.
    """

    def __init__(self, code: str, member: str = "") -> None:
        super().__init__(f"{code}: {member}" if code == "bad_member" else code)
        self.code = code
        self.member = member


def loads(data: bytes | str) -> object:
    """Return the value of a JSON text; raise `StrictJsonError` if the text has more than one reading."""
    text = _utf8(data)
    _require_shallow(text)
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError:
        raise StrictJsonError("not_json") from None
    if "\\u" in text:  # only an escape can spell a lone surrogate: UTF-8 has none
        _require_unicode(value)
    return value


def string_member(members: Mapping[str, object], name: str) -> str:
    """Return a member that must be a string and not empty; raise `StrictJsonError` otherwise."""
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise StrictJsonError("bad_member", name)
    return value


def integer_member(members: Mapping[str, object], name: str) -> int:
    """Return a member that must be an integer (a boolean is none); raise `StrictJsonError` otherwise."""
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise StrictJsonError("bad_member", name)
    return value


def _utf8(data: bytes | str) -> str:
    try:
        if isinstance(data, bytes):
            return data.decode("utf-8")
        data.encode("utf-8")  # a str can hold lone surrogates, which no UTF-8 text can
    except UnicodeError:
        raise StrictJsonError("not_utf8") from None
    return data


def _require_shallow(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise StrictJsonError("too_deep")
        elif character in "]}":
            depth -= 1


def _require_unicode(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("bad_string") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("duplicate_member", _first_duplicate(pairs))
    return members


def _first_duplicate(pairs: list[tuple[str, object]]) -> str:
    names = [name for name, _ in pairs]
    duplicate = next(name for index, name in enumerate(names) if name in names[:index])
    return duplicate.encode("utf-8", "replace").decode("utf-8")  # it may be asked to hold a lone surrogate


def _integer(text: str) -> int:
    # The length first: reading a number of n digits costs n squared.
    if len(text) > _INTEGER_LENGTH or int(text) not in _INTEGER_RANGE:
        raise StrictJsonError("bad_number")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("bad_number")
    return number


def _constant(_: str) -> NoReturn:
    raise StrictJsonError("bad_number")  # NaN, Infinity, -Infinity: Python's own words, not JSON's


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
