"""`/v1/admin/clients`: OAuth clients in an operator's hands."""

from latchkey.edge import bootstrap, clients
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer with clients, 201 with a new secret, or 204."""
    return clients.answer(request, bootstrap.client_admin(), bootstrap.policies())
