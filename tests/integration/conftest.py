from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from infra.local.aws import backend
from infra.local.stack.account import REGION
from infra.packaging import template
from latchkey.adapters import dynamodb
from latchkey.adapters.aws import CONFIG
from tests.integration import ministack
from tests.integration.races import ROUNDS
from tests.integration.samples import unique
from tests.memory.store import MemoryStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.adapters.store import Store

TABLE = template.load()["Resources"]["Table"]["Properties"]
"""The table as it is deployed: its keys and its indexes."""

NewStore = Callable[[], "Store"]


@pytest.fixture(scope="session")
def moto() -> Iterator[None]:
    """AWS inside this process, under one lock."""
    with backend.running():
        yield


@pytest.fixture(scope="session")
def moto_client(moto: None) -> DynamoDBClient:
    """A client of moto's DynamoDB, with the functions' own settings."""
    return dynamodb.connect()


@pytest.fixture(scope="session")
def ministack_address() -> Iterator[str]:
    """The address of a ministack. It is never skipped, because only here two writers really run in parallel."""
    with ministack.running() as address:
        yield address


@pytest.fixture(scope="session")
def ministack_client(ministack_address: str) -> DynamoDBClient:
    """A client of ministack's DynamoDB with the functions' own time-outs."""
    return connect_to(ministack_address)


@pytest.fixture(scope="session", params=["memory", "moto", "ministack"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """A maker of empty stores, one kind after the other."""
    if request.param == "memory":
        return MemoryStore
    client: DynamoDBClient = request.getfixturevalue(f"{request.param}_client")
    return lambda: dynamodb.DynamoStore(client, new_table(client))


@pytest.fixture(scope="session")
def store(new_store: NewStore) -> Store:
    """A store that tests share: each uses records of its own."""
    return new_store()


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a race is run: less often on moto, where one lock holds back all but one caller."""
    return ROUNDS // 5 if "moto" in request.node.name else ROUNDS


@pytest.fixture
def empty_store(new_store: NewStore) -> Store:
    """An empty store of its own."""
    return new_store()


def new_table(client: DynamoDBClient) -> str:
    """Make an empty table and return its name."""
    name = unique("latchkey-")
    backend.create_table(client, name, TABLE)
    return name


def connect_to(address: str) -> DynamoDBClient:
    """Return a client of that address with room for the threads of a race."""
    return boto3.client(
        "dynamodb",
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=CONFIG.merge(Config(max_pool_connections=64)),
    )
