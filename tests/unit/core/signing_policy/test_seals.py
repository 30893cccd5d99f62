"""The seal keys in operation: the first one comes by itself, and a repeated step changes nothing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from latchkey.core.signing_policy.seals import ROTATION_PAUSE, SEAL_LIFE, SealWriter
from latchkey.signing.policy import Moment
from latchkey.signing.sealing import BadSeal, SealKeys, UnknownSealKey, parse_seal_keys
from tests.world import NOW

_COUNTER = itertools.count(1)


def at(now: int) -> Moment:
    """Return a moment with bytes that never come twice."""
    return Moment(now, lambda size: next(_COUNTER).to_bytes(size, "big"))


@dataclass
class Secret:
    """A secret in memory."""

    text: str = "{}"

    def current(self) -> str:
        """Return the text."""
        return self.text

    def put(self, text: str) -> None:
        """Keep the text."""
        self.text = text

    def keys(self) -> SealKeys:
        """Return the keys in it."""
        return parse_seal_keys(self.text)


@pytest.fixture
def secret() -> Secret:
    """A secret after the first rotation."""
    made = Secret()
    SealWriter(made).rotate(at(NOW))
    return made


def test_first_rotation_makes_the_first_key(secret: Secret) -> None:
    """A new stack seals as soon as it signs."""
    assert (secret.keys().version, len(secret.keys().keys)) == (1, 1)


def test_repeated_rotation_changes_nothing(secret: Secret) -> None:
    """Secrets Manager repeats a step that failed."""
    before = secret.text
    SealWriter(secret).rotate(at(NOW + ROTATION_PAUSE - 1))
    assert secret.text == before


def test_rotation_keeps_what_clients_carry_good(secret: Secret) -> None:
    """A seal opens as long as any value that a client carries is good."""
    text = secret.keys().seal("cursor", "x", b"1", at(NOW).entropy)
    SealWriter(secret).rotate(at(NOW + SEAL_LIFE))
    assert secret.keys().open("cursor", "x", text) == b"1"
    SealWriter(secret).rotate(at(NOW + SEAL_LIFE + ROTATION_PAUSE))
    with pytest.raises(UnknownSealKey):
        secret.keys().open("cursor", "x", text)


def test_reset_refuses_what_clients_carry(secret: Secret) -> None:
    """After a reset, values in the table can still be read until they are sealed again."""
    text = secret.keys().seal("cursor", "x", b"1", at(NOW).entropy)
    SealWriter(secret).reset(at(NOW + 1))
    with pytest.raises(BadSeal):
        secret.keys().open("cursor", "x", text)
    assert secret.keys().open("cursor", "x", text, at_rest=True) == b"1"


def test_reset_of_an_empty_secret_makes_the_first_key() -> None:
    """A reset never fails because a rotation has not come yet."""
    secret = Secret()
    SealWriter(secret).reset(at(NOW))
    assert secret.keys().version == 1
