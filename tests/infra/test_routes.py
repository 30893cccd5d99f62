"""The routes that the functions declare are those of the template, and the template guards what they need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import pytest

from infra.packaging import template as source
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS
from latchkey.edge.routing import API_KEY, BEARER, PUBLIC, Access, KeyOrToken, Need, Person, Route
from tests.routes import declared, http_functions, routes_of

GUARDS = {PUBLIC: "NONE", BEARER: "Bearer", API_KEY: "ApiKey"}
"""The authorizer in front of each kind of route. A permission is read from a token, so `Bearer` guards it."""

WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}

Table = Mapping[str, tuple[str, str | None]]
"""Function and authorizer by `METHOD /path`."""


def guard(needs: Need) -> str:
    if isinstance(needs, KeyOrToken):
        return "NONE"
    return GUARDS[needs] if isinstance(needs, Access) else "Bearer"


def in_code() -> Table:
    return {name: (function, guard(route.needs)) for name, (function, route) in declared().items()}


def in_template() -> Table:
    """Return the template's routes."""
    found = source.routes(source.load())
    table: Table = {f"{each.method} {each.path}": (each.function, each.authorizer) for each in found}
    assert len(table) == len(found)
    return table


def needed() -> dict[str, Need]:
    return {name: route.needs for name, (_, route) in declared().items()}


def test_code_and_template_name_the_same_routes() -> None:
    """Each route has one function, the same in both places, behind the authorizer that fits what it needs."""
    assert in_code() == in_template()


def test_permissions_asked_for_are_known() -> None:
    """A route with a misspelt permission would be closed to everyone."""
    by_key = {needs.permission for needs in needed().values() if isinstance(needs, KeyOrToken)}
    assert {needs for needs in needed().values() if isinstance(needs, str)} | by_key <= PERMISSIONS


def test_people_hold_what_their_routes_ask_for() -> None:
    """The role `user`, which every other role implies, permits each route for people; each asks for something."""
    asked = [set(needs.permissions) for needs in needed().values() if isinstance(needs, Person)]
    assert asked
    assert all(asked)
    assert set().union(*asked) <= BUILT_IN.roles["user"]


def test_admin_routes_ask_for_a_permission() -> None:
    """No route below `/v1/admin/` is open to everyone who has signed in."""
    admin = {name: needs for name, needs in needed().items() if "/v1/admin/" in name}
    assert admin
    assert [name for name, needs in admin.items() if not isinstance(needs, str)] == []


def test_every_route_has_a_sentence() -> None:
    """The documentation of the API is made from these."""

    def speechless(route: Route) -> bool:
        return not route.doc.strip().endswith(".")

    assert [name for name, (_, route) in declared().items() if speechless(route)] == []


@pytest.mark.parametrize("function", sorted(http_functions()))
def test_handler_is_that_of_the_routes(function: str) -> None:
    """So no request reaches a function past its declared routes, and every function has a title."""
    routes = routes_of(function)
    assert importlib.import_module(f"functions.{function}.app").handler is routes.handler
    assert routes.title


def test_function_of_the_accounts_publishes_no_keys() -> None:
    """The function that changes accounts may write neither the public keys nor the roles."""
    grants = source.grants(source.functions(source.load())["users"])
    assert "CONFIG" not in {item for grant in grants if grant.action in WRITES for item in grant.items}
