"""Confirmation of the e-mail address of a new account."""

from latchkey.edge.http import Request, Response
from latchkey.edge.registration import mailed_sign_up
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Confirmation of an e-mail address")
handler = routes.handler


@routes("GET /v1/user/confirm/{code}", needs=PUBLIC)
def show(request: Request) -> Response:
    """Return 200 with the status of the account and change nothing: mail scanners follow links."""
    code = request.path_parameters["code"]
    return Response(200, {"status": mailed_sign_up().status(code, now=request.now)})


@routes("POST /v1/user/confirm/{code}", needs=PUBLIC)
def confirm(request: Request) -> Response:
    """Activate the account and return 204."""
    request.require_empty()
    mailed_sign_up().confirm(request.path_parameters["code"], now=request.now)
    return Response(204)
