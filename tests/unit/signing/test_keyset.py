"""The life of a signing key: published before it signs, verifying after it has signed, then gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from latchkey.signing.keys import Algorithm, InvalidKey, WeakKey, thumbprint
from latchkey.signing.keyset import (
    PUBLISH_LEAD,
    RETIRE_MARGIN,
    KeySet,
    KeyState,
    SigningKey,
    TooEarly,
    generate,
)
from tests.unit.signing.forge import NOW, load, signing_key

TTL = 900
READY = NOW + PUBLISH_LEAD
ED = Algorithm.EdDSA


def entropy(size: int) -> bytes:
    """Return octets that differ from each other, and are always the same."""
    return bytes(range(1, size + 1))


def fresh(kid: str, now: int, alg: Algorithm = ED) -> SigningKey:
    """Return a new key under this kid; which pair it is does not matter to a key set."""
    return replace(signing_key(alg), kid=kid, state=KeyState.NEXT, published_at=now, max_ttl=0)


@pytest.fixture
def keys() -> KeySet:
    """A key set before its first rotation."""
    return KeySet((fresh("b", NOW), replace(fresh("a", NOW), state=KeyState.CURRENT, max_ttl=TTL)))


def kids(jwks: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the kids of a JWKS."""
    return [jwk["kid"] for jwk in jwks["keys"]]


def states(keys: KeySet) -> dict[str, str]:
    """Return the state of every key."""
    return {key.kid: key.state.value for key in keys.keys}


def test_rotation_moves_every_key_on(keys: KeySet) -> None:
    """Next becomes current, current becomes previous, and the fresh key is next."""
    assert states(keys.rotate(READY, TTL, fresh("c", READY))) == {"c": "next", "b": "current", "a": "previous"}


def test_rotation_notes_the_times(keys: KeySet) -> None:
    """The key that now signs knows since when; the one before knows until when it verifies."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY))
    _, current, previous = rotated.keys
    assert (current.activated_at, current.retire_at, current.max_ttl) == (READY, None, TTL)
    assert previous.retire_at == READY + TTL + RETIRE_MARGIN


def test_rotation_waits_for_every_cache(keys: KeySet) -> None:
    """A key that some verifier may not know does not sign; the error says for how long."""
    with pytest.raises(TooEarly) as caught:
        keys.rotate(READY - 1, TTL, fresh("c", READY - 1))
    assert caught.value.retry_after == 1


def test_second_rotation_waits_again(keys: KeySet) -> None:
    """The key published by a rotation waits its whole time before the next one."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY))
    with pytest.raises(TooEarly) as caught:
        rotated.rotate(READY, TTL, fresh("d", READY))
    assert caught.value.retry_after == PUBLISH_LEAD


def test_longest_token_decides_when_a_key_retires(keys: KeySet) -> None:
    """A key that once signed day-long tokens outlives them, though the lifetime is shorter now."""
    rotated = keys.signing_for(86_400).rotate(READY, TTL, fresh("c", READY))
    assert rotated.keys[-1].retire_at == READY + 86_400 + RETIRE_MARGIN


def test_lifetime_of_the_rotation_counts_too(keys: KeySet) -> None:
    """A key outlives tokens of the lifetime in force, though nobody told it before."""
    rotated = keys.rotate(READY, 3600, fresh("c", READY))
    assert rotated.keys[-1].retire_at == READY + 3600 + RETIRE_MARGIN


def test_shorter_lifetime_does_not_shorten_the_promise(keys: KeySet) -> None:
    """A key's longest token is remembered when the lifetime falls."""
    assert keys.signing_for(60).current.max_ttl == TTL


