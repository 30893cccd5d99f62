"""Make the resources of the template inside the twin's AWS, and run the rotation that a new stack begins with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.aws import backend
from infra.local.stack.api import Api, read_api, resources
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from infra.local.aws.mirror import Mirror
    from infra.local.stack.functions import Invoke
    from infra.local.stack.template import Template

ROTATION_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
"""The steps of a rotation, in order (AWS Secrets Manager user guide, "rotation by Lambda function")."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The AWS clients of the twin itself."""

    dynamodb: DynamoDBClient
    secrets: SecretsManagerClient


@dataclass(frozen=True, slots=True)
class Stack:
    """What stands in the twin's AWS: the API, and the secret with the function that rotates it.

    `resolver` knows the names of all of it.
    """

    api: Api
    resolver: Resolver
    secret_id: str
    rotation: str


def create_stack(template: Template, clients: Clients, mirror: Mirror | None, parameters: Mapping[str, str]) -> Stack:
    """Make tables and secrets, with the data that the mirror has kept, and read the API with their names."""
    for name, properties in resources(template, "AWS::DynamoDB::Table"):
        backend.create_table(clients.dynamodb, name, properties)
    if mirror is not None:
        mirror.restore(clients.dynamodb, clients.secrets)
    names = {
        name: _secret_arn(clients.secrets, name, properties["SecretString"])
        for name, properties in resources(template, "AWS::SecretsManager::Secret")
    }
    resolver = Resolver(template, names, parameters)
    api = read_api(template, resolver)
    return Stack(api, resolver, *_rotation(template, resolver, api))


def rotate_at_creation(stack: Stack, invoke: Invoke) -> None:
    """Rotate the secret once, as Secrets Manager does when a stack with a rotation schedule is made."""
    token = str(uuid.uuid4())
    for step in ROTATION_STEPS:
        invoke(stack.rotation, {"SecretId": stack.secret_id, "ClientRequestToken": token, "Step": step})


def _secret_arn(secrets: SecretsManagerClient, name: str, text: str) -> str:
    """Return the ARN of a secret, made now unless the mirror has brought it back."""
    try:
        return secrets.describe_secret(SecretId=name)["ARN"]
    except secrets.exceptions.ResourceNotFoundException:
        return secrets.create_secret(Name=name, SecretString=text)["ARN"]


def _rotation(template: Template, resolver: Resolver, api: Api) -> tuple[str, str]:
    """Return the id of the rotated secret and the function that rotates it."""
    for _, properties in resources(template, "AWS::SecretsManager::RotationSchedule"):
        arn = resolver.text(properties["RotationLambdaARN"])
        return resolver.text(properties["SecretId"]), _function_of(arn, api)
    raise BadTemplate("no secret is rotated")


def _function_of(arn: str, api: Api) -> str:
    found: dict[str, Any] = {function.arn: name for name, function in api.functions.items()}
    return str(found[arn])
