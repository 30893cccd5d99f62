"""`OPTIONS` of every path: whether a page of another origin may call it."""

from latchkey.edge import cors
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Preflight requests")
handler = routes.handler


@routes("OPTIONS /{proxy+}", needs=PUBLIC)
def preflight(request: Request) -> Response:
    """Return 204, with the headers that permit the call if the stack lists the origin."""
    return Response(204, headers=cors.preflight_headers(request.headers))
