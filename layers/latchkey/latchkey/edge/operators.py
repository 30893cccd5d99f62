"""Operators: callers who hold a permission at this moment."""

from __future__ import annotations

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_client, require_live_session
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap
from latchkey.edge.callers import require_caller
from latchkey.edge.http import Request


def require_permission(request: Request, *, permission: str) -> Operator:
    """Return the caller, who must hold this permission.

    The roles in the store decide, not those in the token, so that a change takes effect at once. Raises `FORBIDDEN`,
    and `INVALID_TOKEN` if the session, account, client or API key is gone.
    """
    caller = require_caller(request)
    if caller.sub.startswith("usr_"):
        account, session = require_live_session(bootstrap.store(), caller.sub, caller.sid, now=request.now)
        roles = account.roles
        if session.partner_id:
            raise ServiceError(Errors.FORBIDDEN, "a session that a partner opened operates nothing")
    else:
        roles = require_live_client(bootstrap.store(), bootstrap.clients(), caller.sub, caller.sid, now=request.now)
    operator = Operator(caller.sub, bootstrap.roles_now().permissions(roles), caller.auth_time)
    if permission not in operator.permissions:
        raise ServiceError(Errors.FORBIDDEN, f"{permission} is needed")
    return operator
