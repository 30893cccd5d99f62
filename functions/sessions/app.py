"""A person's own sessions."""

from latchkey.core.authenticators.ownership import require_own_session
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_session
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes, person

routes = Routes("A person's own sessions")
handler = routes.handler


@routes("GET /v1/auth/sessions", needs=person("sessions:read"))
def list_sessions(request: Request, caller: Caller) -> Response:
    """Return 200 with the live sessions, oldest first."""
    require_live_session(bootstrap.store(), caller.sub, caller.sid, now=request.now)
    live = bootstrap.store().list_sessions(caller.sub, request.now)
    return Response(200, {"sessions": [documents.session(each, current=caller.sid) for each in live]})


@routes("DELETE /v1/auth/sessions", needs=person("sessions:end"))
def end_others(request: Request, caller: Caller) -> Response:
    """End every session but the one that asks, and return 204."""
    _require_own_session(caller, request.now)
    bootstrap.sessions().end_all(caller.sub, reason="ended_by_owner", keep=caller.sid)
    return Response(204)


@routes("DELETE /v1/auth/sessions/{sid}", needs=person("sessions:end"))
def end(request: Request, caller: Caller) -> Response:
    """End one session and return 204. Raises `NOT_FOUND` for a session of another account."""
    sid = request.path_parameters["sid"]
    if sid == caller.sid:
        require_live_session(bootstrap.store(), caller.sub, caller.sid, now=request.now)
    else:
        _require_own_session(caller, request.now)
    if not bootstrap.sessions().end(caller.sub, sid, reason="ended_by_owner"):
        raise ServiceError(Errors.NOT_FOUND, "no such session of this user")
    return Response(204)


def _require_own_session(caller: Caller, now: int) -> None:
    """Require a live session that may end others. Raises `INVALID_TOKEN` or `OWN_SIGN_IN_REQUIRED`."""
    require_own_session(*require_live_session(bootstrap.store(), caller.sub, caller.sid, now=now))
