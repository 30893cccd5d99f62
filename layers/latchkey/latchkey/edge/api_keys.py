"""The routes of API keys: what they take, and what they show."""

from __future__ import annotations

from functools import partial
from typing import Any

from latchkey.core.clients.api_keys import MAX_OVERLAP, ApiKeyAdmin, NewApiKey
from latchkey.core.errors import invalid_field
from latchkey.core.model import ApiKey
from latchkey.core.policy import PolicySource
from latchkey.edge import listing
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.operators import permitted

_MOST = 50


def answer(request: Request, admin: ApiKeyAdmin, policies: PolicySource) -> Response:
    """Do what the route says. Raises `FORBIDDEN` without its permission."""
    operator = permitted(request)
    key_id = request.path_parameters.get("key_id", "")
    match request.method, request.path.removeprefix("/v1/admin/api-keys"):
        case "GET", _:
            return Response(200, _list(request, admin, policies))
        case "POST", "":
            return _with_text(*admin.create(operator, _new_key(request), now=request.now))
        case "POST", _:
            return _with_text(*admin.rotate(operator, key_id, _overlap(request), now=request.now))
        case _:
            request.require_empty()
            admin.delete(operator, key_id)
    return Response(204)


def shown(key: ApiKey) -> dict[str, Any]:
    """Return a key as operators see it: `prefix` is how its text begins, and tells nobody the rest."""
    return {
        "id": key.key_id,
        "prefix": f"lk_{key.key_id}_",
        "client_id": key.client_id,
        "name": key.name,
        "roles": key.roles,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_on": key.last_used_on or None,
        "successor": key.successor or None,
    }


def _list(request: Request, admin: ApiKeyAdmin, policies: PolicySource) -> dict[str, Any]:
    """Read `?client_id=` and show the keys of that client, or all."""
    members = Members.of_query(request)
    client_id = members.optional("client_id", longest=128) or ""
    fetch = partial(admin.page, client_id=client_id)
    return listing.page(request, members, policies, fetch, shown, name="api_keys", of=client_id)


def _with_text(key: ApiKey, text: str) -> Response:
    """Answer 201 with the key's record and, this once, the key itself."""
    return Response(201, shown(key) | {"api_key": text})


def _new_key(request: Request) -> NewApiKey:
    """Read `{client_id, name, roles?, scopes?, expires_at?}`; a key or a hash of one's own is never taken."""
    members = Members.of_json(request)
    asked = NewApiKey(
        client_id=members.required("client_id", longest=128),
        name=members.required("name", longest=128),
        roles=members.texts("roles", most=_MOST, longest=64),
        scopes=members.texts("scopes", most=_MOST, longest=64),
        expires_at=members.number("expires_at"),
    )
    members.nothing_else()
    return asked


def _overlap(request: Request) -> int:
    """Read `{overlap_seconds?}`, or no body at all: how long the old key lives on."""
    if not request.body:
        return 0
    members = Members.of_json(request)
    overlap = members.number("overlap_seconds") or 0
    members.nothing_else()
    if not 0 <= overlap <= MAX_OVERLAP:
        raise invalid_field("overlap_seconds", "out_of_range", f"From 0 to {MAX_OVERLAP} seconds.")
    return overlap
