"""Roles, and what they permit."""

from functools import cache
from typing import Any

from latchkey.core.errors import invalid_field
from latchkey.core.roles.admin import RoleAdmin
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS, Operator
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Roles, and what they permit")
handler = routes.handler


@routes("GET /v1/admin/roles", needs="roles:read")
def list_roles(request: Request, operator: Operator) -> Response:
    """Return 200 with all roles, built-in ones too."""
    known = role_admin().registry().roles
    return Response(200, {"roles": [_shown(name, tuple(sorted(known[name]))) for name in sorted(known)]})


@routes("GET /v1/admin/roles/{name}", needs="roles:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the role."""
    name = request.path_parameters["name"]
    return Response(200, _shown(name, role_admin().permissions(name)))


@routes("PUT /v1/admin/roles/{name}", needs="roles:write")
def put(request: Request, operator: Operator) -> Response:
    """Create a role and return 201, or change what it permits and return 200."""
    name = request.path_parameters["name"]
    is_new = role_admin().put(operator, name, _permissions(request))
    return Response(201 if is_new else 200, _shown(name, role_admin().permissions(name)))


@routes("DELETE /v1/admin/roles/{name}", needs="roles:write")
def delete(request: Request, operator: Operator) -> Response:
    """Delete a role and return 204."""
    request.require_empty()
    role_admin().delete(operator, request.path_parameters["name"])
    return Response(204)


def _permissions(request: Request) -> tuple[str, ...]:
    """Read `{permissions}`. The list may be empty: such a role only implies `user`."""
    members = Members.of_json(request)
    permissions = members.texts("permissions", most=len(PERMISSIONS))
    members.nothing_else()
    if permissions is None:
        raise invalid_field("permissions", "required", "This member is required.")
    return permissions


def _shown(name: str, permissions: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "permissions": permissions, "built_in": name in BUILT_IN.roles}


@cache
def role_admin() -> RoleAdmin:
    """Return the administration of roles."""
    return RoleAdmin(bootstrap.store(), LogJournal())
