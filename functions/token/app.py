"""`POST /v1/auth/token` and `POST /oauth2/token`: tokens for machines, and the OAuth token endpoint."""

from latchkey.edge import bootstrap, oauth
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the tokens."""
    if request.path == "/oauth2/token":
        answer = oauth.grant(oauth.token_request(request), now=request.now)
    else:
        request.require_empty()
        answer = bootstrap.machine_grants().exchange_api_key(oauth.service_token(request), now=request.now)
    return Response(200, answer.to_json())