def test_retired_key_does_not_verify(keys: KeySet) -> None:
    """A previous key verifies until its last second and not in the next, whoever has swept it."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY))
    end = READY + TTL + RETIRE_MARGIN
    assert [rotated.find("a", now) is not None for now in (end - 1, end)] == [True, False]


def test_retired_key_is_not_published(keys: KeySet) -> None:
    """A previous key leaves the JWKS when it stops verifying."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY))
    end = READY + TTL + RETIRE_MARGIN
    assert [kids(rotated.jwks(now)) for now in (end - 1, end)] == [["c", "b", "a"], ["c", "b"]]


def test_rotation_drops_dead_keys(keys: KeySet) -> None:
    """A rotation keeps the previous keys that still verify, and no other."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY))
    soon = rotated.rotate(READY + PUBLISH_LEAD, TTL, fresh("d", READY + PUBLISH_LEAD))
    late = rotated.rotate(READY + 86_400, TTL, fresh("d", READY + 86_400))
    assert (list(states(soon)), list(states(late))) == (["d", "c", "b", "a"], ["d", "c", "b"])


def test_next_key_verifies(keys: KeySet) -> None:
    """A token by the next key is accepted: whoever signed it has read a newer policy."""
    assert keys.find("b", NOW) == keys.next.verification_key()


@pytest.mark.parametrize("kid", ["", "A", "a ", "nobody"])
def test_unknown_kid_finds_nothing(keys: KeySet, kid: str) -> None:
    """A kid is found only when it is exactly the same."""
    assert keys.find(kid, NOW) is None


def test_secrets_are_not_published(keys: KeySet) -> None:
    """A JWKS never holds an HS256 key, and holds the others beside it."""
    mixed = KeySet((fresh("h", NOW, Algorithm.HS256), keys.current))
    assert kids(mixed.jwks(NOW)) == ["a"]


def test_published_keys_are_public(keys: KeySet) -> None:
    """A JWKS has no private member in it."""
    assert {name for jwk in keys.jwks(NOW)["keys"] for name in jwk} == {"kty", "crv", "x", "use", "alg", "kid"}


@pytest.mark.parametrize(
    "wrong",
    [(), ("current",), ("next",), ("current", "current", "next"), ("current", "next", "next")],
)
def test_key_set_has_one_current_and_one_next_key(wrong: tuple[str, ...]) -> None:
    """A set without, or with two, current or next keys cannot be made."""
    with pytest.raises(InvalidKey, match="one current and one next"):
        KeySet(tuple(replace(fresh(str(n), NOW), state=KeyState(state)) for n, state in enumerate(wrong)))


def test_key_set_has_no_kid_twice(keys: KeySet) -> None:
    """Two keys with one kid cannot be in one set."""
    with pytest.raises(InvalidKey, match="one kid"):
        KeySet((fresh("a", NOW), keys.current))


@pytest.mark.parametrize(("state", "retire_at"), [("previous", None), ("current", NOW), ("next", NOW)])
def test_only_previous_keys_retire(state: str, retire_at: int | None) -> None:
    """A previous key without an end, or another with one, cannot be made."""
    with pytest.raises(InvalidKey, match="retire_at"):
        replace(fresh("a", NOW), state=KeyState(state), retire_at=retire_at)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(60, 86_400)), max_size=8))
def test_no_token_is_ever_without_its_key(moves: list[tuple[int, int]]) -> None:
    """However rotations and lifetimes follow each other, each token finds its key until it has expired.

    Each key, too, is in the JWKS for the whole lead before it signs.
    """
    now, ttl = NOW, TTL
    keys = KeySet((fresh("1", NOW), replace(fresh("0", NOW), state=KeyState.CURRENT, max_ttl=TTL)))
    tokens: list[tuple[str, int]] = []
    published = {"0": NOW - PUBLISH_LEAD, "1": NOW}
    for number, (wait, new_ttl) in enumerate(moves):
        tokens.append((keys.current.kid, now + ttl))
        now += wait
        tokens.append((keys.current.kid, now + ttl))
        try:
            keys = keys.rotate(now, ttl, fresh(str(number + 2), now))
            published[str(number + 2)] = now
        except TooEarly:
            pass
        ttl, keys = new_ttl, keys.signing_for(new_ttl)
        assert now >= published[keys.current.kid] + PUBLISH_LEAD
        assert [kid for kid, exp in tokens if exp + 30 > now and keys.find(kid, now) is None] == []


@pytest.mark.parametrize("alg", [Algorithm.ES256, Algorithm.EdDSA])
def test_generated_key_is_named_by_its_thumbprint(alg: Algorithm) -> None:
    """The kid of a key pair is its RFC 7638 thumbprint."""
    key = generate(alg, now=NOW, entropy=entropy)
    assert key.kid == thumbprint(key.verification_key().to_jwk())
    assert (key.alg, key.state, key.published_at, key.activated_at) == (alg, KeyState.NEXT, NOW, None)


def test_generated_rsa_key_has_3072_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An RSA key is asked for with 3072 bits and the exponent 65537."""
    asked: list[Any] = []

    def generate_private_key(*parameters: int) -> object:
        asked.append(parameters)
        return signing_key(Algorithm.RS256).material

    monkeypatch.setattr(rsa, "generate_private_key", generate_private_key)
    generate(Algorithm.RS256, now=NOW, entropy=entropy, state=KeyState.CURRENT)
    assert asked == [(65537, 3072)]


