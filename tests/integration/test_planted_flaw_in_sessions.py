"""The contract of sessions is a proof only if it catches a store that forgets part of a condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.adapters.dynamodb import DynamoStore
from latchkey.adapters.dynamodb.items import Key, Value
from latchkey.adapters.dynamodb.table import Table, Write
from latchkey.core.grants.store import Advance, Rotation
from latchkey.core.model import Session
from tests.integration import test_sessions_contract as contract
from tests.integration.conftest import new_table
from tests.memory.store import MemoryStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.adapters.store import Store


@dataclass(frozen=True)
class Flaw:
    """The part that a store forgets: in memory a member of the session, on DynamoDB a text of its expression.

    `noticed_by` is the test of the contract that must notice, and `terms` are the values of its parameters.
    """

    member: str
    text: str
    noticed_by: Callable[..., None]
    terms: tuple[object, ...] = ()


IGNORED_BY_AN_ADVANCE = {
    "generation": Flaw(
        "generation",
        "#generation = :generation",
        contract.test_an_advance_from_another_generation_changes_nothing,
        (3,),
    ),
    "link": Flaw("link_hash", "#link_hash = :link", contract.test_an_advance_from_another_link_changes_nothing),
    "family": Flaw("family_hash", "#family_hash = :family", contract.test_an_advance_of_another_family_changes_nothing),
    "client": Flaw("client_id", "#client_id = :client_id", contract.test_an_advance_by_another_client_changes_nothing),
    "epoch": Flaw("epoch", "#epoch >= :epoch", contract.test_an_advance_asks_for_an_epoch, (4, False)),
    "expiry": Flaw("now", "#expires_at > :now", contract.test_an_expired_session_does_not_advance),
    "end": Flaw("now", "#ends_at > :now", contract.test_an_advance_never_passes_the_end),
}

NOT_MOVED_BY_AN_ADVANCE = {
    "link": Flaw("link_hash", "#link_hash = :next_link, ", contract.test_an_advance_moves_the_chain),
    "salt": Flaw("salt", "#salt = :salt, ", contract.test_an_advance_moves_the_chain),
    "time before": Flaw(
        "burst_at",
        "#burst_at = :burst_at, ",
        contract.test_the_times_and_keys_of_two_advances_are_kept,
    ),
    "key before": Flaw(
        "key_mark_before",
        "#key_mark_before = #key_mark, ",
        contract.test_the_times_and_keys_of_two_advances_are_kept,
    ),
    "network": Flaw(
        "network_mark",
        "#network_mark = :network, ",
        contract.test_an_advance_without_marks_clears_those_of_the_one_before,
    ),
}

IGNORED_BY_A_COUNT = {
    member: Flaw(member, text, contract.test_a_repeat_is_not_counted_on_a_session_that_moved, (member, True))
    for member, text in {
        "generation": "#generation = :generation",
        "late_level": "#late_level = :level_read",
        "late_generation": "#late_generation = :late_read",
    }.items()
}


class IgnoringMemory(MemoryStore):
    """A store in memory that does not compare one member."""

    def __init__(self, member: str) -> None:
        super().__init__()
        self._member = member

    def advance(self, step: Advance) -> Rotation:
        """Advance whatever the member is: the step always gets the session's own value."""
        held = self._sessions[step.sub, step.sid]
        own: Any = getattr(held, self._member) if self._member != "now" else min(step.now, held.expires_at - 1)
        return super().advance(replace(step, **{self._member: own}))

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Count whatever the member is."""
        held = self._sessions[session.sub, session.sid]
        read = replace(session, **{self._member: getattr(held, self._member)})
        return super().count_repeat(read, level=level, generation=generation)


class KeepingMemory(MemoryStore):
    """A store in memory whose advance leaves one member as it was."""

    def __init__(self, member: str) -> None:
        super().__init__()
        self._member = member

    def advance(self, step: Advance) -> Rotation:
        """Advance, and put the member back."""
        held = self._sessions[step.sub, step.sid]
        rotation = super().advance(step)
        assert rotation.session is not None
        kept = replace(rotation.session, **{self._member: getattr(held, self._member)})
        self._sessions[step.sub, step.sid] = kept
        return replace(rotation, session=kept)


class SilentMemory(MemoryStore):
    """A store in memory whose refused advance returns nothing."""

    def advance(self, step: Advance) -> Rotation:
        """Advance, and do not return the item that failed the condition."""
        rotation = super().advance(step)
        return rotation if rotation.advanced else Rotation(advanced=False, session=None)


class RewrittenTable(Table):
    """A table that rewrites its expressions."""

    def __init__(self, client: DynamoDBClient, name: str, rewrite: Callable[[str], str]) -> None:
        super().__init__(client, name)
        self._rewrite = rewrite

    def update(self, key: Key, change: str, values: Mapping[str, Value], *, only_if: str = "") -> Write:
        """Update by the rewritten expressions."""
        return super().update(key, self._rewrite(change), values, only_if=self._rewrite(only_if))


class SilentTable(Table):
    """A table whose refused update returns nothing."""

    def update(self, key: Key, change: str, values: Mapping[str, Value], *, only_if: str = "") -> Write:
        """Update, and do not return the item that failed the condition."""
        write = super().update(key, change, values, only_if=only_if)
        return write if write.applied else Write(applied=False, item=None)


@pytest.fixture(params=["moto", "ministack"])
def client(request: pytest.FixtureRequest) -> DynamoDBClient:
    """A client of a DynamoDB, one after the other."""
    client: DynamoDBClient = request.getfixturevalue(f"{request.param}_client")
    return client


def on_a_flawed_table(client: DynamoDBClient, rewrite: Callable[[str], str]) -> DynamoStore:
    """Return a store whose expressions are rewritten."""
    name = new_table(client)
    store = DynamoStore(client, name)
    store._table = RewrittenTable(client, name, rewrite)
    return store


def assert_noticed(flaw: Flaw, store: Store) -> None:
    """Assert that the test of the contract fails on this store by an assertion."""
    with pytest.raises(AssertionError):
        flaw.noticed_by(store, *flaw.terms)


@pytest.mark.parametrize("flaw", IGNORED_BY_AN_ADVANCE.values(), ids=IGNORED_BY_AN_ADVANCE)
def test_an_advance_in_memory_that_ignores_a_member_is_caught(flaw: Flaw) -> None:
    """The contract notices each member that an advance in memory does not compare."""
    assert_noticed(flaw, IgnoringMemory(flaw.member))


@pytest.mark.parametrize("flaw", IGNORED_BY_AN_ADVANCE.values(), ids=IGNORED_BY_AN_ADVANCE)
def test_an_advance_on_dynamodb_that_ignores_a_member_is_caught(client: DynamoDBClient, flaw: Flaw) -> None:
    """The contract notices each part that the condition of an advance lacks."""
    assert_noticed(flaw, on_a_flawed_table(client, lambda text: text.replace(flaw.text, always(flaw.text))))


@pytest.mark.parametrize("flaw", NOT_MOVED_BY_AN_ADVANCE.values(), ids=NOT_MOVED_BY_AN_ADVANCE)
def test_an_advance_in_memory_that_leaves_a_member_is_caught(flaw: Flaw) -> None:
    """The contract notices each member that an advance in memory does not move."""
    assert_noticed(flaw, KeepingMemory(flaw.member))


@pytest.mark.parametrize("flaw", NOT_MOVED_BY_AN_ADVANCE.values(), ids=NOT_MOVED_BY_AN_ADVANCE)
def test_an_advance_on_dynamodb_that_leaves_a_member_is_caught(client: DynamoDBClient, flaw: Flaw) -> None:
    """The contract notices each part that the change of an advance lacks."""
    elsewhere = re.sub(r"^#\w+", "#unused", flaw.text)
    assert_noticed(flaw, on_a_flawed_table(client, lambda text: text.replace(flaw.text, elsewhere)))


@pytest.mark.parametrize("flaw", IGNORED_BY_A_COUNT.values(), ids=IGNORED_BY_A_COUNT)
def test_a_count_in_memory_that_ignores_a_member_is_caught(flaw: Flaw) -> None:
    """The contract notices each member that a count in memory does not compare."""
    assert_noticed(flaw, IgnoringMemory(flaw.member))


@pytest.mark.parametrize("flaw", IGNORED_BY_A_COUNT.values(), ids=IGNORED_BY_A_COUNT)
def test_a_count_on_dynamodb_that_ignores_a_member_is_caught(client: DynamoDBClient, flaw: Flaw) -> None:
    """The contract notices each part that the condition of a count lacks."""
    assert_noticed(flaw, on_a_flawed_table(client, lambda text: text.replace(flaw.text, always(flaw.text))))


def test_a_refused_advance_in_memory_that_tells_nothing_is_caught() -> None:
    """The contract notices when a refused advance keeps back the salt of the winner."""
    with pytest.raises(AssertionError):
        contract.test_the_second_to_spend_a_token_gets_the_salt_of_the_first(SilentMemory())


def test_a_refused_advance_on_dynamodb_that_tells_nothing_is_caught(client: DynamoDBClient) -> None:
    """The contract notices when a refused update does not return the item that stands."""
    name = new_table(client)
    store = DynamoStore(client, name)
    store._table = SilentTable(client, name)
    with pytest.raises(AssertionError):
        contract.test_the_second_to_spend_a_token_gets_the_salt_of_the_first(store)


@pytest.mark.parametrize("flaw", [*IGNORED_BY_AN_ADVANCE.values(), *NOT_MOVED_BY_AN_ADVANCE.values()])
def test_the_contract_holds_where_nothing_is_forgotten(client: DynamoDBClient, flaw: Flaw) -> None:
    """The same tests pass on the same tables with unchanged expressions, so they notice only the flaw."""
    for store in (MemoryStore(), on_a_flawed_table(client, str)):
        flaw.noticed_by(store, *flaw.terms)


def always(condition: str) -> str:
    """Return a condition that holds for every item and uses all values, as DynamoDB requires."""
    return f"({condition} OR attribute_exists(#pk))"
