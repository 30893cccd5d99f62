"""`POST /v1/auth/validate`: whether an access token is good, for services that hold no key."""

from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 204 for a good token, 401 for any other."""
    bootstrap.token_check()(forms.token(request), address=request.address, now=request.now)
    return Response(204)
