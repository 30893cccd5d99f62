"""`OPTIONS` of every path: whether a page of another origin may call it."""

from latchkey.edge import cors
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 204, with the headers that permit the call where the stack lists the origin."""
    return Response(204, headers=cors.preflight_headers(request.headers))
