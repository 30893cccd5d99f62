"""Read the API of an expanded template: its routes, authorizers and gateway responses, and all functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.stack.intrinsics import Resolver

ANY_METHOD = "ANY"
DEFAULT_AUTHORIZER_TTL = 300
"""Seconds that API Gateway caches an authorizer's answer when the template does not say."""

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options"})
_FUNCTION = re.compile(r":function:([A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function. `module` and `handler` name its code. `timeout` is in seconds, `memory` in MB."""

    name: str
    arn: str
    module: str
    handler: str
    environment: Mapping[str, str]
    timeout: int
    memory: int
    log_group: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one resource. `method` may be `ANY`. `authorizer` is `None` for a public route."""

    method: str
    path: str
    function: str
    authorizer: str | None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A Lambda authorizer. `sources` are as the template writes them (`method.request.header.Authorization`)."""

    name: str
    kind: str
    function: str
    sources: tuple[str, ...]
    expression: re.Pattern[str] | None
    ttl: int


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """How API Gateway words a response of its own. A `status` of `None` keeps the status of the error."""

    status: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Api:
    """One REST API, with all functions of its template by logical id.

    `domain` is the API's own domain, or an empty text. Without `default_endpoint`, the API answers at its domain only.
    """

    api_id: str
    stage: str
    routes: tuple[Route, ...]
    authorizers: Mapping[str, Authorizer]
    responses: Mapping[str, GatewayResponse]
    functions: Mapping[str, Function]
    binary_media_types: tuple[str, ...] = ()
    domain: str = ""
    default_endpoint: bool = True


def read_api(resolver: Resolver) -> Api:
    """Return the REST API of a template. Raise `BadTemplate` unless there is exactly one."""
    apis = list(resolver.resources("AWS::ApiGateway::RestApi"))
    if len(apis) != 1:
        raise BadTemplate(f"one AWS::Serverless::Api expected, {len(apis)} found")
    logical_id, properties = apis[0]
    body = properties["Body"]
    authorizers = dict(_authorizers(body, resolver))
    endpoint = body.get("x-amazon-apigateway-endpoint-configuration", {})
    return Api(
        api_id=resolver.text({"Ref": logical_id}),
        stage=_stage(resolver),
        routes=tuple(_routes(body, resolver, authorizers)),
        authorizers=authorizers,
        responses={name: _response(answer, resolver) for name, answer in _gateway_responses(body).items()},
        functions={
            name: _function(name, function, resolver) for name, function in resolver.resources("AWS::Lambda::Function")
        },
        binary_media_types=tuple(resolver.resolve(body.get("x-amazon-apigateway-binary-media-types", []))),
        domain=_domain(resolver),
        default_endpoint=not resolver.resolve(endpoint.get("disableExecuteApiEndpoint", False)),
    )


def _function(name: str, properties: Any, resolver: Resolver) -> Function:
    file, _, handler = properties["Handler"].rpartition(".")
    folder = properties["Code"]["S3Key"].strip("/").replace("/", ".")
    variables = properties.get("Environment", {}).get("Variables", {})
    return Function(
        name=name,
        arn=resolver.function_arn(name),
        module=f"{folder}.{file}",
        handler=handler,
        environment={key: resolver.text(value) for key, value in variables.items()},
        timeout=int(resolver.resolve(properties.get("Timeout", 3))),
        memory=int(resolver.resolve(properties.get("MemorySize", 128))),
        log_group=resolver.text(properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")),
    )


def _routes(body: Any, resolver: Resolver, authorizers: Mapping[str, Authorizer]) -> Iterator[Route]:
    for path, operations in body["paths"].items():
        for name, operation in operations.items():
            if name in _METHODS or name == "x-amazon-apigateway-any-method":
                method = name.upper() if name in _METHODS else ANY_METHOD
                uri = operation["x-amazon-apigateway-integration"]["uri"]
                yield Route(method, path, _invoked(uri, resolver), _guard(operation, authorizers))


def _guard(operation: Any, authorizers: Mapping[str, Authorizer]) -> str | None:
    """Return the name of an operation's authorizer. SAM writes `NONE` for a public route."""
    for requirement in operation.get("security", []):
        for name in requirement:
            if name in authorizers:
                return str(name)
            if name != "NONE":
                raise BadTemplate(f"the twin cannot run the authorizer {name}")
    return None


def _authorizers(body: Any, resolver: Resolver) -> Iterator[tuple[str, Authorizer]]:
    for name, definition in body.get("securityDefinitions", {}).items():
        if "x-amazon-apigateway-authorizer" in definition:
            yield name, _authorizer(name, definition, resolver)


def _authorizer(name: str, definition: Any, resolver: Resolver) -> Authorizer:
    details = resolver.resolve(definition["x-amazon-apigateway-authorizer"])
    own_header = f"method.request.header.{definition['name']}"
    sources = details.get("identitySource", own_header if details["type"] == "token" else "")
    expression = details.get("identityValidationExpression")
    return Authorizer(
        name=name,
        kind=details["type"],
        function=_invoked(details["authorizerUri"], resolver),
        sources=tuple(source.strip() for source in sources.split(",") if source.strip()),
        expression=re.compile(expression) if expression else None,
        ttl=int(details.get("authorizerResultTtlInSeconds", DEFAULT_AUTHORIZER_TTL)),
    )


def _invoked(uri: Any, resolver: Resolver) -> str:
    """Return the logical id of the function in the address of an integration."""
    found = _FUNCTION.search(resolver.text(uri))
    if found is None:
        raise BadTemplate(f"{resolver.text(uri)} is not the address of a function")
    return found[1]


def _gateway_responses(body: Any) -> dict[str, Any]:
    return dict(body.get("x-amazon-apigateway-gateway-responses", {}))


def _response(answer: Any, resolver: Resolver) -> GatewayResponse:
    details = resolver.resolve(answer)
    status = details.get("statusCode")
    return GatewayResponse(
        status=int(status) if status else None,
        parameters=details.get("responseParameters", {}),
        templates=details.get("responseTemplates", {}),
    )


def _stage(resolver: Resolver) -> str:
    for _, properties in resolver.resources("AWS::ApiGateway::Stage"):
        return resolver.text(properties["StageName"])
    raise BadTemplate("the API has no stage")


def _domain(resolver: Resolver) -> str:
    for _, properties in resolver.resources("AWS::ApiGateway::DomainName"):
        return resolver.text(properties["DomainName"])
    return ""
