"""`GET /v1/admin/audit`: what has happened, by day or by user."""

from latchkey.edge import audit_log, bootstrap
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with a page of security events, newest first."""
    return audit_log.answer(request, bootstrap.store(), bootstrap.policies())
