"""A leak of the table and the signing secret together: no refresh token can be made from them."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.adapters.dynamodb import DynamoStore, items
from latchkey.core.errors import Errors
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.signing.base64url import b64url_encode
from latchkey.signing.refresh import LINK_BYTES, fingerprint
from tests.integration.conftest import new_table
from tests.integration.leaks import Leak
from tests.integration.phones import Phones, all_items, outcome_of, waiting_mails
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.signing.refresh import RefreshToken

LATER = NOW + 600


@pytest.fixture
def phones(moto_client: DynamoDBClient) -> Phones:
    """The services over an empty table."""
    return Phones(DynamoStore(moto_client, new_table(moto_client)))


@pytest.fixture
def answers(phones: Phones) -> list[TokenAnswer]:
    """The answers to one phone since its sign-in: the last is of generation 3, and the phone has not spent it."""
    return refreshed(phones, 3)


def refreshed(phones: Phones, times: int) -> list[TokenAnswer]:
    answers = [phones.signed_in()]
    for step in range(1, times + 1):
        answers.append(phones.refresh(answers[-1], now=NOW + step * 60, key=f"key-{step}"))
    return answers


def leak(phones: Phones, *held: TokenAnswer) -> Leak:
    """Return the whole table and its policy, as a thief reads them."""
    assert isinstance(phones.store, DynamoStore)
    return Leak(all_items(phones.store), phones.source.held.to_json(), tuple(answer.refresh_token for answer in held))


def attack(phones: Phones, leaked: Leak, like: TokenAnswer) -> list[str | Errors]:
    """Return the responses to the thief's tokens, in order."""
    return [
        outcome_of(lambda text=text: phones.refresh(replace(like, refresh_token=text), now=LATER))  # type: ignore[misc]
        for text in leaked.tokens()
    ]


@pytest.mark.parametrize("generation", [0, 1, 3])
def test_no_refresh_token_can_be_made_of_the_table_and_all_keys(phones: Phones, generation: int) -> None:
    """Each token is rejected and reported. The session goes on, and no mail is sent."""
    answer = refreshed(phones, generation)[-1]
    leaked, before = leak(phones), phones.session(answer)
    outcomes = attack(phones, leaked, answer)
    assert len(leaked.guesses()) > 10_000
    assert len(outcomes) > 100
    assert set(outcomes) == {Errors.INVALID_GRANT}
    assert phones.journal.names()[-len(outcomes) :] == ["refresh_forged"] * len(outcomes)
    assert phones.session(answer) == before
    assert waiting_mails(phones.store) == 0
    assert phones.token(phones.refresh(answer, now=LATER)).generation == generation + 1


def test_a_token_of_two_generations_ago_does_not_help(phones: Phones, answers: list[TokenAnswer]) -> None:
    """It reveals the family, but its salt is deleted: the thief finds no link, and ends no session."""
    leaked = leak(phones, *answers[:2])
    outcomes = attack(phones, leaked, answers[-1])
    assert set(outcomes) == {Errors.INVALID_GRANT}
    assert "refresh_stale" in phones.journal.names()
    assert waiting_mails(phones.store) == 0
    assert phones.token(phones.refresh(answers[-1], now=LATER)).generation == 4


# The thief is good enough to find what a weaker design would keep


def keep(phones: Phones, answer: TokenAnswer, **members: str) -> None:
    """Put members into the item of a phone's session."""
    assert isinstance(phones.store, DynamoStore)
    token, table = phones.token(answer), phones.store._table
    clause = "SET " + ", ".join(f"#{name} = :{name}" for name in members)
    assert table.update(items.session(token.sub, token.sid), clause, members).applied


def in_the_clear(phones: Phones, answer: TokenAnswer) -> dict[str, str]:
    token = phones.token(answer)
    return {"kept": b64url_encode(token.family + token.link)}


def in_hex(phones: Phones, answer: TokenAnswer) -> dict[str, str]:
    token = phones.token(answer)
    return {"family": token.family.hex(), "link": token.link.hex()}


def derived_from_a_refresh_key(phones: Phones, answer: TokenAnswer) -> dict[str, str]:
    return derived(phones.source.held.refresh_keys[0].secret, phones.token(answer))


def derived_from_a_signing_key(phones: Phones, answer: TokenAnswer) -> dict[str, str]:
    return derived(phones.source.held.keys.keys[0].private.encode(), phones.token(answer))


def derived_from_the_salt(phones: Phones, answer: TokenAnswer) -> dict[str, str]:
    return derived(phones.session(answer).salt.encode(), phones.token(answer))


def derived(key: bytes, token: RefreshToken) -> dict[str, str]:
    """Return the hashes of a family and of a link that a key and the session's names make."""
    family = hmac.digest(key, f"{token.sub}.{token.sid}".encode(), "sha256")[:LINK_BYTES]
    link = hmac.digest(key, f"{token.sid}\n{token.generation}".encode(), "sha256")[:LINK_BYTES]
    return {"family_hash": fingerprint(family), "link_hash": fingerprint(link)}


@pytest.mark.parametrize(
    "flaw",
    [in_the_clear, in_hex, derived_from_a_refresh_key, derived_from_a_signing_key, derived_from_the_salt],
)
def test_what_a_weaker_design_keeps_is_found(
    phones: Phones, answers: list[TokenAnswer], flaw: Callable[[Phones, TokenAnswer], dict[str, str]]
) -> None:
    """If family and link can be derived from the data, the thief gets in. This proves that the attempts are real."""
    keep(phones, answers[-1], **flaw(phones, answers[-1]))
    outcomes = attack(phones, leak(phones), answers[-1])
    assert [outcome for outcome in outcomes if not isinstance(outcome, Errors)]


def test_the_token_before_the_present_one_is_the_present_one(phones: Phones, answers: list[TokenAnswer]) -> None:
    """With it and the table, the thief derives the successor, which a refresh would return for it anyway."""
    outcomes = attack(phones, leak(phones, answers[2]), answers[-1])
    assert [outcome for outcome in outcomes if not isinstance(outcome, Errors)]
