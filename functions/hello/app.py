"""`GET /v1/hello`: a sample of a protected API of one's own."""

from latchkey.edge import callers
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with what the authorizer proved; whose token it is, is all that an API needs to know."""
    return Response(200, {"message": f"Welcome, {callers.caller(request).sub}!"})
