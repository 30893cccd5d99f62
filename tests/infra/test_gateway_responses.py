"""Gateway responses: API Gateway sends the same problem documents as the functions, for the same errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.gateway.messages import Refused
from infra.local.gateway.responses import gateway_response
from infra.local.stack.api import read_api
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import translate
from infra.packaging import template as source
from latchkey.core.errors import Errors
from latchkey.edge import cors

GATEWAY_RESPONSES = {
    "ACCESS_DENIED": Errors.FORBIDDEN,
    "API_CONFIGURATION_ERROR": Errors.INTERNAL,
    "AUTHORIZER_CONFIGURATION_ERROR": Errors.UNAVAILABLE,
    "AUTHORIZER_FAILURE": Errors.UNAVAILABLE,
    "BAD_REQUEST_BODY": Errors.INVALID_REQUEST,
    "BAD_REQUEST_PARAMETERS": Errors.INVALID_REQUEST,
    "DEFAULT_4XX": Errors.INVALID_REQUEST,
    "DEFAULT_5XX": Errors.INTERNAL,
    "EXPIRED_TOKEN": Errors.NOT_FOUND,
    "INTEGRATION_FAILURE": Errors.UNAVAILABLE,
    "INTEGRATION_TIMEOUT": Errors.UNAVAILABLE,
    "INVALID_SIGNATURE": Errors.NOT_FOUND,
    "MISSING_AUTHENTICATION_TOKEN": Errors.NOT_FOUND,
    "QUOTA_EXCEEDED": Errors.RATE_LIMITED,
    "REQUEST_TOO_LARGE": Errors.PAYLOAD_TOO_LARGE,
    "RESOURCE_NOT_FOUND": Errors.NOT_FOUND,
    "THROTTLED": Errors.RATE_LIMITED,
    "UNAUTHORIZED": Errors.INVALID_TOKEN,
    "UNSUPPORTED_MEDIA_TYPE": Errors.UNSUPPORTED_MEDIA_TYPE,
    "WAF_FILTERED": Errors.FORBIDDEN,
}

PROBLEM_HEADERS = {
    "Content-Type": "'application/problem+json'",
    "Cache-Control": "'no-store'",
    "Strict-Transport-Security": "'max-age=63072000; includeSubDomains'",
    "X-Content-Type-Options": "'nosniff'",
}

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "'*'",
    "Access-Control-Expose-Headers": "'WWW-Authenticate, Retry-After, X-Request-Id'",
}
"""Headers that a stack with `AllowedOrigins` adds."""


@pytest.fixture(scope="module")
def responses() -> Any:
    return source.load()["Resources"]["Api"]["Properties"]["GatewayResponses"]


def test_gateway_answers_what_the_table_of_errors_says(responses: Any) -> None:
    """Every gateway response of the template is listed here with its error."""
    assert set(responses) == set(GATEWAY_RESPONSES)


@pytest.mark.parametrize(("name", "error"), GATEWAY_RESPONSES.items())
def test_gateway_response_is_a_problem_document(responses: Any, name: str, error: Errors) -> None:
    """The body is the problem document of that error (RFC 9457), under its status."""
    response = responses[name]
    body = json.loads(response["ResponseTemplates"]["application/problem+json"])
    kind = error.value
    detail = "The firewall refused this request." if name == "WAF_FILTERED" else kind.detail
    assert (response["StatusCode"], body) == (
        kind.status,
        {
            "type": f"urn:latchkey:error:{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": detail,
            "code": kind.code,
            "request_id": "$context.requestId",
        },
    )


@pytest.mark.parametrize(("name", "error"), GATEWAY_RESPONSES.items())
def test_gateway_response_has_the_headers_of_its_status(responses: Any, name: str, error: Errors) -> None:
    """401 carries a Bearer challenge (RFC 6750 section 3), 429 and 503 carry Retry-After, and nothing is cached."""
    headers = responses[name]["ResponseParameters"]["Headers"]
    by_status = {
        401: {"WWW-Authenticate": '\'Bearer realm="latchkey", error="invalid_token"\''},
        429: {"Retry-After": "'1'"},
        503: {"Retry-After": "'1'"},
    }
    assert headers == PROBLEM_HEADERS | by_status.get(error.value.status, {})


@pytest.mark.parametrize("name", GATEWAY_RESPONSES)
def test_page_of_an_allowed_origin_may_read_every_gateway_response(responses: Any, name: str) -> None:
    """A web app must see the 401 that tells it to refresh. A stack without `AllowedOrigins` says nothing."""
    with_origins = source.load("HasOrigins")["Resources"]["Api"]["Properties"]["GatewayResponses"][name]
    headers = responses[name]["ResponseParameters"]["Headers"]
    assert with_origins["ResponseParameters"]["Headers"] == headers | CORS_HEADERS
    assert not CORS_HEADERS.keys() & headers.keys()


def test_gateway_exposes_the_headers_that_functions_expose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads the same headers, whether a function or the gateway answered."""
    monkeypatch.setenv("LATCHKEY_ALLOWED_ORIGINS", "https://app.example")
    cors.allowed_origins.cache_clear()
    exposed = cors.answer_headers({"Origin": "https://app.example"})["Access-Control-Expose-Headers"]
    cors.allowed_origins.cache_clear()
    assert CORS_HEADERS["Access-Control-Expose-Headers"] == f"'{exposed}'"


@pytest.mark.parametrize(("origins", "sent"), [("", None), ("https://app.example", "*")])
def test_twin_sends_the_headers_of_the_expanded_template(origins: str, sent: str | None) -> None:
    """SAM hands the condition on, and a header whose value is absent is not sent."""
    parameters = {"AllowedOrigins": origins}
    api = read_api(Resolver(translate(source.PATH.read_text(), parameters), {}, parameters))
    answer = gateway_response(api.responses, Refused("UNAUTHORIZED", "Unauthorized"), "r-1", None)
    headers = dict(answer.headers)
    assert headers.get("Access-Control-Allow-Origin") == sent
    assert headers["WWW-Authenticate"] == 'Bearer realm="latchkey", error="invalid_token"'
