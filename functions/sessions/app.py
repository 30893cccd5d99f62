"""`GET, DELETE /v1/auth/sessions` and `POST /v1/auth/logout`: one's own sessions."""

from latchkey.core.grants.sessions import require_live_session
from latchkey.edge import bootstrap, callers, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the sessions, or 204 when some have ended."""
    me, sessions = callers.user(request), bootstrap.sessions()
    if request.path == "/v1/auth/logout":
        everywhere = forms.logout_of_all(request)
        if everywhere:  # who was logged out, as a thief may have been, must not log the owner out in turn
            require_live_session(bootstrap.store(), me.sub, me.sid, now=request.now)
        callers.log_out(me, sessions, everywhere=everywhere)
        return Response(204)
    _, live = require_live_session(bootstrap.store(), me.sub, me.sid, now=request.now)
    if request.method == "GET":
        return Response(200, {"sessions": [callers.session(each, current=me.sid) for each in live]})
    callers.end(me, sessions, request.path_parameters.get("sid"))
    return Response(204)
