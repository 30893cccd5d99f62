"""`POST /v1/auth/login`: a password for a session."""

from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the tokens; at `/login`, the access token stands under `token` too."""
    answer = bootstrap.password_grant()(forms.sign_in(request), now=request.now).to_json()
    if request.path == "/login":
        answer["token"] = answer["access_token"]
    return Response(200, answer)
