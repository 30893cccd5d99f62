"""Build the events that API Gateway sends to Lambda: REST proxy events (payload 1.0) and authorizer events."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from infra.local.stack.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.local.gateway.messages import Request
    from infra.local.gateway.routing import Match
    from infra.local.stack.api import Api

Event = dict[str, Any]

_NO_IAM_IDENTITY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way through the gateway."""

    api: Api
    request: Request
    match: Match
    request_id: str

    @property
    def method_arn(self) -> str:
        """The ARN of the requested method, with the path as the client wrote it."""
        stage = f"{self.api.api_id}/{self.api.stage}"
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{stage}/{self.request.method}{self.request.path}"


def proxy_event(exchange: Exchange, authorizer: Mapping[str, Any] | None) -> Event:
    """Return the event of a Lambda proxy integration. `authorizer` holds what the authorizer adds to the context."""
    body, encoded = _body(exchange)
    context = _context(exchange)
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    return _description(exchange) | {"requestContext": context, "body": body, "isBase64Encoded": encoded}


def token_event(exchange: Exchange, token: str) -> Event:
    """Return the event of a TOKEN authorizer."""
    return {"type": "TOKEN", "authorizationToken": token, "methodArn": exchange.method_arn}


def request_event(exchange: Exchange) -> Event:
    """Return the event of a REQUEST authorizer."""
    return {"type": "REQUEST", "methodArn": exchange.method_arn} | (
        _description(exchange) | {"requestContext": _context(exchange)}
    )


def _description(exchange: Exchange) -> Event:
    request = exchange.request
    headers = _multiple([*request.headers, *_added_headers(request, exchange.request_id)])
    query = _multiple(parse_qsl(request.query, keep_blank_values=True))
    return {
        "resource": exchange.match.route.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(exchange.match.parameters) or None,
        "stageVariables": None,
    }


def _context(exchange: Exchange) -> Event:
    request, api = exchange.request, exchange.api
    now = time.time()
    return {
        "resourceId": resource_id(exchange.match.route.path),
        "resourcePath": exchange.match.route.path,
        "httpMethod": request.method,
        "extendedRequestId": exchange.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "path": request.path,
        "accountId": ACCOUNT,
        "protocol": request.protocol,
        "stage": api.stage,
        "domainPrefix": api.api_id,
        "requestTimeEpoch": int(now * 1000),
        "requestId": exchange.request_id,
        "identity": _identity(request),
        "domainName": request.header("Host") or "",
        "apiId": api.api_id,
    }


def _identity(request: Request) -> Event:
    # The address is that of the TCP peer: X-Forwarded-For proves nothing, because any client can send it.
    return _NO_IAM_IDENTITY | {"sourceIp": request.peer, "userAgent": request.header("User-Agent")}


@cache  # one value for each route of the template
def resource_id(path: str) -> str:
    """Return an id for a resource. It looks like one of API Gateway's and is always the same for the same path."""
    return base64.b32encode(hashlib.sha256(path.encode()).digest())[:6].decode().lower()


def _added_headers(request: Request, request_id: str) -> list[tuple[str, str]]:
    """Return the headers that API Gateway adds for the integration."""
    claimed = request.header("X-Forwarded-For")
    trace = f"Root=1-{int(time.time()):08x}-{request_id.replace('-', '')[:24]}"
    return [
        ("X-Amzn-Trace-Id", trace),
        ("X-Forwarded-For", f"{claimed}, {request.peer}" if claimed else request.peer),
        ("X-Forwarded-Proto", "http"),
    ]


def _multiple(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group values by name. Names keep the case of their first use, as in a REST API."""
    names: dict[str, str] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return grouped


def _last(grouped: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in grouped.items()}


def _body(exchange: Exchange) -> tuple[str | None, bool]:
    """Return the body and whether it is in base64: binary media types of the API are, and text that is not UTF-8."""
    request = exchange.request
    if not request.body:
        return None, False
    if not _is_binary(request, exchange.api):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            # AWS inserts replacement characters here. Base64 keeps the bytes, and the function must reject them.
            pass
    return base64.b64encode(request.body).decode(), True


def _is_binary(request: Request, api: Api) -> bool:
    media_type = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    return any(fnmatchcase(media_type, pattern.replace("~1", "/")) for pattern in api.binary_media_types)
