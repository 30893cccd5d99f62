"""The routes of an operator's accounts: what they take, and what they show."""

from __future__ import annotations

from typing import Any

from latchkey.core.model import User
from latchkey.core.ports import PolicySource
from latchkey.core.useradmin import UserAdmin
from latchkey.edge import callers, forms, listing
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.operators import permitted


def answer(request: Request, admin: UserAdmin, policies: PolicySource) -> Response:
    """Do what the route says. Raises `FORBIDDEN` without its permission."""
    operator = permitted(request)
    sub = request.path_parameters.get("sub", "")
    match request.method, request.path.removeprefix("/v1/admin/users"):
        case "GET", "":
            return Response(200, _page(request, admin, policies))
        case "POST", "/{sub}/password-reset":
            request.require_empty()
            admin.send_reset(operator, sub, now=request.now)
            return Response(202)
        case "POST", _:
            registration, roles = forms.new_account(request)
            user = admin.create(operator, registration, roles, now=request.now)
            return Response(201, _shown(user, admin), {"Location": f"/v1/admin/users/{user.sub}"})
        case "GET", _:
            return Response(200, _shown(admin.find(sub), admin))
        case "PATCH", _:
            return Response(200, _shown(admin.change(operator, sub, forms.standing(request)), admin))
        case _:
            request.require_empty()
            admin.end_sessions(operator, sub)
            return Response(204)


def _page(request: Request, admin: UserAdmin, policies: PolicySource) -> dict[str, Any]:
    """Read `?login=`, or `?limit=&cursor=`."""
    members = Members.of_query(request)
    login = members.optional("login", longest=320)
    if login is None:
        return listing.page(request, members, policies, admin.page, lambda user: _shown(user, admin), name="users")
    members.nothing_else()
    return {"users": [_shown(user, admin) for user in admin.find_login(login)], "cursor": None}


def _shown(user: User, admin: UserAdmin) -> dict[str, Any]:
    """Return an account as an operator sees it: as its owner does, and where it came from."""
    return callers.profile(user, admin.roles) | {"source": user.source}
