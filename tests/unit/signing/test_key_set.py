"""The life of a signing key: published before it signs, verifying after it has signed, then gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from latchkey.signing.base64url import b64url_encode
from latchkey.signing.key_set import Caches, KeySet, KeyState, SigningKey, generate
from latchkey.signing.keys import Algorithm, InvalidKey, WeakKey, thumbprint
from tests.unit.signing.forge import NOW, load, signing_key

TTL = 900
CACHES = Caches(policy=60, jwks=300, authorizer=60)
LEAD = 120 + 60 + 300
MARGIN = 120 + 60 + 30 + 60
READY = NOW + LEAD
ED = Algorithm.EdDSA


def entropy(size: int) -> bytes:
    """Return octets that differ from each other, and are always the same."""
    return bytes(range(1, size + 1))


def fresh(kid: str, now: int, alg: Algorithm = ED) -> SigningKey:
    """Return a new key under this kid; which pair it is does not matter to a key set."""
    return replace(signing_key(alg), kid=kid, state=KeyState.NEXT, published_at=now, max_ttl=0)


def previous(kid: str, retire_at: int) -> SigningKey:
    """Return a key that verifies until then."""
    return replace(fresh(kid, NOW), state=KeyState.PREVIOUS, retire_at=retire_at)


@pytest.fixture
def keys() -> KeySet:
    """A key set before its first rotation."""
    return KeySet((fresh("b", NOW), replace(fresh("a", NOW), state=KeyState.CURRENT, max_ttl=TTL)))


@pytest.fixture
def waiting(keys: KeySet) -> KeySet:
    """A key set whose heir signs from READY on."""
    return keys.rotate(NOW, TTL, fresh("c", NOW), CACHES)


def states(keys: KeySet) -> dict[str, str]:
    """Return the state of every key."""
    return {key.kid: key.state.value for key in keys.keys}


def kid_at(keys: KeySet, now: int) -> str:
    """Return which key signs at that time."""
    return keys.signer(now).kid


def test_times_are_sums_of_what_others_may_remember() -> None:
    """A new key waits for a late publisher and for every cache. An old key stays for a late signer."""
    assert (CACHES.staging, CACHES.publish_lead, CACHES.retire_margin) == (120, LEAD, MARGIN)


# Rotation


def test_rotation_moves_every_key_on(keys: KeySet) -> None:
    """Once every verifier has the spare key, a rotation makes it current, the old one previous, the fresh one spare."""
    assert states(keys.rotate(READY, TTL, fresh("c", READY), CACHES)) == {"c": "next", "b": "current", "a": "previous"}


def test_rotation_waits_for_every_cache(waiting: KeySet) -> None:
    """A key that some verifier may not have stays the heir until all have it, and then begins to sign by itself."""
    assert states(waiting) == {"c": "next", "b": "next", "a": "current"}
    assert [kid_at(waiting, now) for now in (NOW, READY - 1, READY)] == ["a", "a", "b"]


def test_set_at_a_later_time_names_the_heir_current(waiting: KeySet) -> None:
    """A key's state follows from the time alone. Nothing is written when an heir takes over."""
    assert waiting.at(READY - 1) == waiting
    assert states(waiting.at(READY)) == {"c": "next", "b": "current", "a": "previous"}


def test_signer_is_the_current_key_of_that_time(waiting: KeySet) -> None:
    """The two ways of asking who signs agree."""
    assert [waiting.at(now).current.kid for now in (READY - 1, READY)] == ["a", "b"]


def test_rotation_notes_the_times(waiting: KeySet) -> None:
    """The heir knows since when it signs; the one before, until when it verifies; the spare knows neither."""
    spare, heir, current = waiting.keys
    assert (heir.activates_at, heir.retire_at, heir.max_ttl) == (READY, None, TTL)
    assert current.retire_at == READY + TTL + MARGIN
    assert (spare.activates_at, spare.retire_at) == (None, None)


def test_second_rotation_changes_nothing_while_an_heir_waits(waiting: KeySet) -> None:
    """Two rotations in a row have the effect of one."""
    assert waiting.rotate(READY - 1, TTL, fresh("d", READY - 1), CACHES) is waiting


