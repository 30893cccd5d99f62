"""`/v1/admin/roles`: what roles there are, and what they permit."""

from latchkey.edge import bootstrap, roles
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 or 201 with the role, or all of them; 204 where there is nothing to show."""
    return roles.answer(request, bootstrap.role_admin())
