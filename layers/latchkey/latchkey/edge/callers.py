"""Who calls a protected route, and what of the model the caller gets to see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge.http import Request

if TYPE_CHECKING:  # `hello` needs none of it and would pay for all at its cold start
    from latchkey.core.events import RecordedEvent
    from latchkey.core.grants.sessions import Sessions
    from latchkey.core.model import Link, Session, User
    from latchkey.core.roles.roles import Roles


@dataclass(frozen=True, slots=True)
class Caller:
    """What the authorizer proved. `sid` is empty for a client that acts for itself."""

    sub: str
    client_id: str
    sid: str
    roles: tuple[str, ...]
    scope: str
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


def profile(who: User, registry: Roles) -> dict[str, Any]:
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


def export(  # noqa: PLR0913 - as many as is kept of an account
    who: User,
    sessions: tuple[Session, ...],
    links: tuple[Link, ...],
    events: tuple[RecordedEvent, ...],
    registry: Roles,
    *,
    current: str,
) -> dict[str, Any]:
    """Return all that is kept of an account and may be shown to its owner: no hash, no code, no token.

    Which operator did something to it is another person's data.
    """
    own = [{name: value for name, value in event(each).items() if name != "actor"} for each in events]
    return {
        "account": profile(who, registry) | {"source": who.source},
        "sessions": [session(each, current=current) | {"auth_time": each.auth_time} for each in sessions],
        "links": [link(each) for each in links],
        "events": own,
    }


def event(each: RecordedEvent) -> dict[str, Any]:
    """Return a security event as an operator sees it; `time` is in milliseconds."""
    return {
        "time": each.time,
        "event": each.name,
        "sub": each.sub,
        "sid": each.sid,
        "client_id": each.client_id,
        "actor": each.actor,
        "reason": each.reason,
        "request_id": each.request_id,
        "address": each.address,
        "partner_id": each.partner_id,
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


def link(each: Link) -> dict[str, Any]:
    """Return a link with a partner as its owner sees it: all that is kept of it."""
    return {
        "partner": each.partner_id,
        "external_id": each.external_id,
        "roles": each.roles,
        "attributes": json.loads(each.attributes) | json.loads(each.first),
        "created_at": each.created_at,
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
