"""Thirty parallel first sign-ins of one person, through the whole service, on a store with parallel writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latchkey.adapters.dynamodb import DynamoStore
from tests.integration.conftest import connect_to, new_table
from tests.integration.races import RACERS, race
from tests.partner_world import PartnerWorld, claims

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_one_person_who_comes_thirty_times_at_once_is_one_user(
    ministack_address: str, ministack_client: DynamoDBClient
) -> None:
    """All sign-ins get the same account, which one of them created, and it takes one seat."""
    world = PartnerWorld(DynamoStore(connect_to(ministack_address), new_table(ministack_client)))
    partner = world.partner()
    for round_ in range(3):
        tokens = [world.signer.sign(claims(partner.issuer, f"u-{round_}")) for _ in range(RACERS)]
        answers = race(lambda number, tokens=tokens: world.enter(tokens[number]))  # type: ignore[misc]
        assert len({answer.sub for answer in answers}) == 1
        assert sum(answer.created for answer in answers) == 1
    assert len(world.store.list_users(after="", limit=99).items) == 3
    world.set_partner(partner, max_users=4)
    assert world.come(partner, "one more").created
