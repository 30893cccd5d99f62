"""The partners that open a person's own account."""

from functools import cache
from typing import Any

from latchkey.core.authenticators.links import Links, NewLink, OwnLink
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import MAX_BODY, Request, Response
from latchkey.edge.routing import Routes, person
from latchkey.edge.telemetry import LogJournal

routes = Routes("The partners of a person's own account")
handler = routes.handler


@routes("GET /v1/auth/me/links", needs=person("profile:read"))
def list_links(request: Request, caller: Caller) -> Response:
    """Return 200 with the links."""
    found = links().of(caller.sub, caller.sid, now=request.now)
    return Response(200, {"links": [_shown(each) for each in found]})


@routes("POST /v1/auth/me/links", needs=person("profile:write"))
def add(request: Request, caller: Caller) -> Response:
    """Link the account with the partner that issued the token, and return 201 with the link."""
    added = links().add(caller.sub, caller.sid, _new_link(request), now=request.now)
    return Response(201, _shown(added))


@routes("POST /v1/auth/me/links/{partner_id}/confirm", needs=person("profile:write"))
def confirm(request: Request, caller: Caller) -> Response:
    """Let a suspended link open the account again, and return 200 with the link."""
    partner_id, password = request.path_parameters["partner_id"], _password(request)
    return Response(200, _shown(links().confirm(caller.sub, caller.sid, partner_id, password, now=request.now)))


@routes("DELETE /v1/auth/me/links/{partner_id}", needs=person("profile:write"))
def remove(request: Request, caller: Caller) -> Response:
    """Remove a link, and return 204. The last way to open the account stays."""
    partner_id, password = request.path_parameters["partner_id"], _password(request)
    links().remove(caller.sub, caller.sid, partner_id, password, now=request.now)
    return Response(204)


def _password(request: Request) -> str:
    """Read `{password?}` or no body: an account that only partners open has no password."""
    if not request.body:
        return ""
    members = Members.of_json(request)
    password = members.optional("password", longest=LONGEST_PASSWORD) or ""
    members.nothing_else()
    return password


def _shown(own: OwnLink) -> dict[str, Any]:
    return documents.link(own.link) | {"suspended": own.suspended}


def _new_link(request: Request) -> NewLink:
    """Read `{token|externalAccessToken, issuer_id?, password?}`."""
    members = Members.of_json(request)
    assertion = members.one_of(("token", "externalAccessToken"), longest=MAX_BODY)
    issuer_id = members.optional("issuer_id") or ""
    password = members.optional("password", longest=LONGEST_PASSWORD) or ""
    members.nothing_else()
    return NewLink(assertion, issuer_id, password, request.address)


@cache
def links() -> Links:
    """Return the links of accounts with partners."""
    store = bootstrap.store()
    return Links(
        links=store,
        sessions=store,
        check=bootstrap.assertion_check(),
        ownership=bootstrap.ownership(),
        outbox=bootstrap.outbox(),
        journal=LogJournal(),
    )
