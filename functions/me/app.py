"""`GET, PATCH /v1/auth/me`, `GET /v1/auth/me/export`: one's own account."""

from latchkey.core.grants.sessions import require_live_session
from latchkey.edge import bootstrap, callers, forms
from latchkey.edge.http import Request, Response, endpoint

EXPORTED_EVENTS = 100


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the account, its roles and what they permit; the export has sessions and newest events too."""
    me = callers.user(request)
    accounts, roles = bootstrap.accounts(), bootstrap.roles_now()
    if request.method == "PATCH":
        user = accounts.update_profile(me.sub, me.sid, forms.profile_changes(request), now=request.now)
        return Response(200, callers.profile(user, roles))
    user, sessions = require_live_session(bootstrap.store(), me.sub, me.sid, now=request.now)
    if request.path.endswith("/export"):
        page = bootstrap.store().events_of(me.sub, after="", limit=EXPORTED_EVENTS, now=request.now)
        links = bootstrap.store().list_links(me.sub)
        return Response(200, callers.export(user, sessions, links, page.items, roles, current=me.sid))
    return Response(200, callers.profile(user, roles))
