"""The signing policy: one document, checked whole, rotated without anybody noticing."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import Algorithm
from latchkey.signing.keyset import POLICY_CACHE, PUBLISH_LEAD, TooEarly
from latchkey.signing.policy import MAX_POLICY, BadPolicy, SigningPolicy, first_policy, parse, rotate
from latchkey.signing.refresh import RefreshToken, mint_refresh, verify_refresh
from tests.unit.signing.forge import ISSUER, NOW

TOKEN = RefreshToken("usr_ann", "s-1", 0)
DELETE = object()
MISPLACED = "hunter2"


def numbered() -> Callable[[int], bytes]:
    """Return entropy that never repeats and is the same in every run."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(2, "big") * (size // 2)


ENTROPY = numbered()


@pytest.fixture(scope="module")
def policy() -> SigningPolicy:
    """A first policy with small fast keys."""
    return first_policy(issuer=ISSUER, now=NOW, entropy=ENTROPY, algorithm=Algorithm.ES256)


def test_first_policy_has_the_defaults(policy: SigningPolicy) -> None:
    """The first policy is version 1, and its lifetimes are a quarter of an hour, ninety days and thirty."""
    assert (policy.version, policy.access_ttl, policy.refresh_ttl, policy.refresh_idle_ttl) == (
        1,
        900,
        7_776_000,
        2_592_000,
    )
    assert policy.refresh_retry_limit == 2


def test_first_key_may_sign_at_once(policy: SigningPolicy) -> None:
    """The first current key is active, and the next one is published beside it."""
    assert policy.keys.current.activated_at == NOW
    assert len(policy.keys.jwks(NOW)["keys"]) == 2


@pytest.mark.parametrize("alg", [Algorithm.ES256, Algorithm.EdDSA, Algorithm.HS256])
def test_document_comes_back(alg: Algorithm) -> None:
    """A policy read from its own document is the same policy, and writes the same document."""
    policy = rotate(
        first_policy(issuer=ISSUER, now=NOW, entropy=ENTROPY, algorithm=alg), now=NOW + PUBLISH_LEAD, entropy=ENTROPY
    )
    read = parse(policy.to_json())
    assert (read, read.to_json()) == (policy, policy.to_json())


def test_rotation_counts_the_version(policy: SigningPolicy) -> None:
    """A rotated policy is the next version, its next key signs, and nothing else of it changes."""
    rotated = rotate(policy, now=NOW + PUBLISH_LEAD, entropy=ENTROPY)
    assert (rotated.version, rotated.keys.current.kid) == (2, policy.keys.next.kid)
    assert replace(rotated, version=1, keys=policy.keys, refresh_keys=policy.refresh_keys) == policy


def test_rotation_that_comes_too_early_is_refused(policy: SigningPolicy) -> None:
    """A policy does not rotate before every verifier can know its next key."""
    with pytest.raises(TooEarly):
        rotate(policy, now=NOW + PUBLISH_LEAD - 1, entropy=ENTROPY)


def test_every_copy_knows_the_refresh_key_before_it_signs(policy: SigningPolicy) -> None:
    """A function with the policy of before a rotation verifies the refresh tokens of one with the policy after it."""
    rotated = rotate(policy, now=NOW + PUBLISH_LEAD, entropy=ENTROPY)
    text = mint_refresh(TOKEN, rotated.refresh_keys)
    assert text != mint_refresh(TOKEN, policy.refresh_keys)
    assert verify_refresh(text, policy.refresh_keys) == TOKEN


def test_refresh_tokens_outlive_rotations_for_their_whole_life(policy: SigningPolicy) -> None:
    """A refresh token is good for the whole life of its session, and its key goes at the first rotation after."""
    text = mint_refresh(TOKEN, policy.refresh_keys)
    first = rotate(policy, now=NOW + PUBLISH_LEAD, entropy=ENTROPY)
    end = NOW + PUBLISH_LEAD + policy.refresh_ttl + POLICY_CACHE
    assert verify_refresh(text, rotate(first, now=end - 1, entropy=ENTROPY).refresh_keys) == TOKEN
    with pytest.raises(InvalidToken):
        verify_refresh(text, rotate(first, now=end, entropy=ENTROPY).refresh_keys)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 40 * 86_400), min_size=1, max_size=6))
def test_no_session_loses_its_token(waits: list[int]) -> None:
    """However rotations follow each other, a refresh token verifies until its session has ended."""
    entropy = numbered()
    policy = first_policy(issuer=ISSUER, now=NOW, entropy=entropy, algorithm=Algorithm.HS256)
    now, minted = NOW, []
    for wait in waits:
        minted.append((mint_refresh(TOKEN, policy.refresh_keys), now + policy.refresh_ttl))
        now += wait
        if now >= policy.keys.next.published_at + PUBLISH_LEAD:
            policy = parse(rotate(policy, now=now, entropy=entropy).to_json())
        assert {verify_refresh(text, policy.refresh_keys) for text, end in minted if now < end} <= {TOKEN}


def test_document_that_cannot_be_stored_is_not_made(policy: SigningPolicy) -> None:
    """A rotation that would outgrow the secret fails, rather than make a policy that cannot be stored."""
    room = MAX_POLICY - len(policy.to_json())
    full = replace(policy, issuer=policy.issuer + "a" * room)
    assert len(full.to_json()) == MAX_POLICY
    with pytest.raises(BadPolicy, match="too long"):
        rotate(full, now=NOW + PUBLISH_LEAD, entropy=ENTROPY)


