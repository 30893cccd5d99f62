"""`POST /v1/user`: open an account."""

from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 201 with the account; where addresses are confirmed, 202 and a mail, whoever has an account."""
    settings = bootstrap.settings()
    registration = forms.registration(request, settings.allowed_sources)
    if settings.confirms:
        bootstrap.signup().register(registration, now=request.now)
        return Response(202, {"status": "pending", "message": "A mail is on its way: confirm the address with it"})
    user = bootstrap.accounts().register(registration, now=request.now)
    body = {"id": user.sub, "login": user.login, "status": user.status, "message": "User created"}
    return Response(201, body, {"Location": "/v1/auth/me"})
