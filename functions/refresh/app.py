"""`POST /v1/auth/refresh`: a refresh token for the session's next tokens."""

from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the tokens."""
    answer = bootstrap.refresh_grant()(forms.refresh_token(request), now=request.now)
    return Response(200, answer.to_json())
