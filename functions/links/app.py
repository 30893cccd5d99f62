"""`/v1/auth/me/links`: the partners that open one's own account."""

from latchkey.edge import bootstrap, partners
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the links, 201 with a new one, 204 when one is gone."""
    return partners.answer_links(request, bootstrap.links())
