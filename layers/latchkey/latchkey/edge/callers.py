"""Who calls a protected route, and what of the model the caller gets to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Session, User
from latchkey.core.roles import RoleRegistry
from latchkey.core.sessions import Sessions
from latchkey.edge import bootstrap
from latchkey.edge.http import Request


@dataclass(frozen=True, slots=True)
class Caller:
    """What the authorizer proved. `sid` is empty for a client that acts for itself."""

    sub: str
    client_id: str
    sid: str
    roles: tuple[str, ...]
    scope: str
    auth_time: int


@dataclass(frozen=True, slots=True)
class Operator:
    """A caller with the permissions that its account or client has at this moment."""

    sub: str
    permissions: tuple[str, ...]
    auth_time: int


def caller(request: Request) -> Caller:
    """Return the caller. Raises `INVALID_TOKEN` when no authorizer stood before this handler."""
    proven = request.caller
    if not proven.get("sub"):
        raise ServiceError(Errors.INVALID_TOKEN, "invoked without an authorizer")
    roles = tuple(proven.get("roles", "").split())
    return Caller(
        sub=proven["sub"],
        client_id=proven.get("client_id", ""),
        sid=proven.get("sid", ""),
        roles=roles,
        scope=proven.get("scope", ""),
        auth_time=int(proven.get("auth_time") or 0),
    )


def user(request: Request) -> Caller:
    """Return the caller if it is a person's session. Raises `FORBIDDEN` for a machine."""
    who = caller(request)
    if not who.sub.startswith("usr_") or not who.sid:
        raise ServiceError(Errors.FORBIDDEN, "a machine on a person's route")
    return who


def permitted(request: Request, permission: str) -> Operator:
    """Return the caller if it has the permission: by the roles in the store, so that a change acts at once.

    Raises `FORBIDDEN`, and `INVALID_TOKEN` when session, account or client is gone.
    """
    who = caller(request)
    if who.sub.startswith("usr_"):
        account, _ = bootstrap.accounts().present(who.sub, who.sid, now=request.now)
        roles = account.roles
    else:
        roles = bootstrap.clients().present(who.sub).roles
    permissions = bootstrap.roles().permissions(roles)
    if permission not in permissions:
        raise ServiceError(Errors.FORBIDDEN, f"{permission} is needed")
    return Operator(who.sub, permissions, who.auth_time)


def profile(who: User, registry: RoleRegistry) -> dict[str, Any]:
    """Return an account as its owner sees it."""
    return {
        "id": who.sub,
        "login": who.login,
        "name": who.name,
        "locale": who.locale,
        "status": who.status,
        "roles": registry.effective_roles(who.roles),
        "permissions": registry.permissions(who.roles),
        "addresses": [],
        "created_at": who.created_at,
    }


def session(each: Session, *, current: str) -> dict[str, Any]:
    """Return a session as its owner sees it."""
    return {
        "id": each.sid,
        "device": each.device,
        "client_id": each.client_id,
        "created_at": each.created_at,
        "last_used_at": each.rotated_at,
        "expires_at": each.expires_at,
        "current": each.sid == current,
    }


def log_out(who: Caller, sessions: Sessions, *, everywhere: bool) -> None:
    """End the caller's session, or all of them; ending what has ended is no error."""
    if everywhere:
        sessions.end_all(who.sub, reason="logout_everywhere")
    else:
        sessions.end(who.sub, who.sid, reason="logout")


def end(who: Caller, sessions: Sessions, sid: str | None) -> None:
    """End the session named, or every one but the caller's own. Raises `NOT_FOUND` for another's."""
    if sid is None:
        sessions.end_all(who.sub, reason="ended_by_owner", keep=who.sid)
    elif not sessions.end(who.sub, sid, reason="ended_by_owner"):
        raise ServiceError(Errors.NOT_FOUND, "no such session of this user")
