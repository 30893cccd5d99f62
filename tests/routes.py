"""The routes of all functions, as their folders declare them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from infra.packaging import template as source
from latchkey.edge.routing import Route, Routes


@cache
def http_functions() -> frozenset[str]:
    """Return the functions that a route leads to."""
    return frozenset(each.function for each in source.routes(source.load()))


def routes_of(function: str) -> Routes:
    """Return the routes of one function."""
    routes: Routes = importlib.import_module(f"functions.{function}.app").routes
    return routes


@cache
def declared() -> Mapping[str, tuple[str, Route]]:
    """Return every declared route with its function, by `METHOD /path`. Raises `ValueError` if two declare the same."""
    found: dict[str, tuple[str, Route]] = {}
    for function in sorted(http_functions()):
        for route in routes_of(function):
            name = f"{route.method} {route.path}"
            if name in found:
                raise ValueError(f"{name}: {function} and {found[name][0]}")
            found[name] = function, route
    return found
