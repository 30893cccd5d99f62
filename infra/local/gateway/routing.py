"""Find the route of a request as a REST API does: segment by segment, on the raw path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.stack.api import ANY_METHOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.local.stack.api import Route


@dataclass(frozen=True, slots=True)
class Match:
    """A route and its path parameters. They stay percent-encoded: a REST API does not decode them."""

    route: Route
    parameters: Mapping[str, str]


class Router:
    """Matches method and path. Paths are not normalised: `//`, `/./`, a final slash and `%2f` make a different path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        listed = list(routes)
        self._literal = {(route.method, route.path): route for route in listed if "{" not in route.path}
        # Literal segments are tried before parameters, parameters before greedy ones, and methods before ANY.
        self._patterns = sorted((route for route in listed if "{" in route.path), key=_specificity)

    def match(self, method: str, path: str) -> Match | None:
        """Return the most specific match, or `None`."""
        literal = self._literal.get((method, path)) or self._literal.get((ANY_METHOD, path))
        if literal is not None:
            return Match(literal, {})
        for route in self._patterns:
            if route.method in {method, ANY_METHOD}:
                parameters = _parameters(route.path, path)
                if parameters is not None:
                    return Match(route, parameters)
        return None


def _specificity(route: Route) -> tuple[list[int], bool]:
    ranks = [_rank(segment) for segment in route.path.split("/")]
    return ranks, route.method == ANY_METHOD


def _rank(segment: str) -> int:
    if segment.endswith("+}"):
        return 2
    return 1 if segment.startswith("{") else 0


def _parameters(pattern: str, path: str) -> dict[str, str] | None:
    """Return the parameters of a path that fits the pattern, or `None`."""
    wanted, given = pattern.split("/"), path.split("/")
    found: dict[str, str] = {}
    if wanted[-1].endswith("+}") and len(given) >= len(wanted):
        given = [*given[: len(wanted) - 1], "/".join(given[len(wanted) - 1 :])]
    if len(wanted) != len(given):
        return None
    for segment, value in zip(wanted, given, strict=True):
        if segment.startswith("{") and value:
            found[segment.strip("{+}")] = value
        elif segment != value:
            return None
    return found
