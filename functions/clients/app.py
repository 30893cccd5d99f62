"""Administration of OAuth clients."""

import secrets
from functools import cache
from typing import Any

from latchkey.core.clients.admin import FINGERPRINT_LENGTH, ClientAdmin, NewClient
from latchkey.core.clients.redirects import MAX_REDIRECT_URI
from latchkey.core.clients.store import ClientChanges
from latchkey.core.errors import invalid_field
from latchkey.core.model import Client, ClientKind, Status
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap, listing
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Administration of OAuth clients")
handler = routes.handler

_MOST = 50
_LISTS = ("redirect_uris", "scopes", "grants", "roles")


@routes("GET /v1/admin/clients", needs="clients:read")
def list_clients(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of clients."""
    members, seals = Members.of_query(request), bootstrap.seals()
    return Response(200, listing.page(request, members, seals, client_admin().page, _shown, name="clients"))


@routes("POST /v1/admin/clients", needs="clients:write")
def create(request: Request, operator: Operator) -> Response:
    """Register a client and return 201 with it. Its secret is shown only this once."""
    return _with_secret(*client_admin().create(operator, _new_client(request), now=request.now))


@routes("GET /v1/admin/clients/{client_id}", needs="clients:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the client."""
    return Response(200, _shown(client_admin().get(request.path_parameters["client_id"])))


@routes("PATCH /v1/admin/clients/{client_id}", needs="clients:write")
def change(request: Request, operator: Operator) -> Response:
    """Change a client and return 200 with it."""
    changed = client_admin().change(operator, request.path_parameters["client_id"], _changes(request))
    return Response(200, _shown(changed))


@routes("DELETE /v1/admin/clients/{client_id}", needs="clients:write")
def delete(request: Request, operator: Operator) -> Response:
    """Delete a client with all its API keys, and return 204."""
    request.require_empty()
    client_admin().delete(operator, request.path_parameters["client_id"])
    return Response(204)


@routes("POST /v1/admin/clients/{client_id}/secrets", needs="clients:write")
def add_secret(request: Request, operator: Operator) -> Response:
    """Add a second secret and return 201 with it. It is shown only this once."""
    request.require_empty()
    return _with_secret(*client_admin().add_secret(operator, request.path_parameters["client_id"]))


@routes("DELETE /v1/admin/clients/{client_id}/secrets/{fingerprint}", needs="clients:write")
def remove_secret(request: Request, operator: Operator) -> Response:
    """Revoke a secret and return 204. The last one stays."""
    request.require_empty()
    client_id, fingerprint = request.path_parameters["client_id"], request.path_parameters["fingerprint"]
    client_admin().remove_secret(operator, client_id, fingerprint)
    return Response(204)


def _new_client(request: Request) -> NewClient:
    """Read `{kind, name, redirect_uris?, scopes?, grants?, roles?, first_party?}`. The service chooses the id."""
    members = Members.of_json(request)
    kind = members.choice("kind", tuple(ClientKind))
    name = members.required_label("name")
    lists = _lists(members)
    first_party = members.flag("first_party")
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
        first_party=first_party,
    )


def _changes(request: Request) -> ClientChanges:
    """Read `{name?, redirect_uris?, scopes?, grants?, roles?, status?, first_party?}`: at least one of them."""
    members = Members.of_json(request)
    status = members.choice("status", tuple(Status))
    changes = ClientChanges(
        name=members.label("name"),
        status=None if status is None else Status(status),
        first_party=members.optional_flag("first_party"),
        **_lists(members),
    )
    members.nothing_else()
    if changes.name == "":
        raise invalid_field("name", "required", "This member must not be empty.")
    if changes == ClientChanges():
        raise nothing_given("name", *_LISTS, "status", "first_party")
    return changes


def _lists(members: Members) -> dict[str, Any]:
    given = {name: members.texts(name, most=_MOST, longest=MAX_REDIRECT_URI) for name in _LISTS}
    return {name: value for name, value in given.items() if value is not None}


def _shown(client: Client) -> dict[str, Any]:
    """Return a client as operators see it. Of a secret it shows only the beginning of its fingerprint."""
    return {
        "id": client.client_id,
        "kind": client.kind,
        "name": client.name,
        "status": client.status,
        "first_party": client.first_party,
        "created_at": client.created_at,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "grants": client.grants,
        "roles": client.roles,
        "secrets": [stored[:FINGERPRINT_LENGTH] for stored in client.secret_hashes],
    }


def _with_secret(client: Client, secret: str) -> Response:
    """Return 201 with the client and, this once, its new secret."""
    once = {"client_secret": secret} if secret else {}
    return Response(201, _shown(client) | once, {"Location": f"/v1/admin/clients/{client.client_id}"})


@cache
def client_admin() -> ClientAdmin:
    """Return the administration of clients."""
    return ClientAdmin(bootstrap.store(), bootstrap.roles_now(), LogJournal(), secrets.token_bytes)
