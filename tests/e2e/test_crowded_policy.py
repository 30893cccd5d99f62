"""Rotation until one secret cannot hold all the keys that still verify, and the error that an admin gets."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import cast

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.signing_policy.admin import PolicyAdmin
from latchkey.core.signing_policy.rotation import PolicyWriter
from latchkey.core.signing_policy.seals import SealWriter
from latchkey.core.signing_policy.store import SigningSecret
from latchkey.signing import policy as signing_policy
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import Lifetimes, Moment, first_policy, rotate
from tests.memory.store import MemoryStore
from tests.signing_world import MemorySealSecret
from tests.world import NOW, Kept


@dataclass
class Secret:
    """A secret in force that rejects writes."""

    text: str

    def current(self) -> str:
        """Return it."""
        return self.text


def test_rotation_of_a_crowded_policy_waits_for_the_first_key_to_retire(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is 429, with the seconds until there is room again, and nothing is written."""
    moment = Moment(NOW, secrets.token_bytes)
    first = first_policy("https://id.example", Algorithm.ES256, Lifetimes(), moment)
    crowded = rotate(first, replace(moment, now=NOW + 1))
    later = replace(moment, now=NOW + 1000)
    store = MemoryStore()
    writer = PolicyWriter(cast("SigningSecret", Secret(crowded.to_json())), store, store, Kept())
    monkeypatch.setattr(signing_policy, "MAX_POLICY", len(crowded.to_json()))
    with pytest.raises(ServiceError) as refused:
        PolicyAdmin(writer, SealWriter(MemorySealSecret()), store, allow_hs256=False).rotate("usr_1", later)
    (retires_at,) = (key.retire_at for key in crowded.keys.keys if key.retire_at)
    assert (refused.value.error, refused.value.retry_after) == (Errors.RATE_LIMITED, retires_at - later.now)
    assert store.published_keys() is None
