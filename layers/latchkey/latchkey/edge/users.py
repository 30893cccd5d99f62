"""The routes of an operator's accounts: what they take, and what they show."""

from __future__ import annotations

from typing import Any

from latchkey.core.errors import invalid_field
from latchkey.core.model import User, UserStatus
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import MAX_ROLES
from latchkey.core.users.accounts import Registration
from latchkey.core.users.admin import Standing, UserAdmin
from latchkey.edge import callers, listing
from latchkey.edge.forms import LOCALE, LOGIN_NAMES, Members, nothing_given
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
            registration, roles = new_account(request)
            user = admin.create(operator, registration, roles, now=request.now)
            return Response(201, _shown(user, admin), {"Location": f"/v1/admin/users/{user.sub}"})
        case "GET", _:
            return Response(200, _shown(admin.find(sub), admin))
        case "PATCH", _:
            return Response(200, _shown(admin.change(operator, sub, standing(request)), admin))
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


def new_account(request: Request) -> tuple[Registration, tuple[str, ...]]:
    """Read `{login|username|email, password?, roles?, name?, locale?}`: an account that an operator opens.

    An empty password is a form that lost it, and not the wish for an account without one.
    """
    members = Members.of_json(request)
    password = members.optional("password", longest=16_384)
    if password == "":
        raise invalid_field("password", "required", "This member must be left out, or not be empty.")
    result = Registration(
        login=members.one_of(LOGIN_NAMES, longest=320),
        password=password,
        name=members.optional("name", longest=128) or "",
        locale=members.shaped("locale", LOCALE, longest=35) or "",
    )
    roles = members.texts("roles", most=MAX_ROLES) or ()
    members.nothing_else()
    return result, roles


def standing(request: Request) -> Standing:
    """Read `{status?: active|disabled, roles?}`: at least one of them."""
    members = Members.of_json(request)
    status = members.choice("status", (UserStatus.ACTIVE, UserStatus.DISABLED))
    roles = members.texts("roles", most=MAX_ROLES)
    members.nothing_else()
    if status is None and roles is None:
        raise nothing_given("status", "roles")
    return Standing(UserStatus(status) if status else None, roles)
