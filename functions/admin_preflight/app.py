"""`OPTIONS` of the routes of operators: whether a page of another origin may call them."""

from latchkey.edge import cors
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Return 204, with the headers that permit the call if the stack lists the origin."""
    return Response(204, headers=cors.preflight_headers(request.headers))
