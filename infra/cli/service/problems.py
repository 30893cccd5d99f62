"""Errors that the server answers with: problem documents (RFC 9457), and what a proxy in between may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from infra.cli.errors import CommandError, ExitCode
from latchkey.signing.strict_json import StrictJsonError, loads

_ADVICE = {
    "invalid_token": "Set LATCHKEY_TOKEN to a new token, or unset it to sign in with login and password.",
}
"""Advice about error codes whose own sentence does not say what to do."""

_MEANS_NOT_SIGNED_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of the server. `retry_after` is the header of that name, or empty; `members` are the whole document."""

    status: int
    code: str
    request_id: str
    retry_after: str
    members: Mapping[str, object]

    def __str__(self) -> str:
        """Return one line: the sentence, the fields at fault, what to do; the code and the request in brackets."""
        wait = f"Try again in {self.retry_after} s." if self.retry_after.isdecimal() else ""
        said = [self._sentence(), *self._faults(), wait, _ADVICE.get(self.code, "")]
        origin = ", ".join(part for part in (self.code, self.request_id and f"request {self.request_id}") if part)
        return " ".join([*filter(None, said), f"[{origin}]" if origin else ""]).strip()

    def _sentence(self) -> str:
        return _text(self.members, "detail") or _text(self.members, "title") or f"The server answered {self.status}."

    def _faults(self) -> list[str]:
        errors = self.members.get("errors")
        faults = [fault for fault in errors if isinstance(fault, Mapping)] if isinstance(errors, list) else []
        return [f"{_text(fault, 'field')}: {_text(fault, 'message')}" for fault in faults]


class Refused(CommandError):
    """The server refused, or failed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
        if problem.status in _MEANS_NOT_SIGNED_IN:
            self.exit_code = ExitCode.NOT_SIGNED_IN


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """Return the error in an answer, which need not be a problem document."""
    members = _object(body)
    return Problem(
        status=status,
        code=_text(members, "code"),
        request_id=_text(members, "request_id") or headers.get("X-Request-Id", ""),
        retry_after=headers.get("Retry-After", ""),
        members=members,
    )


def _object(body: bytes) -> Mapping[str, object]:
    try:
        document = loads(body)
    except StrictJsonError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
