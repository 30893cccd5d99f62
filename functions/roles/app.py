"""Roles, what they permit, and the permissions that a stack declares."""

from functools import cache
from typing import Any
from urllib.parse import unquote

from latchkey.core.errors import invalid_field
from latchkey.core.roles.admin import MAX_CUSTOM_ROLES, RoleAdmin
from latchkey.core.roles.permissions import MAX_DECLARED, PermissionAdmin
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS, Operator
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Roles, what they permit, and the permissions that a stack declares")
handler = routes.handler

_MOST = len(PERMISSIONS) + MAX_DECLARED


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
    is_new = role_admin().put(operator, name, _texts(request, "permissions", most=_MOST))
    return Response(201 if is_new else 200, _shown(name, role_admin().permissions(name)))


@routes("DELETE /v1/admin/roles/{name}", needs="roles:write")
def delete(request: Request, operator: Operator) -> Response:
    """Delete a role and return 204."""
    request.require_empty()
    role_admin().delete(operator, request.path_parameters["name"])
    return Response(204)


@routes("GET /v1/admin/customer-roles", needs="roles:read")
def show_customer_roles(request: Request, operator: Operator) -> Response:
    """Return 200 with the roles that operators may give to people although they lack their permissions."""
    return Response(200, {"roles": role_admin().customer_roles()})


@routes("PUT /v1/admin/customer-roles", needs="roles:write")
def put_customer_roles(request: Request, operator: Operator) -> Response:
    """Choose the customer roles and return 200 with them. Only an admin may."""
    role_admin().set_customer_roles(operator, _texts(request, "roles", most=MAX_CUSTOM_ROLES))
    return Response(200, {"roles": role_admin().customer_roles()})


@routes("GET /v1/admin/permissions", needs="roles:read")
def list_permissions(request: Request, operator: Operator) -> Response:
    """Return 200 with all permissions, built-in ones too."""
    known = permission_admin().registry().all_permissions
    return Response(200, {"permissions": [_shown_permission(name) for name in sorted(known)]})


@routes("PUT /v1/admin/permissions/{name}", needs="roles:write")
def put_permission(request: Request, operator: Operator) -> Response:
    """Declare a permission and return 201, or 200 if the stack has it already. Only an admin may."""
    request.require_empty()
    name = _permission_name(request)
    is_new = permission_admin().declare(operator, name)
    return Response(201 if is_new else 200, _shown_permission(name))


@routes("DELETE /v1/admin/permissions/{name}", needs="roles:write")
def delete_permission(request: Request, operator: Operator) -> Response:
    """Delete a declared permission and return 204. Only an admin may."""
    request.require_empty()
    permission_admin().delete(operator, _permission_name(request))
    return Response(204)


def _permission_name(request: Request) -> str:
    """Return the name in the path. It may hold any visible character, and a REST API does not decode its paths."""
    return unquote(request.path_parameters["name"])


def _texts(request: Request, name: str, *, most: int) -> tuple[str, ...]:
    """Read the only member of the body: a list that may be empty. A role without permissions only implies `user`."""
    members = Members.of_json(request)
    texts = members.texts(name, most=most)
    members.nothing_else()
    if texts is None:
        raise invalid_field(name, "required", "This member is required.")
    return texts


def _shown(name: str, permissions: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "permissions": permissions, "built_in": name in BUILT_IN.roles}


def _shown_permission(name: str) -> dict[str, Any]:
    return {"name": name, "built_in": name in PERMISSIONS}


@cache
def role_admin() -> RoleAdmin:
    """Return the administration of roles."""
    return RoleAdmin(bootstrap.store(), LogJournal())


@cache
def permission_admin() -> PermissionAdmin:
    """Return the administration of permissions."""
    return PermissionAdmin(bootstrap.store(), LogJournal())
