"""Tokens for machines and for partners' users, and the end of sessions by their tokens."""

from latchkey.edge import oauth, sign_out
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Tokens for machines and for partners' users, and the end of sessions by their tokens")
handler = routes.handler


@routes("POST /oauth2/token", needs=PUBLIC)
def oauth_token(request: Request) -> Response:
    """Return 200 with the tokens of an OAuth grant (RFC 6749 section 3.2)."""
    return Response(200, oauth.grant(oauth.token_request(request), now=request.now).to_json())


@routes("POST /v1/auth/external-token", needs=PUBLIC)
def external_token(request: Request) -> Response:
    """Return 200 with the tokens of a partner's user, or 201 if their account was created for them."""
    answer = oauth.partner_grant()(oauth.external_token(request), now=request.now)
    return Response(201 if answer.created else 200, answer.to_json())


@routes("POST /v1/auth/token", needs=PUBLIC)
def service_token(request: Request) -> Response:
    """Return 200 with the tokens of a service, for its API key."""
    request.require_empty()
    key = oauth.service_token(request)
    answer = oauth.machine_grants().exchange_api_key(key, address=request.address, now=request.now)
    return Response(200, answer.to_json())


@routes("POST /oauth2/revoke", needs=PUBLIC)
def revoke(request: Request) -> Response:
    """Return 200, and end the session of a token of this client, if there is one (RFC 7009)."""
    sign_out.revoke(request)
    return Response(200)


@routes("POST /v1/auth/logout", needs=PUBLIC)
def log_out(request: Request) -> Response:
    """End the session of the refresh token or of the access token, or every session of its account; return 204.

    An ended session is no error.
    """
    sign_out.sign_out(request)
    return Response(204)
