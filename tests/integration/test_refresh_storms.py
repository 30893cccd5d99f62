"""Refresh under storms: many phones at once, lost answers, rotated keys, a restored table. No owner is signed out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from latchkey.adapters.dynamodb import DynamoStore
from latchkey.core.errors import Errors
from latchkey.signing.policy import Moment, SigningPolicy, reset, rotate
from latchkey.signing.refresh import mint_refresh
from tests.integration.conftest import NewStore, new_table
from tests.integration.phones import OTHER_NETWORK, Phones, back_up, outcome_of, sever, waiting_mails
from tests.integration.races import PHONES, ROUNDS, race
from tests.integration.samples import NOW
from tests.memory.store import MemoryStore
from tests.world import NETWORK

if TYPE_CHECKING:
    from latchkey.core.grants.issuing import TokenAnswer

MINUTE, HOUR, DAY = 60, 3600, 86_400
FEW_ROUNDS = ROUNDS // 4


@pytest.fixture
def phones(new_store: NewStore) -> Phones:
    """The services over an empty store, one kind of store after the other."""
    return Phones(new_store())


@pytest.fixture(params=["memory", "ministack"])
def many_phones(request: pytest.FixtureRequest) -> Phones:
    """The services over an empty store with parallel writers: moto runs one call at a time."""
    if request.param == "memory":
        return Phones(MemoryStore())
    client = request.getfixturevalue("ministack_client")
    return Phones(DynamoStore(client, new_table(client)))


def storm(
    phones: Phones, held: Sequence[TokenAnswer], *, now: int, networks: Sequence[str] = (NETWORK,), key: str = ""
) -> list[str | Errors]:
    """Return the results of fifty parallel refreshes with these tokens, from these networks in turn."""

    def refresh(number: int) -> str | Errors:
        held_here, network = held[number % len(held)], networks[number % len(networks)]
        return outcome_of(lambda: phones.refresh(held_here, now=now, network=network, key=key))

    return race(refresh, PHONES)


def reports(phones: Phones) -> list[str]:
    """Return the journal's events about unusual refreshes."""
    return [name for name in phones.journal.names() if name.startswith(("refresh_", "session_"))]


# Many at once


def test_parallel_refreshes_agree(many_phones: Phones) -> None:
    """Fifty refreshes of one token, twenty generations in a row, get one successor, and none counts as a repeat."""
    answer = many_phones.signed_in()
    for generation in range(1, ROUNDS + 1):
        now = NOW + generation * MINUTE
        outcomes = storm(many_phones, [answer], now=now)
        answer = many_phones.refresh(answer, now=now)
        assert outcomes == [answer.refresh_token] * PHONES
        assert many_phones.token(answer).generation == many_phones.session(answer).generation == generation
    assert reports(many_phones) == []


def test_parallel_refreshes_with_one_key_agree_from_anywhere(many_phones: Phones) -> None:
    """An app that retries from another network with the same key gets the same successor."""
    answer = many_phones.signed_in()
    for generation in range(1, FEW_ROUNDS + 1):
        now, key = NOW + generation * HOUR, f"key-{generation}"
        outcomes = storm(many_phones, [answer], now=now, networks=[NETWORK, OTHER_NETWORK], key=key)
        answer = many_phones.refresh(answer, now=now + MINUTE, key=key)
        assert outcomes == [answer.refresh_token] * PHONES
        assert many_phones.session(answer).generation == generation
    assert reports(many_phones) == []


def test_parallel_late_repeats_agree_and_count_once(many_phones: Phones) -> None:
    """Fifty repeats of a spent token an hour later get its successor and count once, in each of five rounds."""
    for _ in range(FEW_ROUNDS):
        first = many_phones.signed_in()
        second = many_phones.refresh(first, now=NOW + MINUTE)
        outcomes = storm(many_phones, [first], now=NOW + HOUR, networks=[OTHER_NETWORK])
        session = many_phones.session(first)
        assert outcomes == [second.refresh_token] * PHONES
        assert (session.generation, session.late_level, session.late_generation) == (1, 1, 0)
    assert set(reports(many_phones)) == {"refresh_late"}


def test_requests_that_arrive_out_of_order_end_nothing(many_phones: Phones) -> None:
    """The present token and the one before it, fifty at once: the session goes on, whichever comes first.

    The older one is a repeat until the newer one is spent, and a delayed duplicate from then on.
    """
    for _ in range(FEW_ROUNDS):
        first = many_phones.signed_in()
        second = many_phones.refresh(first, now=NOW + MINUTE)
        outcomes = storm(many_phones, [first, second], now=NOW + MINUTE + 10, networks=[OTHER_NETWORK])
        third = many_phones.refresh(second, now=NOW + MINUTE + 10, network=OTHER_NETWORK)
        assert set(outcomes[::2]) <= {second.refresh_token, Errors.UNAVAILABLE}
        assert set(outcomes[1::2]) == {third.refresh_token}
        assert many_phones.session(first).generation == 2
    assert set(reports(many_phones)) <= {"refresh_late"}


