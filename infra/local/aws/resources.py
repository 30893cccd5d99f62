"""Create the template's tables and secrets in the twin's AWS, and run the first rotation of a new secret."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.aws import backend

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from infra.local.aws.mirror import Mirror
    from infra.local.stack.evaluate import Stack
    from infra.local.stack.functions import Invoke
    from infra.local.stack.intrinsics import Resolver

ROTATION_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
"""The steps of a rotation, in order (AWS Secrets Manager user guide, "rotation by Lambda function")."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The AWS clients that the twin itself uses."""

    dynamodb: DynamoDBClient
    secrets: SecretsManagerClient


def create(template: Resolver, clients: Clients, mirror: Mirror | None) -> dict[str, str]:
    """Create tables and secrets, with the data that the mirror kept. Return the physical ids of the secrets."""
    for name, properties in template.resources("AWS::DynamoDB::Table"):
        backend.create_table(clients.dynamodb, name, properties)
    if mirror is not None:
        mirror.restore(clients.dynamodb, clients.secrets)
    return {
        name: _secret_arn(clients.secrets, name, properties["SecretString"])
        for name, properties in template.resources("AWS::SecretsManager::Secret")
    }


def rotate(stack: Stack, invoke: Invoke) -> None:
    """Rotate the secret once, as Secrets Manager does when CloudFormation creates or changes a rotation schedule."""
    token = str(uuid.uuid4())
    for step in ROTATION_STEPS:
        invoke(stack.rotation, {"SecretId": stack.secret_id, "ClientRequestToken": token, "Step": step})


def _secret_arn(secrets: SecretsManagerClient, name: str, text: str) -> str:
    """Return the ARN of a secret, which is created unless the mirror restored it."""
    try:
        return secrets.describe_secret(SecretId=name)["ARN"]
    except secrets.exceptions.ResourceNotFoundException:
        return secrets.create_secret(Name=name, SecretString=text)["ARN"]
