"""The Lambda Invoke API, for the functions that no route and no authorizer refers to."""

from __future__ import annotations

import json
import re
import sys
import traceback
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.local.gateway.messages import Response

if TYPE_CHECKING:
    from infra.local.gateway.messages import Request
    from infra.local.stack.api import Api
    from infra.local.stack.functions import Invoke

PREFIX = "/2015-03-31/functions/"

_PATH = re.compile(rf"{PREFIX}([A-Za-z0-9_-]+)/invocations")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Invocations:
    """Invokes functions by name, as `sam local start-lambda` does, for programs on this machine only.

    In AWS, IAM decides who may invoke a function. There is no IAM here, so web pages and other machines are rejected.
    """

    def __init__(self, api: Api, invoke: Invoke) -> None:
        """Offer the functions of the template that no route and no authorizer refers to."""
        answering = {route.function for route in api.routes}
        answering |= {authorizer.function for authorizer in api.authorizers.values()}
        self._names = api.functions.keys() - answering
        self._invoke = invoke

    def answer(self, request: Request) -> Response:
        """Answer one Invoke call (AWS Lambda API reference, "Invoke")."""
        if not is_of_this_machine(request):
            return _refusal(403, "AccessDeniedException", "Only programs on this machine may invoke a function.")
        found = _PATH.fullmatch(request.path)
        if request.method != "POST" or found is None or found[1] not in self._names:
            return _refusal(404, "ResourceNotFoundException", "There is no function of this name to invoke.")
        if (request.header("X-Amz-Invocation-Type") or "RequestResponse") != "RequestResponse":
            return _refusal(
                400, "InvalidParameterValueException", "The twin supports only RequestResponse invocations."
            )
        try:
            event = json.loads(request.body)
        except ValueError:
            return _refusal(400, "InvalidRequestContentException", "The payload is not JSON.")
        return self._invoked(found[1], event)

    def _invoked(self, name: str, event: Any) -> Response:
        try:
            return _json(200, self._invoke(name, event))
        except Exception as error:  # noqa: BLE001 - Lambda itself is this boundary
            traceback.print_exception(error, file=sys.stderr)
            return _json(200, {"errorType": type(error).__name__}, ("X-Amz-Function-Error", "Unhandled"))


def is_of_this_machine(request: Request) -> bool:
    """Return whether a program on this machine sent it. A browser sends an Origin, or the host name of an attacker."""
    try:
        host = urlsplit(f"//{request.header('Host') or ''}").hostname
        near = ip_address(request.peer).is_loopback
    except ValueError:
        return False
    return near and host in _LOOPBACK and request.header("Origin") is None


def _refusal(status: int, kind: str, message: str) -> Response:
    return _json(status, {"Type": "User", "Message": message}, ("X-Amzn-ErrorType", kind))


def _json(status: int, document: Any, *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", "application/json"), *headers), json.dumps(document).encode())
