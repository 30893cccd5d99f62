"""Administration of accounts."""

from functools import cache
from typing import Any

from latchkey.core.errors import invalid_field
from latchkey.core.model import User, UserStatus
from latchkey.core.roles.roles import MAX_ROLES, Operator
from latchkey.core.users.accounts import Registration
from latchkey.core.users.admin import Standing, UserAdmin
from latchkey.edge import bootstrap, documents, listing
from latchkey.edge.forms import LOGIN_NAMES, LONGEST_PASSWORD, Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Administration of accounts")
handler = routes.handler


@routes("GET /v1/admin/users", needs="users:read")
def list_users(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of accounts, oldest first, or with the account of `?login=`."""
    members = Members.of_query(request)
    if not members.has("login"):
        seals = bootstrap.seals()
        return Response(200, listing.page(request, members, seals, user_admin().page, _shown, name="users"))
    login = members.login("login")
    members.nothing_else()
    return Response(200, {"users": [_shown(user) for user in user_admin().find_login(login)], "cursor": None})


@routes("POST /v1/admin/users", needs="users:write")
def create(request: Request, operator: Operator) -> Response:
    """Open an account and return 201 with it. Without a password, its owner sets one by mail."""
    registration, roles = new_account(request)
    user = user_admin().create(operator, registration, roles, now=request.now)
    return Response(201, _shown(user), {"Location": f"/v1/admin/users/{user.sub}"})


@routes("GET /v1/admin/users/{sub}", needs="users:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the account and its links with partners."""
    user = user_admin().find(request.path_parameters["sub"])
    return Response(200, _shown(user) | {"links": [documents.link(each) for each in user_admin().links(user)]})


@routes("PATCH /v1/admin/users/{sub}", needs="users:write")
def change(request: Request, operator: Operator) -> Response:
    """Disable or enable an account or change its roles, and return 200 with it."""
    return Response(200, _shown(user_admin().change(operator, request.path_parameters["sub"], _standing(request))))


@routes("DELETE /v1/admin/users/{sub}/sessions", needs="users:write")
def end_sessions(request: Request, operator: Operator) -> Response:
    """End every session of an account and return 204."""
    request.require_empty()
    user_admin().end_sessions(operator, request.path_parameters["sub"])
    return Response(204)


@routes("DELETE /v1/admin/users/{sub}/devices", needs="users:write")
def forget_devices(request: Request, operator: Operator) -> Response:
    """Forget every known device of an account and return 204."""
    request.require_empty()
    user_admin().forget_devices(operator, request.path_parameters["sub"], now=request.now)
    return Response(204)


@routes("POST /v1/admin/users/{sub}/password-reset", needs="users:write")
def send_reset(request: Request, operator: Operator) -> Response:
    """Mail the owner of an account a code for a new password, and return 202."""
    request.require_empty()
    user_admin().send_reset(operator, request.path_parameters["sub"], now=request.now)
    return Response(202)


def new_account(request: Request) -> tuple[Registration, tuple[str, ...]]:
    """Read `{login|username|email, password?, roles?, name?, locale?}` and return the registration and the roles.

    Reject an empty password: it is more likely a bug in a form than a request for an account without one.
    """
    members = Members.of_json(request)
    password = members.optional("password", longest=LONGEST_PASSWORD)
    if password == "":
        raise invalid_field("password", "required", "This member must be left out, or not be empty.")
    asked = Registration(
        login=members.login(*LOGIN_NAMES),
        password=password,
        name=members.label("name") or "",
        locale=members.language("locale") or "",
    )
    roles = members.texts("roles", most=MAX_ROLES) or ()
    members.nothing_else()
    return asked, roles


def _standing(request: Request) -> Standing:
    """Read `{status?: active|disabled, roles?}`: at least one of them."""
    members = Members.of_json(request)
    status = members.choice("status", (UserStatus.ACTIVE, UserStatus.DISABLED))
    roles = members.texts("roles", most=MAX_ROLES)
    members.nothing_else()
    if status is None and roles is None:
        raise nothing_given("status", "roles")
    return Standing(UserStatus(status) if status else None, roles)


def _shown(user: User) -> dict[str, Any]:
    """Return an account as its owner sees it, and its source."""
    return documents.profile(user, bootstrap.roles_now()) | {"source": user.source}


@cache
def user_admin() -> UserAdmin:
    """Return the administration of accounts."""
    store = bootstrap.store()
    return UserAdmin(
        users=store,
        credentials=store,
        partner_links=store,
        standing=store,
        devices=store,
        accounts=bootstrap.accounts(),
        sessions=bootstrap.sessions(),
        roles=bootstrap.roles_now(),
        journal=LogJournal(),
        outbox=bootstrap.outbox(),
    )
