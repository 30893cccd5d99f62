"""`POST /v1/auth/token`, `/oauth2/token` and `/v1/auth/external-token`: tokens for machines and for partners' users."""

from latchkey.edge import bootstrap, oauth
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the tokens; 201 where an account was made for a partner's user."""
    match request.path:
        case "/oauth2/token":
            return Response(200, oauth.grant(oauth.token_request(request), now=request.now).to_json())
        case "/v1/auth/external-token":
            answer = bootstrap.partner_grant()(oauth.external_token(request), now=request.now)
            return Response(201 if answer.created else 200, answer.to_json())
        case _:
            request.require_empty()
            service = bootstrap.machine_grants().exchange_api_key(oauth.service_token(request), now=request.now)
            return Response(200, service.to_json())
