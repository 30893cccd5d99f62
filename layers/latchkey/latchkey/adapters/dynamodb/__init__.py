"""The store of the service: one DynamoDB table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3

from latchkey.adapters.aws import CONFIG
from latchkey.adapters.dynamodb.addresses import Addresses
from latchkey.adapters.dynamodb.authenticators import Authenticators
from latchkey.adapters.dynamodb.clients import Clients
from latchkey.adapters.dynamodb.credentials import Credentials
from latchkey.adapters.dynamodb.events import AuditItems
from latchkey.adapters.dynamodb.grants import SessionItems
from latchkey.adapters.dynamodb.mail import Codes, Drafts, OutboxItems
from latchkey.adapters.dynamodb.partners import Links, Partners
from latchkey.adapters.dynamodb.roles import CustomRoleItem
from latchkey.adapters.dynamodb.signing_policy import Leases, PublicKeys
from latchkey.adapters.dynamodb.table import Table
from latchkey.adapters.dynamodb.throttle import AttemptCounters
from latchkey.adapters.dynamodb.users import Users

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoStore", "connect"]


class DynamoStore(
    Credentials,
    Authenticators,
    Addresses,
    Users,
    SessionItems,
    Codes,
    Drafts,
    OutboxItems,
    Clients,
    AttemptCounters,
    PublicKeys,
    Leases,
    CustomRoleItem,
    AuditItems,
    Partners,
    Links,
):
    """Implements `latchkey.adapters.store.Store`."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        super().__init__(Table(client, table))


def connect() -> DynamoDBClient:
    """Return a client with the service's time-outs; region, credentials and endpoint come from the environment."""
    return boto3.client("dynamodb", config=CONFIG)
