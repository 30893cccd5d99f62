"""The end of a person's account."""

from functools import cache

from latchkey.core.users.erasure import Erasure
from latchkey.edge import bootstrap
from latchkey.edge.callers import Caller
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes, person
from latchkey.edge.telemetry import LogJournal

routes = Routes("The end of an account")
handler = routes.handler


@routes("DELETE /v1/auth/me", needs=person("profile:write"))
def erase(request: Request, caller: Caller) -> Response:
    """Delete the account and return 204. A repeated request finishes a deletion that was interrupted."""
    erasure()(caller.sub, caller.sid, _password(request), now=request.now)
    return Response(204)


def _password(request: Request) -> str:
    """Read `{password?}`: a partner's user has none."""
    members = Members.of_json(request)
    password = members.optional("password", longest=LONGEST_PASSWORD) or ""
    members.nothing_else()
    return password


@cache
def erasure() -> Erasure:
    """Return the deletion of accounts."""
    store = bootstrap.store()
    return Erasure(
        users=store,
        sessions=store,
        links=store,
        ownership=bootstrap.ownership(),
        outbox=bootstrap.outbox(),
        journal=LogJournal(),
    )