def test_reuse_by_many_ends_the_session_and_tells_the_owner_once(many_phones: Phones) -> None:
    """Fifty callers with an old token get no token, and the owner gets one mail, in each of five rounds."""
    for sent in range(1, FEW_ROUNDS + 1):
        first = many_phones.signed_in()
        second = many_phones.refresh(first, now=NOW + MINUTE)
        many_phones.refresh(second, now=NOW + 2 * MINUTE)
        assert storm(many_phones, [first], now=NOW + HOUR) == [Errors.INVALID_GRANT] * PHONES
        assert (
            many_phones.store.find_user_and_session(many_phones.token(first).sub, many_phones.token(first).sid, NOW)[1]
            is None
        )
        assert waiting_mails(many_phones.store) == sent
    assert reports(many_phones) == ["refresh_reuse"] * FEW_ROUNDS


# Keys that change meanwhile


def rotated(policy: SigningPolicy) -> SigningPolicy:
    """Return the policy after a routine rotation."""
    return rotate(policy, Moment(NOW + DAY, secrets.token_bytes))


def reset_after_a_leak(policy: SigningPolicy) -> SigningPolicy:
    """Return the policy after a reset that ends no session."""
    return reset(policy, Moment(NOW + DAY, secrets.token_bytes), end_sessions=False)


@pytest.mark.parametrize("renew", [rotated, reset_after_a_leak])
def test_parallel_refreshes_agree_while_keys_change(
    many_phones: Phones, renew: Callable[[SigningPolicy], SigningPolicy]
) -> None:
    """Of fifty requests half meet the policy of before and half the one of after: the MAC differs and nothing else.

    Each generation goes on with a token of the other half, so that the old copy meets keys it does not know yet.
    """
    before = many_phones.source.held
    after = renew(before)
    answer = many_phones.signed_in()
    copies = [many_phones.another_copy(before, newer=after), many_phones.another_copy(after)]
    many_phones.source.held = after
    for generation in range(1, ROUNDS + 1):
        now = NOW + DAY + generation * MINUTE
        answers = race(lambda number, held=answer, now=now: copies[number % 2](held, now=now), PHONES)  # type: ignore[misc]
        [token] = {many_phones.token(each) for each in answers}
        texts = {each.refresh_token for each in answers}
        assert token.generation == many_phones.session(answer).generation == generation
        assert texts <= {mint_refresh(token, policy.refresh_keys) for policy in (before, after)}
        assert {text.rpartition(".")[0] for text in texts} == {answers[0].refresh_token.rpartition(".")[0]}
        answer = answers[generation % 2]
    assert reports(many_phones) == []


def test_a_rotation_changes_the_mac_of_the_successor(many_phones: Phones) -> None:
    """The two halves of such a storm get two different texts. Otherwise the test above proves nothing."""
    before = many_phones.source.held
    after = rotated(before)
    answer = many_phones.signed_in()
    copies = [many_phones.another_copy(before), many_phones.another_copy(after)]
    one, other = (copy(answer, now=NOW + DAY) for copy in copies)
    assert one.refresh_token != other.refresh_token
    assert one.refresh_token.rpartition(".")[0] == other.refresh_token.rpartition(".")[0]


# Answers that are lost after the write


@pytest.mark.parametrize("network", [NETWORK, OTHER_NETWORK])
@pytest.mark.parametrize("pause", [1, MINUTE, 20 * DAY])
def test_a_refresh_whose_answer_is_lost_is_repeated(phones: Phones, pause: int, network: str) -> None:
    """The function dies after its write. The phone gets the stored successor at any later retry."""
    first = phones.signed_in()
    mend = sever(phones.store, "advance")
    assert outcome_of(lambda: phones.refresh(first, now=NOW + MINUTE)) is Errors.UNAVAILABLE
    mend()
    second = phones.refresh(first, now=NOW + MINUTE + pause, network=network)
    assert phones.token(second) == phones.successor(first)
    assert phones.session(first).generation == 1
    third = phones.refresh(second, now=NOW + MINUTE + pause + 1)
    assert phones.token(third).generation == phones.session(first).generation == 2
    assert set(reports(phones)) <= {"refresh_late"}


def test_the_others_agree_where_the_one_that_advanced_dies(many_phones: Phones) -> None:
    """The request that wrote loses its response, and its retry gets the token of the others, in each of five rounds."""
    for _ in range(FEW_ROUNDS):
        first = many_phones.signed_in()
        mend = sever(many_phones.store, "advance")
        outcomes = storm(many_phones, [first], now=NOW + MINUTE)
        mend()
        retry = many_phones.refresh(first, now=NOW + MINUTE + 1)
        assert outcomes.count(Errors.UNAVAILABLE) == 1
        assert outcomes.count(retry.refresh_token) == PHONES - 1
    assert reports(many_phones) == []


