"""Documents that the server answers with, and readers that check what they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.cli.errors import BadAnswer
from latchkey.signing.strict_json import StrictJsonError, loads, string_member

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object: `text` as the server wrote it, `members` as Python reads it."""

    text: str
    members: Record


def read_answer(content: bytes) -> Answer:
    """Return the object in a body; an empty body is an empty object. Raises `BadAnswer`."""
    if not content:
        return Answer("", {})
    try:
        members = loads(content)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None
    if not isinstance(members, dict):
        raise BadAnswer("not an object")
    return Answer(content.decode(), members)


def required_text(members: Record, name: str) -> str:
    """Return a member that must be a text and not empty; raise `BadAnswer`."""
    try:
        return string_member(members, name)
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def printable_text(members: Record, name: str) -> str:
    """Return a member that must be a text without control characters; raise `BadAnswer`."""
    value = required_text(members, name)
    if not value.isprintable():
        raise BadAnswer(f"bad_member: {name}")
    return value


def required_object(members: Record, name: str) -> Record:
    """Return a member that must be an object; raise `BadAnswer`."""
    value = members.get(name)
    if not isinstance(value, Mapping):
        raise BadAnswer(f"bad_member: {name}")
    return value


def records(answer: Answer, name: str) -> list[Record]:
    """Return the list of objects under a name; raise `BadAnswer`."""
    found = answer.members.get(name)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise BadAnswer(f"bad_member: {name}")
    return found