def test_generated_secret_is_the_entropy() -> None:
    """An HS256 secret is 256 bits of the entropy given, and its kid tells nothing of it."""
    key = generate(Algorithm.HS256, now=NOW, entropy=entropy)
    assert (key.verification_key().material, key.kid) == (entropy(32), "AQIDBAUGBwgJCgsMDQ4PEA")


def test_current_key_is_active_from_birth() -> None:
    """A key generated as current is active at once."""
    assert generate(ED, now=NOW, entropy=entropy, state=KeyState.CURRENT).activated_at == NOW


@pytest.mark.parametrize("alg", Algorithm)
def test_private_key_is_parsed_once(alg: Algorithm) -> None:
    """Signing again does not parse again: an RSA key costs far more to read than to sign with."""
    key = signing_key(alg)
    assert key.material is key.material


@pytest.mark.parametrize("alg", Algorithm)
def test_repr_hides_the_private_key(alg: Algorithm) -> None:
    """The repr of a signing key, and of a set of them, shows nothing private."""
    key = signing_key(alg)
    shown = repr(key) + repr(KeySet((replace(key, kid="n", state=KeyState.NEXT), key)))
    assert [line for line in key.private.splitlines() if line in shown] == []


WEAK = load("signing_keys.json")["weak"]


@pytest.mark.parametrize(
    ("alg", "private"),
    [
        ("RS256", WEAK["rsa_1024"]),
        ("RS256", WEAK["rsa_exponent_3"]),
        ("HS256", ""),
        ("HS256", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("HS256", "A" * 43),
    ],
)
def test_weak_key_does_not_load(alg: str, private: str) -> None:
    """A stored key that is too weak fails when it is loaded, not when it signs."""
    with pytest.raises(WeakKey):
        SigningKey("a", Algorithm(alg), KeyState.NEXT, private, NOW)


@pytest.mark.parametrize(
    ("alg", "private"),
    [
        ("ES256", WEAK["p384"]),
        ("RS256", ""),
        ("RS256", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"),
        ("HS256", "not base64url!"),
        ("ES256", signing_key(Algorithm.EdDSA).private),
        ("HS256", signing_key(Algorithm.EdDSA).private),
    ],
)
def test_unreadable_key_does_not_load(alg: str, private: str) -> None:
    """A stored key that is broken, or another algorithm's, is refused, and the message does not quote it."""
    with pytest.raises(InvalidKey) as caught:
        SigningKey("a", Algorithm(alg), KeyState.NEXT, private, NOW)
    assert "secret\n" not in str(caught.value)
