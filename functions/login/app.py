"""Sign-in with a password."""

from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes
from latchkey.edge.sign_in import password_grant, sign_in_form

routes = Routes("Sign-in with a password")
handler = routes.handler


@routes("POST /v1/auth/login", "POST /auth/login", needs=PUBLIC)
def login(request: Request) -> Response:
    """Return 200 with the tokens of a new session."""
    answer = password_grant()(sign_in_form(request), now=request.now)
    return Response(200, answer.to_json())


@routes("POST /login", needs=PUBLIC)
def short_login(request: Request) -> Response:
    """Return 200 with the tokens of a new session, and with the access token under `token` as well."""
    answer = password_grant()(sign_in_form(request), now=request.now).to_json()
    return Response(200, answer | {"token": answer["access_token"]})