def test_key_that_was_just_published_waits(keys: KeySet) -> None:
    """A spare key published with the last rotation makes the next rotation wait, and that one only."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY), CACHES).rotate(READY + 1, TTL, fresh("d", READY + 1), CACHES)
    assert [kid_at(rotated, now) for now in (READY + LEAD - 1, READY + LEAD)] == ["b", "c"]


# How long a key verifies


def test_longest_token_decides_when_a_key_retires(keys: KeySet) -> None:
    """A key that once signed day-long tokens outlives them, though the lifetime is shorter now."""
    rotated = keys.signing_for(86_400, CACHES).rotate(READY, TTL, fresh("c", READY), CACHES)
    assert rotated.keys[-1].retire_at == READY + 86_400 + MARGIN


def test_lifetime_of_the_rotation_counts_too(keys: KeySet) -> None:
    """A key outlives tokens of the lifetime in force, even if its own record has a shorter one."""
    rotated = keys.rotate(READY, 3600, fresh("c", READY), CACHES)
    assert rotated.keys[-1].retire_at == READY + 3600 + MARGIN


def test_shorter_lifetime_does_not_shorten_the_promise(keys: KeySet) -> None:
    """A key's longest token is remembered when the lifetime falls."""
    assert keys.signing_for(60, CACHES).current.max_ttl == TTL


def test_longer_lifetime_moves_the_end_of_a_key_that_has_an_heir(waiting: KeySet) -> None:
    """Both the key that signs and the one that will are kept for the longer tokens."""
    longer = waiting.signing_for(86_400, CACHES)
    assert longer.current.retire_at == READY + 86_400 + MARGIN
    assert [key.max_ttl for key in (longer.current, longer.heir, longer.spare) if key] == [86_400, 86_400, 0]


def test_key_outlives_who_signs_with_it_last(keys: KeySet) -> None:
    """A rotation that is put in force at its last second leaves functions that sign with the old key for a minute."""
    rotated = keys.rotate(READY, TTL, fresh("c", READY), CACHES)
    last_token_dies = READY + CACHES.staging + CACHES.policy + TTL
    assert rotated.find("a", last_token_dies) is not None


def test_retired_key_does_not_verify(waiting: KeySet) -> None:
    """A key verifies until its last second and not in the next, swept or not."""
    end = READY + TTL + MARGIN
    assert [waiting.find("a", now) is not None for now in (end - 1, end)] == [True, False]


def test_retired_key_is_not_published(waiting: KeySet) -> None:
    """A key is no longer published when it stops verifying."""
    end = READY + TTL + MARGIN
    assert [[key.kid for key in waiting.published(now)] for now in (end - 1, end)] == [["c", "b", "a"], ["c", "b"]]


def test_dead_keys_can_be_swept(waiting: KeySet) -> None:
    """A sweep removes the keys that no longer verify, and no other keys."""
    end = READY + TTL + MARGIN
    settled = waiting.at(end)
    assert [list(states(settled.without_dead(now))) for now in (end - 1, end)] == [["c", "b", "a"], ["c", "b"]]


def test_next_key_verifies(keys: KeySet) -> None:
    """A token by the next key is accepted: its signer has read a newer policy."""
    assert keys.find("b", NOW) == keys.spare.verification_key()


@pytest.mark.parametrize("kid", ["", "A", "a ", "unknown"])
def test_unknown_kid_finds_nothing(keys: KeySet, kid: str) -> None:
    """A kid is found only when it is exactly the same."""
    assert keys.find(kid, NOW) is None


def test_secrets_are_not_published(keys: KeySet) -> None:
    """A secret of HS256 has no public half, and the others beside it have."""
    mixed = KeySet((fresh("h", NOW, Algorithm.HS256), keys.current))
    assert [key.kid for key in mixed.published(NOW)] == ["a"]


# Another algorithm


def test_other_algorithm_waits_for_every_cache(keys: KeySet) -> None:
    """Keys of another algorithm replace the keys that wait, and sign when every verifier has them."""
    heir, spare = fresh("e", NOW, Algorithm.ES256), fresh("f", NOW, Algorithm.ES256)
    changed = keys.hand_over(NOW, TTL, heir, spare, CACHES)
    assert states(changed) == {"f": "next", "e": "next", "a": "current"}
    assert [kid_at(changed, now) for now in (READY - 1, READY)] == ["a", "e"]


def test_other_algorithm_takes_the_place_of_an_heir(waiting: KeySet) -> None:
    """An heir of the old algorithm is removed if no signer can have begun to use it."""
    heir, spare = fresh("e", NOW, Algorithm.ES256), fresh("f", NOW, Algorithm.ES256)
    assert list(states(waiting.hand_over(NOW, TTL, heir, spare, CACHES))) == ["f", "e", "a"]


@pytest.mark.parametrize(("before", "verifies"), [(180, True), (181, False)])
def test_heir_that_may_have_begun_is_kept(waiting: KeySet, before: int, verifies: bool) -> None:
    """A signer that has read of the heir before this change may sign with it until the signer reads again."""
    now = READY - before
    assert (waiting.disinherited(now, CACHES).find("b", READY) is not None) is verifies


