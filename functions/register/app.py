"""`POST /v1/user`: open an account."""

from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 201 with the account; its owner then signs in."""
    registration = forms.registration(request, bootstrap.settings().allowed_sources)
    user = bootstrap.accounts().register(registration, now=request.now)
    body = {"id": user.sub, "login": user.login, "status": user.status, "message": "User created"}
    return Response(201, body, {"Location": "/v1/auth/me"})
