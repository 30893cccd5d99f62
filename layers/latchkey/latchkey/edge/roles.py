"""The routes of the roles: what they take, and what they show."""

from __future__ import annotations

from typing import Any

from latchkey.core.errors import invalid_field
from latchkey.core.roles.admin import RoleAdmin
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.operators import permitted


def answer(request: Request, admin: RoleAdmin) -> Response:
    """Do what the route says. Raises `FORBIDDEN` without its permission."""
    operator = permitted(request)
    name = request.path_parameters.get("name", "")
    match request.method:
        case "GET" if name:
            return Response(200, _shown(name, admin.permissions(name)))
        case "GET":
            known = admin.registry().roles
            return Response(200, {"roles": [_shown(each, tuple(sorted(known[each]))) for each in sorted(known)]})
        case "PUT":
            is_new = admin.put(operator, name, _permissions(request))
            return Response(201 if is_new else 200, _shown(name, admin.permissions(name)))
        case _:
            request.require_empty()
            admin.delete(operator, name)
            return Response(204)


def _permissions(request: Request) -> tuple[str, ...]:
    """Read `{permissions}`, which may be an empty list: a role that only implies `user`."""
    members = Members.of_json(request)
    permissions = members.texts("permissions", most=len(PERMISSIONS))
    members.nothing_else()
    if permissions is None:
        raise invalid_field("permissions", "required", "This member is required.")
    return permissions


def _shown(name: str, permissions: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "permissions": permissions, "built_in": name in BUILT_IN.roles}
