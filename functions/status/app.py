"""`GET /status`: whether the service runs, and which version."""

import latchkey
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:  # noqa: ARG001 - every endpoint takes the request
    """Answer 200 without asking the table: a probe costs nothing."""
    return Response(200, {"status": "ok", "version": latchkey.__version__})
