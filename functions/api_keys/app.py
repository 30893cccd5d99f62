"""Administration of API keys."""

import secrets
from functools import cache, partial
from typing import Any

from latchkey.core.clients.api_keys import MAX_OVERLAP, ApiKeyAdmin, NewApiKey
from latchkey.core.clients.store import ApiKeyChanges
from latchkey.core.errors import invalid_field
from latchkey.core.model import ApiKey, Status
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap, listing
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Administration of API keys")
handler = routes.handler

_MOST = 50


@routes("GET /v1/admin/api-keys", needs="api_keys:read")
def list_keys(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of keys: of all clients, or of `?client_id=`."""
    members = Members.of_query(request)
    client_id = members.optional("client_id", longest=128) or ""
    fetch = partial(api_key_admin().page, client_id=client_id)
    seals = bootstrap.seals()
    return Response(200, listing.page(request, members, seals, fetch, _shown, name="api_keys", of=client_id))


@routes("POST /v1/admin/api-keys", needs="api_keys:write")
def create(request: Request, operator: Operator) -> Response:
    """Create a key and return 201 with it. The key itself is shown only this once."""
    return _with_text(*api_key_admin().create(operator, _new_key(request), now=request.now))


@routes("GET /v1/admin/api-keys/{key_id}", needs="api_keys:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the key's record."""
    return Response(200, _shown(api_key_admin().get(request.path_parameters["key_id"])))


@routes("PATCH /v1/admin/api-keys/{key_id}", needs="api_keys:write")
def change(request: Request, operator: Operator) -> Response:
    """Rename, disable or enable a key, and return 200 with its record."""
    changed = api_key_admin().change(operator, request.path_parameters["key_id"], _changes(request))
    return Response(200, _shown(changed))


@routes("DELETE /v1/admin/api-keys/{key_id}", needs="api_keys:write")
def delete(request: Request, operator: Operator) -> Response:
    """Delete a key and return 204."""
    request.require_empty()
    api_key_admin().delete(operator, request.path_parameters["key_id"])
    return Response(204)


@routes("POST /v1/admin/api-keys/{key_id}/rotate", needs="api_keys:write")
def rotate(request: Request, operator: Operator) -> Response:
    """Create a key with the same rights and return 201 with it. The old key ends after the overlap."""
    key_id = request.path_parameters["key_id"]
    return _with_text(*api_key_admin().rotate(operator, key_id, _overlap(request), now=request.now))


def _new_key(request: Request) -> NewApiKey:
    """Read `{client_id, name, roles?, scopes?, expires_at?}`. The service generates the key."""
    members = Members.of_json(request)
    asked = NewApiKey(
        client_id=members.required("client_id", longest=128),
        name=members.required_label("name"),
        roles=members.texts("roles", most=_MOST, longest=64),
        scopes=members.texts("scopes", most=_MOST, longest=64),
        expires_at=members.number("expires_at"),
    )
    members.nothing_else()
    return asked


def _changes(request: Request) -> ApiKeyChanges:
    """Read `{name?, status?}`: at least one of them."""
    members = Members.of_json(request)
    status = members.choice("status", tuple(Status))
    changes = ApiKeyChanges(members.label("name"), None if status is None else Status(status))
    members.nothing_else()
    if changes.name == "":
        raise invalid_field("name", "required", "This member must not be empty.")
    if changes == ApiKeyChanges():
        raise nothing_given("name", "status")
    return changes


def _overlap(request: Request) -> int:
    """Read `{overlap_seconds?}` or no body: how long the old key stays valid."""
    if not request.body:
        return 0
    members = Members.of_json(request)
    overlap = members.number("overlap_seconds") or 0
    members.nothing_else()
    if not 0 <= overlap <= MAX_OVERLAP:
        raise invalid_field("overlap_seconds", "out_of_range", f"From 0 to {MAX_OVERLAP} seconds.")
    return overlap


def _shown(key: ApiKey) -> dict[str, Any]:
    """Return a key as operators see it. `prefix` is how its text begins, and reveals nothing of the rest."""
    return {
        "id": key.key_id,
        "prefix": f"lk_{key.key_id}_",
        "client_id": key.client_id,
        "name": key.name,
        "status": key.status,
        "roles": key.roles,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_on": key.last_used_on or None,
        "successor": key.successor or None,
    }


def _with_text(key: ApiKey, text: str) -> Response:
    """Return 201 with the key's record and, this once, the key itself."""
    return Response(201, _shown(key) | {"api_key": text})


@cache
def api_key_admin() -> ApiKeyAdmin:
    """Return the administration of API keys."""
    return ApiKeyAdmin(bootstrap.store(), bootstrap.roles_now(), LogJournal(), secrets.token_bytes)
