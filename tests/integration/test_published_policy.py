"""The public half of the signing policy: how long the last good copy is used during an outage of the table."""

from __future__ import annotations

import json

import pytest

from latchkey.adapters.published_policy import PublishedPolicy
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.signing.key_set import generate
from latchkey.signing.keys import LAST_GOOD, Algorithm
from tests.integration.contract import Clock
from tests.integration.samples import NOW

KEY = generate(Algorithm.EdDSA, now=NOW, entropy=bytes).verification_key()


class Table:
    """A table that publishes one key, and may be out of reach."""

    def __init__(self) -> None:
        self.is_reachable = True

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Publish nothing else."""
        return False

    def published_keys(self) -> PublishedKeys | None:
        """Return the key, or raise `UNAVAILABLE`."""
        if not self.is_reachable:
            raise ServiceError(Errors.UNAVAILABLE, "no answer")
        return PublishedKeys(1, "https://id.example", "EdDSA", json.dumps({"keys": [KEY.to_jwk()]}))


def test_last_good_keys_serve_for_15_minutes_and_then_nothing_is_judged() -> None:
    """The bound of the authorizer holds for `validate` too: 503, and never a verdict by keys that may be revoked."""
    clock, table = Clock(), Table()
    published = PublishedPolicy(table, clock, lambda: NOW, max_age=60)
    assert published.find(KEY.kid) is not None
    table.is_reachable = False
    clock.now += LAST_GOOD - 1
    assert published.find(KEY.kid) is not None
    clock.now += 1
    with pytest.raises(ServiceError) as caught:
        published.find(KEY.kid)
    assert caught.value.error is Errors.UNAVAILABLE
