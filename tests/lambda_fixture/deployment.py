"""The stack of template.yaml under moto: its table, both secrets, its environment and its signing keys."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from infra.local.aws import backend
from infra.local.aws.resources import ROTATION_STEPS
from infra.local.stack.account import ACCOUNT, REGION
from infra.local.stack.execution import forget
from infra.local.stack.intrinsics import Resolver
from infra.packaging import template
from latchkey.edge import authorizer, bootstrap
from tests.lambda_fixture import events

QUICK = {"Algorithm": "EdDSA", "Registration": "open"}
"""Parameters unless others are given: an RSA key takes a tenth of a second to make, and no mail confirms an address."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack. `environment` is what its functions read from `os.environ`."""

    environment: Mapping[str, str]

    event = staticmethod(events.proxy_event)
    token_event = staticmethod(events.token_event)

    def rotate(self) -> None:
        """Rotate the signing secret, as Secrets Manager does: four invocations of one function."""
        from functions.rotate.app import handler

        token = str(uuid.uuid4())
        for step in ROTATION_STEPS:
            secret = self.environment["LATCHKEY_SIGNING_SECRET"]
            handler({"SecretId": secret, "ClientRequestToken": token, "Step": step}, None)


@contextmanager
def deployed(**parameters: str) -> Iterator[Stack]:
    """Deploy the stack with these parameters until the context ends, and make its first signing keys.

    Two stacks cannot be deployed at one time: they would share moto's account and the environment of this process.
    The authorizer finds the published keys in the table, where the functions put them: it needs no network.
    """
    resolver = Resolver(_template(), {}, QUICK | parameters)
    environment = _environment(resolver)
    with patch.dict(os.environ, environment), mock_aws(), patch.object(authorizer, "_keys", _published_keys):
        try:
            _create(resolver)
            forget()  # what functions keep while they are warm is of an earlier stack
            stack = Stack(environment)
            stack.rotate()
            yield stack
        finally:
            forget()
            _delete(resolver)


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A new stack for each test."""
    with deployed() as stack:
        yield stack


@cache
def _template() -> template.Template:
    return template.read()


def _environment(resolver: Resolver) -> dict[str, str]:
    """Return the variables of all functions: they share a process here, and none needs another value than another."""
    variables = dict(_template()["Globals"]["Function"]["Environment"]["Variables"])
    for _, function in resolver.resources("AWS::Serverless::Function"):
        variables |= function.get("Environment", {}).get("Variables", {})
    aws = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ACCOUNT_ID": ACCOUNT}
    return {name: resolver.text(value) for name, value in variables.items()} | aws


def _create(resolver: Resolver) -> None:
    dynamodb, secrets = boto3.client("dynamodb"), boto3.client("secretsmanager")
    for name, properties in resolver.resources("AWS::DynamoDB::Table"):
        backend.create_table(dynamodb, name, properties)
    for name, properties in resolver.resources("AWS::SecretsManager::Secret"):
        secrets.create_secret(Name=name, SecretString=properties["SecretString"])


def _delete(resolver: Resolver) -> None:
    """Delete the resources. Where moto runs for other tests of this process too, they would outlive this context."""
    dynamodb, secrets = boto3.client("dynamodb"), boto3.client("secretsmanager")
    for name, _ in resolver.resources("AWS::DynamoDB::Table"):
        dynamodb.delete_table(TableName=name)
    for name, _ in resolver.resources("AWS::SecretsManager::Secret"):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _published_keys(issuer: str) -> object:
    return bootstrap.published_policy()
