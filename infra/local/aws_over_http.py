"""The twin's AWS over HTTP, for functions that run in containers: DynamoDB and Secrets Manager.

Each request becomes a call of boto3, so it passes the same lock and the same observers as a call of the twin itself: a
container's write reaches the stream, and so the mailer.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from infra.local.gateway.messages import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.gateway.messages import Request

PREFIX = "/_local/aws"
"""Where `AWS_ENDPOINT_URL` of the functions points."""

_SERVICES = {"DynamoDB_20120810": "dynamodb", "secretsmanager": "secretsmanager"}
"""The services by the prefix of `X-Amz-Target`. The twin itself sends the mail that waits in the table."""

_BAD_REQUEST = 400


class Endpoint:
    """Answers requests in AWS's JSON protocol. It verifies no signature: it is for this machine and its containers."""

    def __init__(self) -> None:
        """Make the clients, which moto must already answer."""
        self._clients: dict[str, Any] = {service: boto3.client(service) for service in _SERVICES.values()}  # type: ignore[call-overload]

    def answer(self, request: Request) -> Response:
        """Carry out one call."""
        target, _, operation = (request.header("X-Amz-Target") or "").partition(".")
        client = self._clients.get(_SERVICES.get(target, ""))
        method = xform_name(operation)
        if client is None or client.meta.method_to_api_mapping.get(method) != operation:
            return _failure("UnknownOperationException", "The twin has DynamoDB and Secrets Manager only.")
        try:
            answer = getattr(client, method)(**json.loads(request.body or b"{}"))
        except ClientError as error:
            return _refusal(error.response)
        except (ParamValidationError, ValueError, TypeError) as error:
            return _failure("ValidationException", str(error))
        return _response(200, {name: value for name, value in answer.items() if name != "ResponseMetadata"})


def _refusal(response: Mapping[str, Any]) -> Response:
    """Return an error of AWS, with the members that its model has, such as the item that a condition met."""
    error = response["Error"]
    members = {name: value for name, value in response.items() if name not in {"Error", "ResponseMetadata", "message"}}
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return _response(status, {"__type": error["Code"], "message": error.get("Message", ""), **members})


def _failure(code: str, message: str) -> Response:
    return _response(_BAD_REQUEST, {"__type": code, "message": message})


def _response(status: int, document: Mapping[str, Any]) -> Response:
    body = json.dumps(document, default=_seconds).encode()
    return Response(status, (("Content-Type", "application/x-amz-json-1.1"),), body)


def _seconds(moment: object) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    raise TypeError(type(moment).__name__)
