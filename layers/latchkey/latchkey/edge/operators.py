"""Who may operate the service."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge import bootstrap
from latchkey.edge.callers import caller
from latchkey.edge.http import Request


@dataclass(frozen=True, slots=True)
class Operator:
    """A caller with the permissions that its account or client has at this moment."""

    sub: str
    permissions: tuple[str, ...]
    auth_time: int


def permitted(request: Request, permission: str) -> Operator:
    """Return the caller if it has the permission: by the roles in the store, so that a change acts at once.

    Raises `FORBIDDEN`, and `INVALID_TOKEN` when session, account or client is gone.
    """
    who = caller(request)
    if who.sub.startswith("usr_"):
        account, _ = bootstrap.accounts().present(who.sub, who.sid, now=request.now)
        roles = account.roles
    else:
        client = bootstrap.clients().present(who.sub)
        roles = tuple(role for role in client.roles if role in who.roles)  # an API key may have fewer than its client
    permissions = bootstrap.roles().permissions(roles)
    if permission not in permissions:
        raise ServiceError(Errors.FORBIDDEN, f"{permission} is needed")
    return Operator(who.sub, permissions, who.auth_time)
