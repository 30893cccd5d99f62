"""Build gateway responses: the responses that API Gateway sends without a function."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from infra.local.gateway.messages import Response
from infra.local.stack.api import GatewayResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.gateway.messages import Headers, Refused, Request

STATUSES = {
    "ACCESS_DENIED": 403,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "BAD_REQUEST_BODY": 400,
    "DEFAULT_5XX": 502,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "REQUEST_TOO_LARGE": 413,
    "UNAUTHORIZED": 401,
}
"""The default status of each type (API Gateway developer guide, "gateway responses")."""

_SERVER_ERRORS = 500
_DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}
_VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)|\$\{context\.([A-Za-z.]+)\}")


def gateway_response(
    responses: Mapping[str, GatewayResponse], refused: Refused, request_id: str, request: Request | None
) -> Response:
    """Return the response to a rejected request, as the template words it or else as API Gateway does."""
    status = refused.status or STATUSES[refused.kind]
    found = responses.get(refused.kind) or responses.get(_default(status)) or GatewayResponse()
    variables = _variables(refused, request_id, request)
    content_type, template = next(iter((found.templates or _DEFAULT_TEMPLATES).items()))
    headers = _headers(found.parameters, variables, request)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers = (("Content-Type", content_type), *headers)
    return Response(found.status or status, headers, _fill(template, variables).encode())


def _default(status: int) -> str:
    return "DEFAULT_5XX" if status >= _SERVER_ERRORS else "DEFAULT_4XX"


def _variables(refused: Refused, request_id: str, request: Request | None) -> dict[str, str]:
    return {
        "requestId": request_id,
        "extendedRequestId": request_id,
        "error.message": refused.message,
        "error.messageString": json.dumps(refused.message),
        "error.responseType": refused.kind,
        "httpMethod": request.method if request else "",
        "path": request.path if request else "",
        "identity.sourceIp": request.peer if request else "",
    }


def _headers(parameters: Mapping[str, str], variables: Mapping[str, str], request: Request | None) -> Headers:
    """Return the headers that response parameters define, such as `gatewayresponse.header.X-Name: "'text'"`."""
    prefix = "gatewayresponse.header."
    named = ((name.removeprefix(prefix), value) for name, value in parameters.items() if name.startswith(prefix))
    filled = ((name, _parameter(value, variables, request)) for name, value in named)
    return tuple((name, value) for name, value in filled if value)


def _parameter(value: str, variables: Mapping[str, str], request: Request | None) -> str:
    if value.startswith("'"):
        return value.strip("'")
    source, _, name = value.rpartition(".")
    if source == "method.request.header" and request is not None:
        return request.header(name) or ""
    return variables.get(value.removeprefix("context."), "")


def _fill(template: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), template)
