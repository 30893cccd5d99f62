"""A person's own sessions."""

from latchkey.core.authenticators.ownership import require_own_session
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_session
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes, person

routes = Routes("A person's own sessions")
handler = routes.handler


@routes("POST /v1/auth/logout", needs=person("sessions:end"))
def log_out(request: Request, caller: Caller) -> Response:
    """End the session that asks, or every session of the account, and return 204. An ended session is no error."""
    if logout_of_all(request):
        # A session that has been ended, as a thief's may have been, must not end those of the owner.
        _require_own_session(caller, request.now)
        bootstrap.sessions().end_all(caller.sub, reason="logout_everywhere")
    else:
        bootstrap.sessions().end(caller.sub, caller.sid, reason="logout")
    return Response(204)


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


def logout_of_all(request: Request) -> bool:
    """Read `{sessions?: current|all}` or no body, and return whether every session is to end."""
    if not request.body:
        return False
    members = Members.of_json(request)
    which = members.choice("sessions", ("current", "all"))
    members.nothing_else()
    return which == "all"
