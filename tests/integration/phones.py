"""Phones that refresh: the services with real randomness, and the faults of a store under them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from latchkey.adapters.dynamodb import DynamoStore
from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.gate import Asked, Gate
from latchkey.core.grants.issuing import Issuer, TokenAnswer
from latchkey.core.grants.proof import PersonProof
from latchkey.core.grants.refresh import RefreshRequest
from latchkey.core.roles.roles import BUILT_IN
from latchkey.signing.base64url import b64url_decode
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import Lifetimes, Moment, SigningPolicy, first_policy
from latchkey.signing.refresh import RefreshToken, verify_refresh
from tests.integration import samples
from tests.integration.samples import NOW
from tests.memory.store import MemoryStore
from tests.world import AUDIENCE, NETWORK, Fixed, World

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Session

OTHER_NETWORK = "198.51.100.0/24"
SCOPE = "openid profile offline_access"


class Phones(World):
    """The services over a store, with real randomness, so that tests and rounds may share it."""

    def __init__(self, store: Store, policy: SigningPolicy | None = None) -> None:
        super().__init__(policy or new_policy(), store)
        self.gate = Gate(store, BUILT_IN, self.journal, secrets.token_bytes, max_sessions=100)
        self.issuer = Issuer(AUDIENCE, secrets.token_bytes)
        self.outbox = replace(self.outbox, entropy=secrets.token_bytes)
        self.refresh_grant = replace(
            self.refresh_grant, issuer=self.issuer, outbox=self.outbox, entropy=secrets.token_bytes
        )

    def signed_in(self) -> TokenAnswer:
        """Make an account and sign its phone in."""
        user = samples.user()
        self.store.create_user(user, samples.credential(user))
        proof = PersonProof(user=user, methods=("pwd",), at=NOW, client=BUILT_IN_APP, epoch=user.epoch, device="phone")
        policy = self.source.policy()
        admitted = self.gate.admit(proof, Asked(SCOPE, policy, ()))
        return self.issuer.for_session(admitted.session, admitted.refresh, admitted.roles, policy, scope=SCOPE, now=NOW)

    def session(self, answer: TokenAnswer) -> Session:
        """Return the session of a phone as the store has it."""
        token = self.token(answer)
        session = self.store.find_user_and_session(token.sub, token.sid, NOW)[1]
        assert session is not None
        return session

    def token(self, answer: TokenAnswer) -> RefreshToken:
        """Return the content of a refresh token, whichever key it was made with."""
        return verify_refresh(answer.refresh_token, self.source.held.refresh_keys, NOW)

    def successor(self, answer: TokenAnswer) -> RefreshToken:
        """Return the token that follows this one by the salt that the store has."""
        return self.token(answer).successor(b64url_decode(self.session(answer).salt))

    def another_copy(self, policy: SigningPolicy, newer: SigningPolicy | None = None) -> Callable[..., TokenAnswer]:
        """Return the refresh of an instance that holds this policy, and finds a newer one when it reads again."""
        source = Fixed(policy)
        source.newer = newer
        grant = replace(self.refresh_grant, policies=source)

        def refresh(answer: TokenAnswer, *, now: int, network: str = NETWORK, key: str = "") -> TokenAnswer:
            return grant(RefreshRequest(answer.refresh_token, network, key), now=now)

        return refresh


def new_policy() -> SigningPolicy:
    """Return a policy with small fast keys of real randomness."""
    return first_policy("https://id.example", Algorithm.ES256, Lifetimes(), Moment(NOW, secrets.token_bytes))


def outcome_of(refresh: Callable[[], TokenAnswer]) -> str | Errors:
    """Return the refresh token that a refresh gets, or the error."""
    try:
        return refresh().refresh_token
    except ServiceError as error:
        return error.error


def sever(store: Store, operation: str, *, done: bool = True) -> Callable[[], None]:
    """Let the answers to an operation be lost until the returned function is called.

    A write is done before its response is lost, as when a function dies after its write. With
    `done` off, every call is lost before anything is done.
    """
    whole: Callable[..., Any] = getattr(store, operation)

    def severed(*arguments: Any, **named: Any) -> Any:
        answer = whole(*arguments, **named) if done else True
        if getattr(answer, "advanced", answer):
            raise ServiceError(Errors.UNAVAILABLE, f"the answer to {operation} is lost", retry_after=1)
        return answer

    setattr(store, operation, severed)
    return lambda: setattr(store, operation, whole)


def back_up(store: Store) -> Callable[[], None]:
    """Copy the content of a store. Return a function that replaces the store's content with the copy."""
    return _back_up_table(store) if isinstance(store, DynamoStore) else _back_up_memory(store)


def _back_up_memory(store: Store) -> Callable[[], None]:
    assert isinstance(store, MemoryStore)
    kept = {name: held.copy() for name, held in vars(store).items() if isinstance(held, dict | set)}

    def restore() -> None:
        vars(store).update({name: held.copy() for name, held in kept.items()})

    return restore


def _back_up_table(store: DynamoStore) -> Callable[[], None]:
    client, name = store._table._client, store._table._name
    kept = all_items(store)

    def restore() -> None:
        for item in all_items(store):
            client.delete_item(TableName=name, Key={"pk": item["pk"], "sk": item["sk"]})
        for item in kept:
            client.put_item(TableName=name, Item=item)

    return restore


def waiting_mails(store: Store) -> int:
    """Return how many mails wait to be sent."""
    if isinstance(store, DynamoStore):
        return sum(item["pk"]["S"].startswith("OUTBOX#") for item in all_items(store))
    return len(vars(store)["_mails"])


def all_items(store: DynamoStore) -> list[dict[str, Any]]:
    """Return every item of a table."""
    pages = store._table._client.get_paginator("scan").paginate(TableName=store._table._name)
    return [item for page in pages for item in page["Items"]]
