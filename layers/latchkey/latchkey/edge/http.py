"""HTTP: API Gateway events become requests, and responses and errors become what API Gateway expects.

One adapter reads both payload formats, 1.0 (REST API, HTTP API) and 2.0 (HTTP API). One renderer writes every error.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any

from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.edge import cors, origins
from latchkey.edge.telemetry import log_crash, logger, on_behalf_of
from latchkey.signing.strict_json import StrictJsonError, loads

MAX_BODY = 16_384
"""Bytes of a request body."""

_KEY = re.compile(r"[\x21-\x7E]{1,128}")

MAX_NAME = 64
"""Characters of a name chosen by the client that a response or a log line repeats."""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower-case; `now` is in seconds since the epoch.

    `address` is the one that the gateway saw, never one that a header claims. `caller` is what the authorizer proved.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    path_parameters: Mapping[str, str]
    address: str
    caller: Mapping[str, str]
    request_id: str
    now: int
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """Return what `Idempotency-Key` holds: 1 to 128 visible characters, without quotes; empty for anything else."""
        text = self.headers.get("idempotency-key", "").strip().strip('"')
        return text if _KEY.fullmatch(text) else ""

    def json(self) -> dict[str, object]:
        """Return the JSON object in the body.

        Raises `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, or `INVALID_REQUEST` with the member at fault, if any.
        """
        self._require_content("application/json")
        try:
            document = loads(self.body)
        except StrictJsonError as error:
            raise _bad_json(error) from None
        if not isinstance(document, dict):
            raise invalid_field("", "not_an_object", "The body must be a JSON object.")
        return document

    def form(self) -> str:
        """Return the text of an `application/x-www-form-urlencoded` body."""
        self._require_content("application/x-www-form-urlencoded")
        try:
            return self.body.decode("ascii")
        except UnicodeDecodeError:
            raise ServiceError(Errors.INVALID_REQUEST, "form body is not ASCII") from None

    def require_empty(self) -> None:
        """Raise `INVALID_REQUEST` if there is a body."""
        if self.body.strip() not in {b"", b"{}"}:
            raise ServiceError(Errors.INVALID_REQUEST, "a body on a route without one")

    def _require_content(self, media_type: str) -> None:
        # Neither type has parameters: both are UTF-8 whatever a charset says (RFC 8259 section 11, WHATWG URL 5.1).
        kind = self.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != media_type:
            raise ServiceError(Errors.UNSUPPORTED_MEDIA_TYPE, f"not {media_type}")
        if len(self.body) > MAX_BODY:
            raise ServiceError(Errors.PAYLOAD_TOO_LARGE, f"{len(self.body)} bytes")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. A `body` of `None` means that there is none."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]


def endpoint(handle: Handler) -> Callable[[Event, object], dict[str, Any]]:
    """Return a Lambda handler that answers requests with this function.

    Errors of the table become problem documents, or RFC 6749 errors below `/oauth2/`. Any other error becomes a 500
    without details, and a log line that says where it happened.
    """
    logger()  # refuses to start if events would be logged

    @wraps(handle)
    def handler(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
        request_id = origins.request_id(event)
        with on_behalf_of(request_id, origins.address(event)):
            response = _answer(handle, event, request_id)
        return _rendered(response, event, request_id)

    return handler


def _answer(handle: Handler, event: Event, request_id: str) -> Response:
    path = _route(event)
    try:
        return handle(_request(event, request_id))
    except ServiceError as error:
        logger().info("refused", extra={"code": error.kind.code, "private": error.private, "path": path})
        return _error_response(error, path, request_id)
    except Exception as error:  # noqa: BLE001 - the last resort: no raw error may reach the caller
        log_crash(error)
        return _error_response(ServiceError(Errors.INTERNAL), path, request_id)


_SINGLE = frozenset({"authorization", "content-type", "x-api-key", "origin"})
_OAUTH = "/oauth2/"
_ALWAYS = {
    "Cache-Control": "no-store",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


def _request(event: Event, request_id: str) -> Request:
    context = event.get("requestContext") or {}
    return Request(
        method=_method(event),
        path=_route(event),
        headers=_headers(event),
        body=_body(event),
        path_parameters=event.get("pathParameters") or {},
        address=origins.address(event),
        caller=_caller(context),
        request_id=request_id,
        now=int(time.time()),
        query=_query(event),
    )


def _method(event: Event) -> str:
    http = (event.get("requestContext") or {}).get("http") or {}  # payload 2.0
    return str(http.get("method") or event.get("httpMethod") or "")


def _route(event: Event) -> str:
    """Return the route as the template spells it, not the path that the client sent."""
    route_key = str(event.get("routeKey") or "")
    return str(event.get("resource") or route_key.partition(" ")[2] or event.get("path") or "")


def _caller(context: Mapping[str, Any]) -> dict[str, str]:
    """Return what the authorizer passed on. HTTP APIs nest it under `lambda`."""
    proven = context.get("authorizer") or {}
    return {name: value for name, value in (proven.get("lambda") or proven).items() if isinstance(value, str)}


def _headers(event: Event) -> dict[str, str]:
    """Return the headers by lower-case name. A header that decides something must not be repeated or contradicted."""
    single = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    multiple: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        multiple.setdefault(name.lower(), []).extend(values)  # one name may come in two spellings
    for name in _SINGLE & multiple.keys():
        if len(multiple[name]) != 1 or single.get(name, multiple[name][0]) != multiple[name][0]:
            raise ServiceError(Errors.INVALID_REQUEST, f"header {name} is repeated")
    return single | {name: ", ".join(values) for name, values in multiple.items()}


def _query(event: Event) -> dict[str, str]:
    """Return the parameters of the query. None may be repeated."""
    for name, values in (event.get("multiValueQueryStringParameters") or {}).items():
        if len(values) != 1:
            raise invalid_field(name[:MAX_NAME], "duplicate_member", "This parameter is repeated.")
    return dict(event.get("queryStringParameters") or {})


def _body(event: Event) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode("utf-8", "surrogatepass")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ServiceError(Errors.INVALID_REQUEST, "the body is not Base64") from None


_JSON_FAULTS = {
    "not_utf8": "The body must be UTF-8 without a byte order mark.",
    "not_json": "The body must be JSON.",
    "duplicate_member": "A member is repeated.",
    "too_deep": "The body is nested too deeply.",
    "bad_number": "A number is out of range.",
    "bad_string": "A string contains half of a surrogate pair.",
}


def _bad_json(error: StrictJsonError) -> ServiceError:
    return invalid_field(error.member[:MAX_NAME], error.code, _JSON_FAULTS[error.code])


def _error_response(error: ServiceError, path: str, request_id: str) -> Response:
    body = _oauth_error(error) if path.startswith(_OAUTH) else _problem(error, request_id)
    status = error.kind.status
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, error.retry_after))}
    if path.startswith(_OAUTH):
        status = 400 if error.kind.oauth == Errors.INVALID_GRANT.value.oauth else status  # RFC 6749 section 5.2
        challenge = 'Basic realm="latchkey"'
    else:
        headers["Content-Type"] = "application/problem+json"
        challenge = _bearer_challenge(error)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge
    return Response(status, body, headers)


def _bearer_challenge(error: ServiceError) -> str:
    """Return the challenge of RFC 6750 section 3, with an error code if a token was at fault."""
    fault = ', error="invalid_token"' if error.error is Errors.INVALID_TOKEN else ""
    return f'Bearer realm="latchkey"{fault}'


def _problem(error: ServiceError, request_id: str) -> dict[str, Any]:
    """Return the problem document of RFC 9457."""
    kind = error.kind
    body: dict[str, Any] = {
        "type": f"urn:latchkey:error:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.detail,
        "code": kind.code,
        "request_id": request_id,
    }
    if error.fields:
        body["errors"] = [_field_error(fault) for fault in error.fields]
    return body | dict(error.members)


def _field_error(fault: FieldError) -> dict[str, str]:
    return {"field": fault.field, "code": fault.code, "message": fault.message}


_NOT_IN_DESCRIPTIONS = re.compile(r"[^ !#-\[\]-~]")  # RFC 6749 section 5.2


def _oauth_error(error: ServiceError) -> dict[str, Any]:
    """Return the error of RFC 6749 section 5.2. Its description names the parameter at fault."""
    described = [f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in error.fields]
    description = _NOT_IN_DESCRIPTIONS.sub("", " ".join(described) or error.kind.detail)
    return {"error": error.kind.oauth, "error_description": description}


def _rendered(response: Response, event: Event, request_id: str) -> dict[str, Any]:
    headers = _ALWAYS | {"X-Request-Id": request_id}
    if response.body is not None:
        headers["Content-Type"] = "application/json"
    headers |= cors.answer_headers(event.get("headers") or {})
    has_body = response.body is not None and _method(event) != "HEAD"  # RFC 9110 section 9.3.2
    return {
        "statusCode": response.status,
        "headers": headers | dict(response.headers),
        "body": json.dumps(response.body, ensure_ascii=False) if has_body else "",
        "isBase64Encoded": False,
    }