@pytest.mark.parametrize(("done", "level"), [(True, 1), (False, 0)])
def test_a_repeat_whose_count_fails_gets_the_same_successor(phones: Phones, done: bool, level: int) -> None:
    """If the write of the count or its response is lost, the phone still gets the successor."""
    first = phones.signed_in()
    second = phones.refresh(first, now=NOW + MINUTE)
    mend = sever(phones.store, "count_repeat", done=done)
    repeated = phones.refresh(first, now=NOW + HOUR, network=OTHER_NETWORK)
    assert repeated.refresh_token == second.refresh_token
    mend()
    assert phones.session(first).late_level == level


def test_reuse_whose_end_is_lost_has_ended_the_session(phones: Phones) -> None:
    """The function dies after it has ended a stolen session: neither the thief nor the owner gets a token again."""
    first = phones.signed_in()
    second = phones.refresh(first, now=NOW + MINUTE)
    third = phones.refresh(second, now=NOW + 2 * MINUTE)
    mend = sever(phones.store, "end_session")
    assert outcome_of(lambda: phones.refresh(first, now=NOW + HOUR)) is Errors.UNAVAILABLE
    mend()
    held = (first, second, third)
    assert [outcome_of(lambda each=each: phones.refresh(each, now=NOW + HOUR)) for each in held] == [  # type: ignore[misc]
        Errors.INVALID_GRANT
    ] * 3


# A table that was restored from a backup


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_a_phone_that_is_ahead_of_a_restored_table_is_refused_and_nothing_is_ended(phones: Phones, ahead: int) -> None:
    """Its token is newer than the table. No alarm or mail is sent, and the session is unchanged."""
    first = phones.signed_in()
    restore = back_up(phones.store)
    before, newer = phones.session(first), first
    for step in range(1, ahead + 1):
        newer = phones.refresh(newer, now=NOW + step * MINUTE)
    restore()
    for _ in range(2):
        assert outcome_of(lambda: phones.refresh(newer, now=NOW + HOUR)) is Errors.INVALID_GRANT
    assert phones.session(first) == before
    assert reports(phones) == ["refresh_stale"] * 2
    assert waiting_mails(phones.store) == 0


def test_a_phone_on_another_branch_than_a_restored_table_is_refused_and_nothing_is_ended(phones: Phones) -> None:
    """A request from before the restore is sent again and gets another salt. The token with the first salt is stale.

    This holds while the token is as new as the session, and while it is one generation behind.
    """
    first = phones.signed_in()
    restore = back_up(phones.store)
    lost = phones.refresh(first, now=NOW + MINUTE)
    restore()
    second = phones.refresh(first, now=NOW + HOUR)
    assert phones.token(second) != phones.token(lost)
    assert outcome_of(lambda: phones.refresh(lost, now=NOW + HOUR + 1)) is Errors.INVALID_GRANT
    third = phones.refresh(second, now=NOW + HOUR + 2)
    assert outcome_of(lambda: phones.refresh(lost, now=NOW + HOUR + 3)) is Errors.INVALID_GRANT
    assert reports(phones) == ["refresh_stale"] * 2
    assert waiting_mails(phones.store) == 0
    assert phones.token(phones.refresh(third, now=NOW + HOUR + 4)).generation == phones.session(first).generation == 3


def test_many_phones_ahead_of_a_restored_table_end_nothing(many_phones: Phones) -> None:
    """Of fifty parallel requests, the token as old as the table works, and the newer one is stale."""
    first = many_phones.signed_in()
    restore = back_up(many_phones.store)
    newer = many_phones.refresh(many_phones.refresh(first, now=NOW + MINUTE), now=NOW + 2 * MINUTE)
    restore()
    outcomes = storm(many_phones, [first, newer], now=NOW + HOUR)
    second = many_phones.refresh(first, now=NOW + HOUR)
    assert outcomes == [second.refresh_token, Errors.INVALID_GRANT] * (PHONES // 2)
    assert many_phones.session(first).generation == 1
    assert set(reports(many_phones)) == {"refresh_stale"}


def test_a_restored_table_takes_what_it_knows(phones: Phones) -> None:
    """A phone that has not refreshed since the backup does not notice the restore."""
    idle, busy = phones.signed_in(), phones.signed_in()
    restore = back_up(phones.store)
    phones.refresh(busy, now=NOW + MINUTE)
    restore()
    assert phones.token(phones.refresh(idle, now=NOW + HOUR)).generation == 1
    assert reports(phones) == []
