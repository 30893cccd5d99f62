"""`GET, POST /v1/user/confirm/{code}`: an e-mail address confirmed."""

from latchkey.edge import bootstrap
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the status, or 204 when the account is confirmed: following a link alone changes nothing."""
    code, signup = request.path_parameters["code"], bootstrap.signup()
    if request.method == "GET":
        return Response(200, {"status": signup.status(code, now=request.now)})
    request.require_empty()
    signup.confirm(code, now=request.now)
    return Response(204)
