"""Who may operate the service."""

from __future__ import annotations

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_client, require_live_session
from latchkey.core.permissions import ROUTE_PERMISSIONS
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap
from latchkey.edge.callers import caller
from latchkey.edge.http import Request

__all__ = ["Operator", "permitted"]


def permitted(request: Request) -> Operator:
    """Return the caller if it has the permission that the table names for this route.

    It counts what the roles in the store permit at this moment, so that a change acts at once. Raises `FORBIDDEN`, and
    `INVALID_TOKEN` when session, account, client or API key is gone.
    """
    who = caller(request)
    if who.sub.startswith("usr_"):
        account, sessions = require_live_session(bootstrap.store(), who.sub, who.sid, now=request.now)
        roles = account.roles
        if any(session.partner_id for session in sessions if session.sid == who.sid):
            raise ServiceError(Errors.FORBIDDEN, "a session that a partner opened operates nothing")
    else:
        roles = require_live_client(bootstrap.store(), bootstrap.clients(), who.sub, who.sid, now=request.now)
    operator = Operator(who.sub, bootstrap.roles_now().permissions(roles), who.auth_time)
    needed = ROUTE_PERMISSIONS[f"{request.method} {request.path}"]
    if needed not in operator.permissions:
        raise ServiceError(Errors.FORBIDDEN, f"{needed} is needed")
    return operator
