"""The DynamoDB calls for partners, and the function roles that allow exactly these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from infra.packaging import template as source
from latchkey.adapters.dynamodb import DynamoStore
from latchkey.core.authenticators.links import NewLink
from latchkey.core.model import Partner, ProfileUpdates, Status
from tests.integration.conftest import new_table
from tests.partner_world import ADMIN, PartnerWorld, Signer, claims
from tests.world import ADDRESS, NOW, PASSWORD

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EVENT = "provide-client-params.dynamodb"


class Watched(PartnerWorld):
    """The services over DynamoDB, with a list of the operations and their items."""

    def __init__(self, client: DynamoDBClient) -> None:
        super().__init__(DynamoStore(client, new_table(client)))
        self.calls: list[str] = []
        self.touched: set[tuple[str, str]] = set()
        self.shop = self.partner(tokens_per_minute=9, profile_updates=ProfileUpdates.ALWAYS)
        client.meta.events.register(EVENT, self.note)

    def note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Note one call."""
        self.calls.append(model.name)
        self.touched |= {(f"dynamodb:{action}", pk) for action, pk in touched(model.name, params)}

    def cost(self) -> list[str]:
        """Return the operations since the last time, and forget them and what they touched."""
        calls, self.calls, self.touched = self.calls, [], set()
        return calls


def touched(operation: str, params: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the actions that IAM asks for, each with the partition key that it is asked for."""
    match operation:
        case "Query":
            return [("Query", params["ExpressionAttributeValues"][":pk"]["S"])]
        case "BatchGetItem":
            [batch] = params["RequestItems"].values()
            return [("BatchGetItem", key["pk"]["S"]) for key in batch["Keys"]]
        case "TransactWriteItems":
            steps = [step for member in params["TransactItems"] for step in member.items()]
            return [(f"{action}Item", (each.get("Item") or each["Key"])["pk"]["S"]) for action, each in steps]
        case _:
            return [(operation, (params.get("Item") or params["Key"])["pk"]["S"])]


@pytest.fixture
def world(moto_client: DynamoDBClient) -> Iterator[Watched]:
    """A service with one partner, and nothing counted yet."""
    world = Watched(moto_client)
    yield world
    moto_client.meta.events.unregister(EVENT, world.note)


def exchanges(world: Watched) -> None:
    world.come(world.shop)
    world.come(world.shop, name="Eve")
    with pytest.raises(Exception, match="invalid_grant"):
        world.enter("x")


def refreshes(world: Watched) -> None:
    answer = world.come(world.shop)
    world.cost()
    world.refresh(answer.tokens, now=NOW + 1)
    world.set_partner(world.shop, status=Status.DISABLED)
    world.cost()
    with pytest.raises(Exception, match="invalid_grant"):
        world.refresh(answer.tokens, now=NOW + 2)


def links(world: Watched) -> None:
    sub = world.register().sub
    sid = world.claims(world.log_in()).sid or ""
    world.cost()
    asked = NewLink(world.signer.sign(claims(world.shop.issuer)), "", PASSWORD, ADDRESS)
    world.links.add(sub, sid, asked, now=NOW)
    world.links.of(sub, sid, now=NOW)
    touched_so_far = set(world.touched)
    world.come(world.shop)
    world.cost()
    world.links.confirm(sub, sid, world.shop.partner_id, PASSWORD, now=NOW)
    world.links.remove(sub, sid, world.shop.partner_id, PASSWORD, now=NOW)
    world.touched |= touched_so_far


def deletes_itself(world: Watched) -> None:
    answer = world.come(world.shop)
    sid = world.claims(answer.tokens).sid or ""
    world.cost()
    world.erasure(answer.sub, sid, "", now=NOW)


def operates(world: Watched) -> None:
    made: Partner = world.partner("https://new.example", clients=("cli_app",))
    world.admin.page(after="", limit=9)
    world.admin.add_key(ADMIN, made.partner_id, Signer("k2").key())
    world.admin.remove_key(ADMIN, made.partner_id, "k2")
    world.admin.delete(ADMIN, made.partner_id)


DEEDS: dict[str, Callable[[Watched], None]] = {
    "token": exchanges,
    "refresh": refreshes,
    "links": links,
    "erase": deletes_itself,
    "partners": operates,
}


@pytest.mark.parametrize("function", DEEDS)
def test_role_of_the_function_allows_what_it_does(world: Watched, function: str) -> None:
    """The template grants every action on every kind of item that the function needs."""
    DEEDS[function](world)
    grants = source.grants(source.functions(source.load())[function])

    def is_allowed(action: str, pk: str) -> bool:
        return any(grant.action == action and any(fnmatchcase(pk, item) for item in grant.items) for grant in grants)

    assert world.touched
    assert [each for each in sorted(world.touched) if not is_allowed(*each)] == []


def test_who_takes_tokens_changes_no_partner(world: Watched) -> None:
    """Neither the function that exchanges nor the one that links may write a partner's record or its keys."""
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    functions = source.functions(source.load())
    for name in ("token", "links", "refresh"):
        items = {item for grant in source.grants(functions[name]) if grant.action in writes for item in grant.items}
        assert items.isdisjoint({"PARTNER#*", "ISSUER#*", "PARTNERS", "CONFIG"})


def test_only_a_laptop_takes_keys_from_itself() -> None:
    """The template never sets the variable that allows keys over plain http."""
    assert "LATCHKEY_LOCAL_JWKS" not in source.PATH.read_text()


def test_sign_in_of_a_known_user_costs_seven_reads_and_three_writes(world: Watched) -> None:
    """Issuer, partner, external id, account, link, assertion; minute, assertion; sessions; session."""
    world.come(world.shop)
    world.cost()
    world.come(world.shop)
    assert world.cost() == [*["GetItem"] * 6, "UpdateItem", "PutItem", "Query", "PutItem"]


def test_forged_assertion_of_a_known_partner_costs_two_reads_and_a_count(world: Watched) -> None:
    """No account is read before the signature is verified."""
    forged = Signer("k1").sign(claims(world.shop.issuer))
    with pytest.raises(Exception, match="invalid_grant"):
        world.enter(forged)
    assert world.cost() == ["GetItem", "GetItem", "UpdateItem"]
