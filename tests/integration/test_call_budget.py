"""What each grant costs: the calls to DynamoDB, counted. A call more is a price that every user pays for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.adapters.dynamodb import DynamoStore
from latchkey.core.clients.directory import new_client_secret
from latchkey.core.model import Client, ClientKind, Grant
from tests.integration.conftest import new_table
from tests.world import NOW, World, small_policy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EVENT = "provide-client-params.dynamodb"


class Counted(World):
    """The services over DynamoDB, with a list of the operations asked for."""

    def __init__(self, client: DynamoDBClient) -> None:
        super().__init__(small_policy(), DynamoStore(client, new_table(client)))
        self.calls: list[str] = []

    def note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Note one call."""
        self.calls.append(model.name)

    def cost(self) -> list[str]:
        """Return the operations since the last time."""
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def counted(moto_client: DynamoDBClient) -> Iterator[Counted]:
    """A service in which Ann has an account, and nothing has been counted yet."""
    world = Counted(moto_client)
    world.register()
    moto_client.meta.events.register(EVENT, world.note)
    yield world
    moto_client.meta.events.unregister(EVENT, world.note)


def test_a_registration_is_one_transaction(counted: Counted) -> None:
    """The account and its login are stored together or not at all."""
    counted.register("bob@example.com")
    assert counted.cost() == ["TransactWriteItems"]


def test_a_login_costs_three_reads_and_two_writes(counted: Counted) -> None:
    """The address, the attempt, the credential, the account with its sessions, the new session."""
    counted.log_in()
    assert counted.cost() == ["GetItem", "UpdateItem", "GetItem", "Query", "TransactWriteItems"]


def test_a_failed_login_costs_the_same_for_everybody(counted: Counted) -> None:
    """An unknown login and a wrong password make the same calls in the same order."""
    costs = []
    for login in ("ann@example.com", "nobody@example.com"):
        with pytest.raises(Exception, match="invalid_credentials"):
            counted.log_in(login, "not the right one")
        costs.append(counted.cost())
    assert costs == [["GetItem", "UpdateItem", "GetItem", "UpdateItem"]] * 2


def test_a_refresh_costs_one_read_and_one_write(counted: Counted) -> None:
    """So does a repeated one, whose write is refused."""
    answer = counted.log_in()
    counted.cost()
    for _ in range(2):
        counted.refresh(answer, now=NOW)
        assert counted.cost() == ["GetItem", "UpdateItem"]


def test_a_forged_refresh_token_costs_nothing(counted: Counted) -> None:
    """Its MAC is wrong, so nothing is looked up."""
    answer = counted.log_in()
    counted.cost()
    with pytest.raises(Exception, match="invalid_grant"):
        counted.refresh(replace(answer, refresh_token=answer.refresh_token[:-4] + "AAAA"), now=NOW)
    assert counted.cost() == []


def test_client_credentials_cost_one_read(counted: Counted) -> None:
    """The client; the token is signed and nothing is stored."""
    secret, stored = new_client_secret(counted.entropy)
    grants = (Grant.CLIENT_CREDENTIALS,)
    counted.store.create_client(Client("cli_a", ClientKind.SERVICE, "A", NOW, (stored,), grants=grants))
    counted.cost()
    client = counted.clients.authenticate("cli_a", secret, now=NOW)
    counted.machines.client_credentials(client, None, now=NOW)
    assert counted.cost() == ["GetItem"]


def test_a_mistyped_api_key_costs_nothing(counted: Counted) -> None:
    """Its checksum tells."""
    with pytest.raises(Exception, match="invalid_api_key"):
        counted.machines.exchange_api_key("lk_" + "a" * 86, now=NOW)
    assert counted.cost() == []
