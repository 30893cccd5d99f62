"""The routes of OAuth clients: what they take, and what they show."""

from __future__ import annotations

from typing import Any

from latchkey.core.clients.admin import FINGERPRINT_LENGTH, ClientAdmin, NewClient
from latchkey.core.clients.redirects import MAX_REDIRECT_URI
from latchkey.core.clients.store import ClientChanges
from latchkey.core.errors import invalid_field
from latchkey.core.model import Client, ClientKind, Status
from latchkey.core.policy import PolicySource
from latchkey.edge import listing
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.operators import permitted

_MOST = 50
_LISTS = ("redirect_uris", "scopes", "grants", "roles")


def answer(request: Request, admin: ClientAdmin, policies: PolicySource) -> Response:
    """Do what the route says. Raises `FORBIDDEN` without its permission."""
    operator = permitted(request)
    client_id = request.path_parameters.get("client_id", "")
    match request.method, request.path.removeprefix("/v1/admin/clients"):
        case "GET", "":
            members = Members.of_query(request)
            return Response(200, listing.page(request, members, policies, admin.page, shown, name="clients"))
        case "GET", _:
            return Response(200, shown(admin.get(client_id)))
        case "POST", "":
            return _with_secret(*admin.create(operator, _new_client(request), now=request.now))
        case "PATCH", _:
            return Response(200, shown(admin.change(operator, client_id, _changes(request))))
        case "POST", _:
            request.require_empty()
            return _with_secret(*admin.add_secret(operator, client_id))
        case _, "/{client_id}":
            request.require_empty()
            admin.delete(operator, client_id)
        case _:
            request.require_empty()
            admin.remove_secret(operator, client_id, request.path_parameters.get("fingerprint", ""))
    return Response(204)


def shown(client: Client) -> dict[str, Any]:
    """Return a client as operators see it; of a secret only the beginning of its fingerprint."""
    return {
        "id": client.client_id,
        "kind": client.kind,
        "name": client.name,
        "created_at": client.created_at,
        "status": client.status,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "grants": client.grants,
        "roles": client.roles,
        "secrets": [stored[:FINGERPRINT_LENGTH] for stored in client.secret_hashes],
    }


def _with_secret(client: Client, secret: str) -> Response:
    """Answer 201 with the client and, this once, its new secret."""
    once = {"client_secret": secret} if secret else {}
    return Response(201, shown(client) | once, {"Location": f"/v1/admin/clients/{client.client_id}"})


def _new_client(request: Request) -> NewClient:
    """Read `{kind, name, redirect_uris?, scopes?, grants?, roles?}`; an id is never chosen."""
    members = Members.of_json(request)
    kind = members.choice("kind", tuple(ClientKind))
    name = members.required("name", longest=128)
    lists = _lists(members)
    members.nothing_else()
    if kind is None:
        raise invalid_field("kind", "required", "This member is required.")
    return NewClient(
        kind=ClientKind(kind),
        name=name,
        redirect_uris=lists.get("redirect_uris", ()),
        scopes=lists.get("scopes", ()),
        grants=lists.get("grants"),
        roles=lists.get("roles", ()),
    )


def _changes(request: Request) -> ClientChanges:
    """Read `{name?, redirect_uris?, scopes?, grants?, roles?, status?}`: at least one of them."""
    members = Members.of_json(request)
    status = members.choice("status", tuple(Status))
    changes = ClientChanges(
        name=members.optional("name", longest=128),
        status=None if status is None else Status(status),
        **_lists(members),
    )
    members.nothing_else()
    if changes.name == "":
        raise invalid_field("name", "required", "This member is required.")
    if changes == ClientChanges():
        raise nothing_given("name", *_LISTS, "status")
    return changes


def _lists(members: Members) -> dict[str, tuple[str, ...]]:
    given = {name: members.texts(name, most=_MOST, longest=MAX_REDIRECT_URI) for name in _LISTS}
    return {name: value for name, value in given.items() if value is not None}
