"""Status: whether the service runs, and in which version."""

import latchkey
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Status")
handler = routes.handler


@routes("GET /status", "HEAD /status", needs=PUBLIC)
def status(request: Request) -> Response:
    """Return 200 with the version. It does not ask the table, so a health check costs nothing."""
    return Response(200, {"status": "ok", "version": latchkey.__version__})
