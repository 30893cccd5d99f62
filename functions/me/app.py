"""`GET, PATCH /v1/auth/me`: one's own account."""

from latchkey.edge import bootstrap, callers, forms
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the account, its roles and what they permit."""
    me = callers.user(request)
    accounts, roles = bootstrap.accounts(), bootstrap.roles_now()
    if request.method == "PATCH":
        user = accounts.update_profile(me.sub, me.sid, forms.profile_changes(request), now=request.now)
    else:
        user, _ = accounts.present(me.sub, me.sid, now=request.now)
    return Response(200, callers.profile(user, roles))
