"""A sample of a protected API of your own."""

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge.callers import Caller
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import API_KEY, BEARER, Routes

routes = Routes("A sample of a protected API")
handler = routes.handler


@routes("GET /v1/hello", needs=BEARER)
def hello(request: Request, caller: Caller) -> Response:
    """Return 200 and greet the holder of the token: `sub` is all that an API needs to know."""
    return Response(200, {"message": f"Welcome, {caller.sub}!"})


@routes("GET /v1/service/hello", needs=API_KEY)
def hello_service(request: Request, caller: Caller) -> Response:
    """Return 200 and greet the client that owns the API key."""
    return Response(200, {"message": f"Welcome, {caller.sub}!"})


@routes("GET /v1/service/private", needs=API_KEY)
def private(request: Request, caller: Caller) -> Response:
    """Return 200 with private data, for an API key that may use `privacy:read`."""
    if "privacy:read" not in request.caller["permissions"].split():  # the authorizer looked it up
        raise ServiceError(Errors.FORBIDDEN, "privacy:read is needed")
    return Response(200, {"message": f"This is private, {caller.sub}."})
