"""A person's own account."""

from latchkey.core.grants.sessions import require_live_session
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes, person

routes = Routes("A person's own account")
handler = routes.handler

_EXPORTED_EVENTS = 100


@routes("GET /v1/auth/me", "GET /auth/me", "GET /v1/user/profile", needs=person("profile:read"))
def show(request: Request, caller: Caller) -> Response:
    """Return 200 with the account, its roles, and the permissions that they give."""
    user, _ = require_live_session(bootstrap.store(), caller.sub, caller.sid, now=request.now)
    return Response(200, documents.profile(user, bootstrap.roles_now()))


@routes("PATCH /v1/auth/me", needs=person("profile:write"))
def change(request: Request, caller: Caller) -> Response:
    """Change the name or the locale, and return 200 with the account."""
    user = bootstrap.accounts().update_profile(caller.sub, caller.sid, _changes(request), now=request.now)
    return Response(200, documents.profile(user, bootstrap.roles_now()))


@routes("GET /v1/auth/me/export", needs=person("profile:read", "sessions:read"))
def export(request: Request, caller: Caller) -> Response:
    """Return 200 with everything that is kept of the account: also its sessions, links and latest events."""
    store = bootstrap.store()
    user, _ = require_live_session(store, caller.sub, caller.sid, now=request.now)
    sessions = store.list_sessions(caller.sub, request.now)
    links = store.list_links(caller.sub)
    events = store.events_of(caller.sub, after="", limit=_EXPORTED_EVENTS, now=request.now).items
    found = documents.export(user, sessions, links, events, bootstrap.roles_now(), current=caller.sid)
    return Response(200, found)


def _changes(request: Request) -> dict[str, str]:
    """Read `{name?, locale?}`: at least one of them."""
    members = Members.of_json(request)
    given = {"name": members.label("name"), "locale": members.language("locale")}
    members.nothing_else()
    if not (changes := {name: value for name, value in given.items() if value is not None}):
        raise nothing_given("name", "locale")
    return changes
