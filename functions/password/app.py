"""`POST /v1/user/password/reset` and `/v1/user/password/change`: a new password."""

from latchkey.edge import account_forms, bootstrap, callers
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 204: a reset ends every session, a change every other."""
    passwords = bootstrap.password_changes()
    if request.path.endswith("/reset"):
        token, password = account_forms.password_reset(request)
        passwords.reset(token, password, now=request.now)
    else:
        me = callers.user(request)
        current, password = account_forms.password_change(request)
        passwords.change(me.sub, me.sid, current, password, now=request.now)
    return Response(204)
