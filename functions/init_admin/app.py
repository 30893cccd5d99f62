"""The first admin of a stack: no route leads here, and IAM alone says who may invoke it."""

from latchkey.edge import bootstrap, callers, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 201 with the account; the event and the answer are those of a proxy integration."""
    user = bootstrap.first_admin().create(forms.first_admin(request), now=request.now)
    return Response(201, callers.profile(user, bootstrap.roles_now()))