def changed(policy: SigningPolicy, path: tuple[str | int, ...], value: object) -> str:
    """Return the policy's document with one member changed."""
    document: Any = json.loads(policy.to_json())
    target = document
    for step in path[:-1]:
        target = target[step]
    if value is DELETE:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return json.dumps(document)


BAD_MEMBERS: list[tuple[tuple[str | int, ...], list[object]]] = [
    (("version",), [0, -1, "1", True, None, 1.0, DELETE]),
    (("issuer",), ["", "id.example", "ftp://id.example", "https://id.example?a", "https://a b", "https://", 5, DELETE]),
    (("algorithm",), ["none", "rs256", "", None, DELETE]),
    (("access_ttl",), [59, 86_401, "900", True, None, 901, DELETE]),
    (("refresh_ttl",), [3599, 31_536_001, "x", 2_591_999, DELETE]),
    (("refresh_idle_ttl",), [59, 7_776_001, None, DELETE]),
    (("refresh_retry_limit",), [-1, 11, True, DELETE]),
    (("keys",), [[], {}, None, [1], DELETE]),
    (("keys", 0), ["x", {}]),
    (("keys", 0, "kid"), ["", 1, None, DELETE]),
    (("keys", 0, "alg"), ["none", "RS256", "EdDSA", "HS256", DELETE]),
    (("keys", 0, "state"), ["current", "previous", "gone", None, DELETE]),
    (("keys", 0, "private"), ["", "secret", None, DELETE]),
    (("keys", 0, "published_at"), ["1", None, True, DELETE]),
    (("keys", 0, "activated_at"), ["1", True, DELETE]),
    (("keys", 0, "retire_at"), ["1", NOW, DELETE]),
    (("keys", 1, "max_ttl"), [0, "900", None, DELETE]),
    (("keys", 0, "public"), ["x"]),
    (("refresh_keys",), [[], {}, None, DELETE]),
    (("refresh_keys", 0, "key_id"), ["", None, DELETE]),
    (("refresh_keys", 0, "secret"), ["", "AAAA", "A" * 43, "not base64url", None, DELETE]),
    (("refresh_keys", 0, "created_at"), ["1", None, DELETE]),
    (("refresh_keys", 0, "retire_at"), ["1", NOW, DELETE]),
    (("refresh_keys", 0, "other"), [1]),
    (("other",), [1]),
]


def refused(text: str) -> bool:
    """Say whether a document is refused."""
    try:
        parse(text)
    except BadPolicy:
        return True
    return False


@pytest.mark.parametrize(("path", "values"), BAD_MEMBERS)
def test_unsound_document_is_refused(policy: SigningPolicy, path: tuple[str | int, ...], values: list[object]) -> None:
    """A document with one unsound, unknown or missing member is refused whole."""
    assert [value for value in values if not refused(changed(policy, path, value))] == []


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"version":1,"version":1}', "{" * 100, "x" * 70_000])
def test_other_text_is_refused(text: str) -> None:
    """A text that is no policy is refused, the empty secret of a new stack with it."""
    with pytest.raises(BadPolicy):
        parse(text)


def test_retiring_refresh_key_never_signs(policy: SigningPolicy) -> None:
    """A policy whose first refresh key is on its way out cannot be made."""
    rotated = rotate(policy, now=NOW + PUBLISH_LEAD, entropy=ENTROPY)
    with pytest.raises(BadPolicy, match="refresh_keys"):
        replace(rotated, refresh_keys=rotated.refresh_keys[::-1])


def test_document_over_the_limit_is_refused(policy: SigningPolicy) -> None:
    """A sound document is refused when it is longer than any that is ever written."""
    text = policy.to_json()
    assert parse(text.ljust(MAX_POLICY)) == policy
    with pytest.raises(BadPolicy, match="too long"):
        parse(text.ljust(MAX_POLICY + 1))


@pytest.mark.parametrize("path", [("algorithm",), ("version",), ("keys", 0, "alg"), ("keys", 0, "state"), ("other",)])
def test_refusal_never_quotes_a_value(policy: SigningPolicy, path: tuple[str | int, ...]) -> None:
    """Neither the message nor the traceback of a refusal shows what stands in the document, a misplaced secret say."""
    with pytest.raises(BadPolicy) as caught:
        parse(changed(policy, path, MISPLACED))
    assert MISPLACED not in "".join(traceback.format_exception(caught.value))


def test_longer_lifetime_must_be_told_to_the_key(policy: SigningPolicy) -> None:
    """A lifetime that the current key would not outlive is refused until its key knows of it."""
    with pytest.raises(BadPolicy, match="max_ttl"):
        replace(policy, access_ttl=3600)
    assert replace(policy, access_ttl=3600, keys=policy.keys.signing_for(3600)).access_ttl == 3600


def test_repr_hides_every_secret(policy: SigningPolicy) -> None:
    """The repr of a policy shows no private key and no MAC key."""
    shown = repr(policy)
    lines = [line for key in policy.keys.keys for line in key.private.splitlines()]
    assert [secret for secret in [*lines, *(repr(key.secret) for key in policy.refresh_keys)] if secret in shown] == []