def test_heir_that_is_kept_outlives_its_tokens(waiting: KeySet) -> None:
    """The kept heir never signs here. It verifies as long as the last token that a stale signer signs with it."""
    now = READY - 1
    without = waiting.disinherited(now, CACHES)
    assert states(without) == {"c": "next", "a": "current", "b": "previous"}
    assert without.keys[-1].retire_at == now + TTL + MARGIN
    assert kid_at(without, READY) == "a"


def test_key_without_its_heir_has_no_end(waiting: KeySet) -> None:
    """The key that signs goes on signing."""
    assert waiting.disinherited(NOW, CACHES).current.retire_at is None


def test_set_without_an_heir_loses_nothing(keys: KeySet) -> None:
    """There is no heir to remove."""
    assert keys.disinherited(NOW, CACHES) is keys


def test_spare_key_can_be_exchanged(waiting: KeySet) -> None:
    """Another spare key replaces the one that has signed nothing."""
    assert states(waiting.stocked(fresh("z", NOW))) == {"z": "next", "b": "next", "a": "current"}


# What is no key set


HEIR = replace(fresh("h", NOW), activates_at=READY)
CURRENT = replace(fresh("a", NOW), state=KeyState.CURRENT)
RETIRING = replace(CURRENT, retire_at=READY + TTL)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((), "not one current"),
        ((CURRENT,), "not one current"),
        ((fresh("b", NOW),), "not one current"),
        ((CURRENT, replace(CURRENT, kid="a2"), fresh("b", NOW)), "not one current"),
        ((CURRENT, fresh("b", NOW), fresh("c", NOW)), "not one current"),
        ((RETIRING, HEIR), "not one current"),
        ((RETIRING, HEIR, replace(HEIR, kid="h2"), fresh("b", NOW)), "at most one heir"),
        ((CURRENT, HEIR, fresh("b", NOW)), "a current key retires when it has an heir"),
        ((RETIRING, fresh("b", NOW)), "and only then"),
        ((CURRENT, fresh("a", NOW)), "one kid"),
        ((CURRENT, fresh("b", NOW), previous("b", READY)), "one kid"),
    ],
)
def test_set_that_is_none_cannot_be_made(wrong: tuple[SigningKey, ...], why: str) -> None:
    """A set has one current key, one spare key, at most one heir, and no kid twice."""
    with pytest.raises(InvalidKey, match=why):
        KeySet(wrong)


@pytest.mark.parametrize(("state", "retire_at"), [("previous", None), ("next", NOW)])
def test_only_keys_that_have_signed_retire(state: str, retire_at: int | None) -> None:
    """A previous key without an end, or one that waits with one, cannot be made."""
    with pytest.raises(InvalidKey, match="retire_at"):
        replace(fresh("a", NOW), state=KeyState(state), retire_at=retire_at)


# Making and loading keys


@pytest.mark.parametrize("alg", [Algorithm.ES256, Algorithm.EdDSA])
def test_generated_key_is_named_by_its_thumbprint(alg: Algorithm) -> None:
    """The kid of a key pair is its RFC 7638 thumbprint."""
    key = generate(alg, now=NOW, entropy=entropy)
    assert key.kid == thumbprint(key.verification_key().to_jwk())
    assert (key.alg, key.state, key.published_at, key.activates_at) == (alg, KeyState.NEXT, NOW, None)


def test_generated_rsa_key_has_2048_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An RSA key is asked for with 2048 bits and the exponent 65537."""
    asked: list[Any] = []

    def generate_private_key(*parameters: int) -> object:
        asked.append(parameters)
        return signing_key(Algorithm.RS256).material

    monkeypatch.setattr(rsa, "generate_private_key", generate_private_key)
    generate(Algorithm.RS256, now=NOW, entropy=entropy, state=KeyState.CURRENT)
    assert asked == [(65537, 2048)]


def test_generated_rsa_key_has_the_size_asked_for() -> None:
    """A smaller key, as by policy, is really smaller."""
    key = generate(Algorithm.RS256, now=NOW, entropy=entropy, rsa_bits=2048).material
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048


def test_generated_secret_is_the_entropy_as_text() -> None:
    """An HS256 secret is a text of 256 bits of the entropy given, and its kid tells nothing of it."""
    key = generate(Algorithm.HS256, now=NOW, entropy=entropy)
    assert (key.verification_key().material, key.kid) == (b64url_encode(entropy(32)).encode(), "AQIDBAUGBwgJCgsMDQ4PEA")


def test_current_key_signs_from_birth() -> None:
    """A key generated as current signs at once."""
    assert generate(ED, now=NOW, entropy=entropy, state=KeyState.CURRENT).activates_at == NOW


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
