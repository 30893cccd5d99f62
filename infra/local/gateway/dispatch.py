"""The gateway: from an HTTP request to a function and back."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
import traceback
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.gateway.authorizers import Authorizers
from infra.local.gateway.events import Exchange, proxy_event
from infra.local.gateway.messages import Refused, Response
from infra.local.gateway.responses import gateway_response
from infra.local.gateway.routing import Match, Router
from infra.local.stack.account import LOCAL_DOMAIN

if TYPE_CHECKING:
    from infra.local.gateway.messages import Headers, Request
    from infra.local.stack.api import Api
    from infra.local.stack.functions import Invoke

_STATUSES = range(100, 600)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110 section 5.5


class MalformedAnswer(ValueError):
    """The answer of a function does not have the form of a Lambda proxy integration."""


class Gateway:
    """One REST API: its routes, authorizers and functions, and the responses of the gateway itself."""

    def __init__(self, api: Api, invoke: Invoke, authorizers: Authorizers | None = None) -> None:
        self._api = api
        self._invoke = invoke
        self._router = Router(api.routes)
        self.authorizers = authorizers or Authorizers(invoke)

    def __call__(self, request: Request) -> Response:
        """Answer one request. Nothing that a client or a function does raises here."""
        request_id = str(uuid.uuid4())
        if self._is_closed_to(request):
            return Response(403, (("Content-Type", "application/json"),), b'{"message":"Forbidden"}')
        try:
            response = self._integrate(Exchange(self._api, request, self._route(request), request_id))
        except Refused as refused:
            response = gateway_response(self._api.responses, refused, request_id, request)
        return Response(response.status, (*response.headers, ("x-amzn-RequestId", request_id)), response.body)

    def refuse(self, refused: Refused) -> Response:
        """Answer a client whose bytes are not a valid request."""
        return gateway_response(self._api.responses, refused, str(uuid.uuid4()), None)

    def _is_closed_to(self, request: Request) -> bool:
        """Return whether the request came to a default endpoint that is disabled.

        A twin has no address in a domain other than `LOCAL_DOMAIN`, so with such a domain it stays open.
        """
        if self._api.default_endpoint or self._api.domain != LOCAL_DOMAIN:
            return False
        return (request.header("Host") or "").partition(":")[0] != LOCAL_DOMAIN

    def _route(self, request: Request) -> Match:
        match = self._router.match(request.method, request.path)
        if match is None:
            raise Refused("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
        return match

    def _integrate(self, exchange: Exchange) -> Response:
        route = exchange.match.route
        authorizer = self._api.authorizers[route.authorizer] if route.authorizer else None
        context = self.authorizers.authorize(authorizer, exchange) if authorizer else None
        try:
            return parse_answer(self._invoke(route.function, proxy_event(exchange, context)))
        except Exception as error:  # noqa: BLE001 - Lambda itself is this boundary: any exception becomes a 502
            traceback.print_exception(error, file=sys.stderr)
            raise Refused("DEFAULT_5XX", "Internal server error") from None


def parse_answer(answer: Any) -> Response:
    """Return the HTTP response in the answer of a Lambda proxy integration. Raise `MalformedAnswer`."""
    if not isinstance(answer, dict):
        raise MalformedAnswer("not an object")
    status = answer.get("statusCode")
    if not str(status).isdigit() or int(str(status)) not in _STATUSES:
        raise MalformedAnswer("no statusCode")
    return Response(int(str(status)), _answer_headers(answer), _answer_body(answer))


def _answer_body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer("the body is not text")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedAnswer("the body is not base64") from error


def _answer_headers(answer: dict[str, Any]) -> Headers:
    """Return the headers. A name in `multiValueHeaders` replaces the same name in `headers`."""
    found = {"content-type": ("Content-Type", ["application/json"])}
    found |= {name.lower(): (name, [value]) for name, value in (answer.get("headers") or {}).items()}
    found |= {name.lower(): (name, values) for name, values in (answer.get("multiValueHeaders") or {}).items()}
    return tuple(_header(name, value) for name, values in found.values() for value in values)


def _header(name: str, value: Any) -> tuple[str, str]:
    text = value if isinstance(value, str) else json.dumps(value)
    if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(text):
        raise MalformedAnswer("a header that HTTP does not allow")
    return name, text
