"""One route, `OPTIONS /{proxy+}`, answers the preflight requests of all paths.

AWS's guide says only that a specific resource goes before a greedy one. These tests rest on what others have measured
on real REST APIs: API Gateway picks the most specific resource *that has the method*. A resource with other methods
does not hide a greedy one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.gateway.dispatch import Gateway
from infra.local.gateway.messages import Request
from infra.local.gateway.routing import Router
from infra.local.stack.api import Route, read_api
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import translate
from infra.packaging import template as source
from infra.packaging.template import Template
from latchkey.edge import cors, telemetry
from tests.infra.flaws import Flaw, add_function, event, flawed, plant

if TYPE_CHECKING:
    from infra.local.stack.api import Api

APP = "https://app.example"
NO_AUTH = {"Auth": {"Authorizer": "NONE"}}
PARAMETER = re.compile(r"\{[^}]*\}")

LOCALSTACK = ("POST /test", "ANY /test/any", "OPTIONS /{proxy+}")
"""LocalStack's test_proxy_routing_with_hardcoded_resource_sibling, which it runs against AWS too."""

MINISTACK = ("ANY /{proxy+}", "GET /jobs/{type}", "OPTIONS /cors_only")
"""What ministack's _match_greedy_fallback was written after, measured in eu-central-1."""

FLOCI = ("GET /users/{id}", "PATCH /users/me")
"""What floci's routing of a REST API was written after, measured in us-west-2."""

MEASURED = [
    (LOCALSTACK, "OPTIONS /test", "OPTIONS /{proxy+}"),
    (LOCALSTACK, "POST /test", "POST /test"),
    (LOCALSTACK, "OPTIONS /test/any", "ANY /test/any"),
    (LOCALSTACK, "GET /test/any", "ANY /test/any"),
    (MINISTACK, "GET /jobs/reboot", "GET /jobs/{type}"),
    (MINISTACK, "POST /jobs/reboot", "ANY /{proxy+}"),
    (MINISTACK, "GET /jobs", "ANY /{proxy+}"),
    (MINISTACK, "GET /cors_only", "ANY /{proxy+}"),
    (FLOCI, "GET /users/me", "GET /users/{id}"),
    (FLOCI, "PATCH /users/me", "PATCH /users/me"),
    (FLOCI, "POST /users/me", None),
]


def parse(route: str) -> Route:
    method, path = route.split()
    return Route(method, path, route, None)


def answered_by(routes: list[Route], method: str, path: str) -> str | None:
    """Return the function that gets a request, or `None`."""
    match = Router(routes).match(method, path)
    return match.route.function if match else None


@pytest.mark.parametrize(("routes", "request_line", "expected"), MEASURED)
def test_router_picks_the_route_that_api_gateway_picks(
    routes: tuple[str, ...], request_line: str, expected: str | None
) -> None:
    """The twin gives each request to the resource to which a real REST API gave it."""
    method, path = request_line.split()
    assert answered_by([parse(each) for each in routes], method, path) == expected


def without_preflight(template: Template) -> list[str]:
    """Name the paths whose preflight requests do not reach the preflight function."""
    routes = [Route(each.method, each.path, each.function, None) for each in source.routes(template)]
    paths = {route.path for route in routes}
    return sorted(
        path for path in paths if answered_by(routes, "OPTIONS", PARAMETER.sub("any-value", path)) != "preflight"
    )


def test_every_path_has_a_preflight() -> None:
    """No route of the template keeps an OPTIONS request from the preflight function."""
    assert without_preflight(source.load()) == []


@pytest.mark.parametrize(
    "flaw",
    [
        plant("PreflightFunction", "Properties", "Events", value={}),
        add_function(Events=event("/flaw", Method="any", **NO_AUTH)),
        add_function(Events=event("/flaw", Method="options", **NO_AUTH)),
        add_function(Events=event("/", **NO_AUTH)),
    ],
    ids=["no route", "route of every method", "OPTIONS of its own", "path that no greedy resource matches"],
)
def test_path_without_a_preflight_is_noticed(flaw: Flaw) -> None:
    """A rule that does not notice a planted flaw proves nothing."""
    assert without_preflight(flawed(source.load(), flaw)) != []


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    return translate(source.PATH.read_text(), {})


@pytest.fixture(scope="module")
def api(expanded: dict[str, Any]) -> Api:
    return read_api(Resolver(expanded, {}, {}))


@pytest.fixture
def gateway(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """The API of the template, in front of its preflight function. The stack lists one origin."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "latchkey")
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "false")
    monkeypatch.setenv("LATCHKEY_ALLOWED_ORIGINS", APP)
    cors.allowed_origins.cache_clear()
    from functions.preflight.app import handler

    def invoke(name: str, event: dict[str, Any]) -> Any:
        assert name == "PreflightFunction"
        return handler(event, None)

    yield Gateway(api, invoke)
    cors.allowed_origins.cache_clear()
    telemetry.logger.cache_clear()  # its handler holds the standard output of this test
    logging.Logger.manager.loggerDict.pop("latchkey", None)


def preflight(gateway: Gateway, path: str, origin: str) -> tuple[int, str | None]:
    """Send a preflight request; return the status and the origin that may call."""
    headers = (("Origin", origin), ("Access-Control-Request-Method", "POST"))
    response = gateway(Request("OPTIONS", path, "", headers, b"", "198.51.100.7"))
    return response.status, dict(response.headers).get("Access-Control-Allow-Origin")


def test_a_listed_origin_may_call_every_path_and_no_other_origin_may(gateway: Gateway, api: Api) -> None:
    """Through the gateway to the function: 204 without a token, and the listed origin's name or none."""
    paths = sorted({PARAMETER.sub("any-value", route.path) for route in api.routes})
    assert {preflight(gateway, path, APP) for path in paths} == {(204, APP)}
    assert {preflight(gateway, path, "https://evil.example") for path in paths} == {(204, None)}


def test_one_permission_covers_every_preflight(expanded: dict[str, Any]) -> None:
    """API Gateway may invoke the function for OPTIONS of any path of this API, by a single statement of its policy."""
    [permission] = [
        each["Properties"]
        for each in expanded["Resources"].values()
        if each["Type"] == "AWS::Lambda::Permission" and "PreflightFunction" in str(each["Properties"]["FunctionName"])
    ]
    arn, values = permission["SourceArn"]["Fn::Sub"]
    assert arn.endswith(":${AWS::AccountId}:${__ApiId__}/${__Stage__}/OPTIONS/*")
    assert values == {"__ApiId__": {"Ref": "Api"}, "__Stage__": "*"}
