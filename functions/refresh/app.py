"""Refresh: the next tokens of a session."""

from latchkey.core.grants.refresh import RefreshRequest
from latchkey.core.networks import network_of
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Refresh")
handler = routes.handler


@routes("POST /v1/auth/refresh", "POST /auth/refresh", needs=PUBLIC)
def refresh(request: Request) -> Response:
    """Return 200 with the session's next tokens for `{refresh_token|token}`."""
    members = Members.of_json(request)
    token = members.secret("refresh_token", "token")
    members.nothing_else()
    asked = RefreshRequest(token, network_of(request.address), request.idempotency_key)
    return Response(200, bootstrap.refresh_grant()(asked, now=request.now).to_json())
