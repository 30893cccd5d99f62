"""Registration."""

from latchkey.edge import bootstrap
from latchkey.edge.http import Request, Response
from latchkey.edge.registration import mailed_sign_up, registration_form
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Registration")
handler = routes.handler


@routes("POST /v1/user", "POST /auth/register", needs=PUBLIC)
def register(request: Request) -> Response:
    """Open an account and return 201. If addresses are confirmed by mail, return 202 and a flow, for every login."""
    settings = bootstrap.settings()
    registration = registration_form(request, settings.allowed_sources)
    if settings.confirms:
        flow = mailed_sign_up().register(registration, address=request.address, now=request.now)
        message = "A mail is on its way: confirm the address with its code"
        return Response(202, {"status": "pending", "flow": flow, "message": message})
    user = bootstrap.accounts().register(registration, address=request.address, now=request.now)
    body = {"id": user.sub, "login": user.login, "status": user.status, "message": "User created"}
    return Response(201, body, {"Location": "/v1/auth/me"})
