"""`POST /v1/user/email/change` and `/v1/user/email/confirm`: another e-mail address."""

from latchkey.edge import account_forms, bootstrap, callers, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 202 when a code is on its way to the new address, 204 when the account has moved there."""
    emails = bootstrap.email_changes()
    if request.path.endswith("/confirm"):
        emails.confirm(forms.token(request), now=request.now)
        return Response(204)
    me = callers.user(request)
    email, current = account_forms.email_change(request)
    emails.request(me.sub, me.sid, email, current, now=request.now)
    return Response(202, {"message": "If the address can be used, a mail is on its way"})
