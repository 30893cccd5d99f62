"""Documents that several routes show: accounts, sessions, links, security events."""

from __future__ import annotations

import json
from typing import Any

from latchkey.core.events import RecordedEvent
from latchkey.core.model import Link, Session, User
from latchkey.core.roles.roles import Roles

_DAY = 86_400  # seconds


def profile(user: User, registry: Roles) -> dict[str, Any]:
    """Return an account as its owner sees it."""
    return {
        "id": user.sub,
        "login": user.login,
        "name": user.name,
        "locale": user.locale,
        "status": user.status,
        "verified_at": user.verified_at or None,
        "roles": registry.effective_roles(user.roles),
        "permissions": registry.permissions(user.roles),
        "addresses": [],
        "created_at": user.created_at,
    } | ({"username": user.username} if user.username else {})


def known_device(device_token: str) -> dict[str, Any]:
    """Return the device token of the device that asks. There is none while the seal keys cannot be read."""
    return {"device_token": device_token} if device_token else {}


def export(  # noqa: PLR0913 - as many as is kept of an account
    user: User,
    sessions: tuple[Session, ...],
    links: tuple[Link, ...],
    events: tuple[RecordedEvent, ...],
    registry: Roles,
    *,
    current: str,
) -> dict[str, Any]:
    """Return everything that is kept of an account and may be shown to its owner: no hash, no code, no token.

    Events do not name the operator who caused them: that is another person's data.
    """
    own = [{name: value for name, value in event(each).items() if name != "actor"} for each in events]
    return {
        "account": profile(user, registry) | {"source": user.source},
        "sessions": [session(each, current=current) | {"auth_time": each.auth_time} for each in sessions],
        "links": [link(each) for each in links],
        "events": own,
    }


def event(recorded: RecordedEvent) -> dict[str, Any]:
    """Return a security event as an operator sees it; `time` is in milliseconds."""
    return {
        "time": recorded.time,
        "event": recorded.name,
        "sub": recorded.sub,
        "sid": recorded.sid,
        "client_id": recorded.client_id,
        "actor": recorded.actor,
        "reason": recorded.reason,
        "request_id": recorded.request_id,
        "address": recorded.address,
        "partner_id": recorded.partner_id,
    }


def session(live: Session, *, current: str) -> dict[str, Any]:
    """Return a session as its owner sees it; `current` is the `sid` of the session that asks.

    Times that move with each refresh are cut to the day: they would tell a thief when the owner refreshes.
    """
    return {
        "id": live.sid,
        "device": live.device,
        "client_id": live.client_id,
        "created_at": live.created_at,
        "last_used_at": live.rotated_at - live.rotated_at % _DAY,
        "expires_at": live.expires_at - live.expires_at % _DAY,
        "current": live.sid == current,
    }


def link(stored: Link) -> dict[str, Any]:
    """Return a link with a partner as its owner sees it: everything that is kept of it."""
    return {
        "partner_id": stored.partner_id,
        "external_id": stored.external_id,
        "roles": stored.roles,
        "attributes": json.loads(stored.attributes) | json.loads(stored.first),
        "created_at": stored.created_at,
        "confirmed_at": stored.confirmed_at,
    }
