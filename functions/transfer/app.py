"""`/v1/admin/users/import` and `/v1/admin/users/export`: accounts on the move."""

from latchkey.edge import bootstrap, transfer
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with what became of each record, or with a page of accounts."""
    return Response(200, transfer.answer(request, bootstrap.user_transfer(), bootstrap.policies()))
