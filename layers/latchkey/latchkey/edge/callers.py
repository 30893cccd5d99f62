"""Callers of protected routes, as the authorizer proved them."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge.http import Request


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, as the authorizer proved it.

    `sid` is empty for a client that acts for itself; `auth_time` is in seconds.
    """

    sub: str
    client_id: str
    sid: str
    roles: tuple[str, ...]
    scope: str
    auth_time: int

    @property
    def is_person(self) -> bool:
        """Whether a person signed in, and not a machine."""
        return self.sub.startswith("usr_")


def require_caller(request: Request) -> Caller:
    """Return the caller. Raises `INVALID_TOKEN` if no authorizer stands in front of this function."""
    proven = request.caller
    if not proven.get("sub"):
        raise ServiceError(Errors.INVALID_TOKEN, "invoked without an authorizer")
    return Caller(
        sub=proven["sub"],
        client_id=proven.get("client_id", ""),
        sid=proven.get("sid", ""),
        roles=tuple(proven.get("roles", "").split()),
        scope=proven.get("scope", ""),
        auth_time=int(proven.get("auth_time") or 0),
    )


def require_user(request: Request) -> Caller:
    """Return the caller, who must be a person with a session. Raises `FORBIDDEN` for a machine, and `INVALID_TOKEN`."""
    caller = require_caller(request)
    if not caller.is_person or not caller.sid:
        raise ServiceError(Errors.FORBIDDEN, "a machine on a person's route")
    return caller


def require_service(request: Request) -> Caller:
    """Return the caller, who must have sent an API key. Raises `INVALID_API_KEY`, and `INVALID_TOKEN`."""
    caller = require_caller(request)
    if not request.caller.get("api_key_id"):
        raise ServiceError(Errors.INVALID_API_KEY, "not proven by an API key")
    return caller
