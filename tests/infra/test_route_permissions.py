"""The table of permissions names every route of the template, and guards it as the template does."""

from __future__ import annotations

from infra.packaging import template as source
from latchkey.core.permissions import API_KEY, BEARER, PUBLIC, ROUTE_PERMISSIONS, USER
from latchkey.core.roles.roles import PERMISSIONS

ROUTES = {f"{r.method} {r.path}": r for r in source.routes(source.load()) if r.method != "OPTIONS"}


def test_table_and_template_name_the_same_routes() -> None:
    """No route is without a line, and no line without its route."""
    assert set(ROUTE_PERMISSIONS) == set(ROUTES)


def test_gateway_guards_what_the_table_closes() -> None:
    """What is public to the table is public to the gateway, and nothing else is."""
    public = {route for route, needed in ROUTE_PERMISSIONS.items() if needed == PUBLIC}
    assert public == {name for name, route in ROUTES.items() if route.authorizer == "NONE"}


def test_what_asks_for_an_api_key_is_guarded_by_its_authorizer() -> None:
    """A token opens no such route, and a key no other."""
    by_key = {route for route, needed in ROUTE_PERMISSIONS.items() if needed == API_KEY}
    assert by_key == {name for name, route in ROUTES.items() if route.authorizer == "ApiKey"}


def test_permissions_asked_for_are_known() -> None:
    """A route that asked for a misspelt permission would be closed to everybody."""
    assert set(ROUTE_PERMISSIONS.values()) - {PUBLIC, BEARER, USER, API_KEY} <= PERMISSIONS


def test_admin_routes_ask_for_a_permission() -> None:
    """Nothing below `/v1/admin/` is for everybody."""
    admin = {needed for route, needed in ROUTE_PERMISSIONS.items() if "/v1/admin/" in route}
    assert admin <= PERMISSIONS


def test_function_of_the_accounts_publishes_no_keys() -> None:
    """Who changes accounts may write neither the public keys nor the roles."""
    grants = source.grants(source.functions(source.load())["users"])
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert "CONFIG" not in {item for grant in grants if grant.action in writes for item in grant.items}
