"""Read routes, authorizers, functions and gateway responses from an expanded template."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.stack.intrinsics import Resolver
    from infra.local.stack.template import Template

ANY_METHOD = "ANY"
DEFAULT_AUTHORIZER_TTL = 300
"""Seconds that API Gateway keeps an authorizer's answer where the template does not say."""

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options"})
_FUNCTION = re.compile(r":function:([A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function. `module` and `handler` say where its code is; `timeout` is in seconds, `memory` in MB."""

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
    """One method of one resource; `method` may be `ANY`. `authorizer` is `None` for a public route."""

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
    """How API Gateway words an answer of its own; `status` of `None` keeps the status of the error."""

    status: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Api:
    """One REST API with all that it refers to."""

    api_id: str
    stage: str
    routes: tuple[Route, ...]
    authorizers: Mapping[str, Authorizer]
    responses: Mapping[str, GatewayResponse]
    functions: Mapping[str, Function]
    binary_media_types: tuple[str, ...] = ()


def read_api(template: Template, resolver: Resolver) -> Api:
    """Return the one REST API of a template. Raise `BadTemplate` when it has none, or more."""
    apis = list(resources(template, "AWS::ApiGateway::RestApi"))
    if len(apis) != 1:
        raise BadTemplate(f"one AWS::Serverless::Api expected, {len(apis)} found")
    logical_id, properties = apis[0]
    body = properties["Body"]
    authorizers = dict(_authorizers(body, resolver))
    return Api(
        api_id=resolver.text({"Ref": logical_id}),
        stage=_stage(template, resolver),
        routes=tuple(_routes(body, resolver, authorizers)),
        authorizers=authorizers,
        responses={name: _response(answer, resolver) for name, answer in _gateway_responses(body).items()},
        functions=read_functions(template, resolver),
        binary_media_types=tuple(resolver.resolve(body.get("x-amazon-apigateway-binary-media-types", []))),
    )


def read_functions(template: Template, resolver: Resolver) -> dict[str, Function]:
    """Return the Lambda functions of a template by logical id."""
    found = resources(template, "AWS::Lambda::Function")
    return {name: _function(name, properties, resolver) for name, properties in found}


def resources(template: Template, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the logical id and the properties of every resource of one type."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


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
    """Return the authorizer of an operation; SAM writes `NONE` where there is none."""
    for requirement in operation.get("security", []):
        for name in requirement:
            if name in authorizers:
                return str(name)
            if name != "NONE":
                raise BadTemplate(f"authorizer {name} is not one the twin can run")
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
    """Return the logical id of the function that an integration's address names."""
    found = _FUNCTION.search(resolver.text(uri))
    if found is None:
        raise BadTemplate(f"not the address of a function: {resolver.text(uri)}")
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


def _stage(template: Template, resolver: Resolver) -> str:
    for _, properties in resources(template, "AWS::ApiGateway::Stage"):
        return resolver.text(properties["StageName"])
    raise BadTemplate("the API has no stage")
