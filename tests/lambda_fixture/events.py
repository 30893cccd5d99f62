"""The events of API Gateway, as far as the handlers read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.local.stack.account import ACCOUNT, REGION

Event = dict[str, Any]


def proxy_event(
    route: str,
    body: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    caller: Mapping[str, str] | None = None,
    **path_parameters: str,
) -> Event:
    """Return the event of a REST API for a route, such as `POST /v1/auth/login`, with a JSON body if there is one.

    `caller` is the `context` that the authorizer answered, for a route that it protects.
    """
    method, _, resource = route.partition(" ")
    content = {"Content-Type": "application/json"} if body is not None else {}
    context: Event = {"requestId": "request-1", "identity": {"sourceIp": "192.0.2.1"}}
    return {
        "httpMethod": method,
        "resource": resource,
        "headers": {**content, **(headers or {})},
        "pathParameters": path_parameters or None,
        "queryStringParameters": None,
        "requestContext": context if caller is None else context | {"authorizer": dict(caller)},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def token_event(access_token: str, *, route: str = "GET /v1/auth/me") -> Event:
    """Return the event of an authorizer for a request with this access token."""
    method, _, path = route.partition(" ")
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1/live/{method}{path}"
    return {"type": "TOKEN", "authorizationToken": f"Bearer {access_token}", "methodArn": arn}
