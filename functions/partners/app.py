"""`/v1/admin/partners`: partners in an operator's hands."""

from latchkey.edge import bootstrap, partners
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 or 201 with the partner, or a page of them; 204 where there is nothing to show."""
    return partners.answer(request, bootstrap.partner_admin(), bootstrap.policies())
