"""`/v1/admin/users`: accounts in an operator's hands."""

from latchkey.edge import bootstrap, users
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 or 201 with the account, or a page of them; 202 or 204 where there is nothing to show."""
    return users.answer(request, bootstrap.user_admin(), bootstrap.policies())
