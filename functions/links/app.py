"""The partners that open a person's own account."""

from functools import cache

from latchkey.core.authenticators.links import Links, NewLink
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.forms import Members
from latchkey.edge.http import MAX_BODY, Request, Response
from latchkey.edge.routing import Routes, person
from latchkey.edge.telemetry import LogJournal

routes = Routes("The partners of a person's own account")
handler = routes.handler


@routes("GET /v1/auth/me/links", needs=person("profile:read"))
def list_links(request: Request, caller: Caller) -> Response:
    """Return 200 with the links."""
    found = links().of(caller.sub, caller.sid, now=request.now)
    return Response(200, {"links": [documents.link(each) for each in found]})


@routes("POST /v1/auth/me/links", needs=person("profile:write"))
def add(request: Request, caller: Caller) -> Response:
    """Link the account with the partner that issued the token, and return 201 with the link."""
    added = links().add(caller.sub, caller.sid, _new_link(request), now=request.now)
    return Response(201, documents.link(added))


@routes("DELETE /v1/auth/me/links/{partner_id}", needs=person("profile:write"))
def remove(request: Request, caller: Caller) -> Response:
    """Remove a link, and return 204. The last way to open the account stays."""
    request.require_empty()
    links().remove(caller.sub, caller.sid, request.path_parameters["partner_id"], now=request.now)
    return Response(204)


def _new_link(request: Request) -> NewLink:
    """Read `{token|externalAccessToken, issuer_id?, password?}`."""
    members = Members.of_json(request)
    assertion = members.one_of(("token", "externalAccessToken"), longest=MAX_BODY)
    issuer_id = members.optional("issuer_id") or ""
    password = members.optional("password", longest=MAX_BODY) or ""
    members.nothing_else()
    return NewLink(assertion, issuer_id, password, request.address)


@cache
def links() -> Links:
    """Return the links of accounts with partners."""
    store = bootstrap.store()
    return Links(
        links=store,
        standing=store,
        sessions=store,
        check=bootstrap.assertion_check(),
        ownership=bootstrap.ownership(),
        journal=LogJournal(),
    )
