"""The signing policy: one document, checked as a whole, changed without an interruption for anyone."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable
from contextlib import nullcontext as does_not_raise
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latchkey.signing.jws import InvalidToken
from latchkey.signing.key_set import Caches, KeyState, SigningKey
from latchkey.signing.keys import Algorithm
from latchkey.signing.names import Name, Planned
from latchkey.signing.policy import (
    FORMAT,
    MAX_POLICY,
    BadPolicy,
    Lifetimes,
    Moment,
    PolicyTooLong,
    SigningPolicy,
    change,
    first_policy,
    parse,
    plan_audience_move,
    plan_issuer_move,
    reset,
    rotate,
)
from latchkey.signing.refresh import RefreshToken, mint_refresh, verify_refresh
from tests.unit.signing import key_life
from tests.unit.signing.forge import AUDIENCE, ISSUER, NOW, load

TOKEN = RefreshToken("usr_ann", "s-1", 0, bytes(range(16)), bytes(range(16, 32)))
DELETE = object()
MISPLACED = "hunter2"
OTHER = "https://other.example"
CACHES = Caches(policy=60, jwks=300, authorizer=60)
LEAD = CACHES.publish_lead
READY = NOW + LEAD
LAST_READ = CACHES.staging + CACHES.policy
"""Seconds after which no function still uses the previous policy."""


Plan = Callable[[SigningPolicy, str, Moment], SigningPolicy]


def numbered() -> Callable[[int], bytes]:
    """Return entropy that never repeats and is the same in every run."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(2, "big") * (size // 2)


ENTROPY = numbered()


def at(now: int) -> Moment:
    """Return a moment with the usual ages of copies."""
    return Moment(now, ENTROPY, CACHES)


@pytest.fixture(scope="module")
def policy() -> SigningPolicy:
    """A first policy with small fast keys."""
    return first_policy(ISSUER, Algorithm.ES256, Lifetimes(), at(NOW), audience=AUDIENCE)


def seconds(policy: SigningPolicy, **changes: int) -> SigningPolicy:
    """Return the policy with other lifetimes, changed at once."""
    return change(policy, policy.algorithm, replace(policy.lifetimes, **changes), at(NOW))


def test_default_lifetimes() -> None:
    """A quarter of an hour, ninety days, thirty days, and twelve late repeats."""
    assert Lifetimes() == Lifetimes(900, 7_776_000, 2_592_000, 12)


def test_first_policy_is_version_one(policy: SigningPolicy) -> None:
    """It has the lifetimes it was given, and says when it was made."""
    assert (policy.version, policy.made_at, policy.lifetimes) == (1, NOW, Lifetimes())


def test_first_keys_may_sign_at_once(policy: SigningPolicy) -> None:
    """The first key signs, the spare is as good as published long ago, and both are in one document."""
    assert policy.keys.current.activates_at == NOW
    assert rotate(policy, at(NOW)).keys.signer(NOW) == replace(
        policy.keys.spare, state=KeyState.CURRENT, activates_at=NOW, max_ttl=900
    )
    assert len(policy.keys.published(NOW)) == 2


@pytest.mark.parametrize("alg", [Algorithm.ES256, Algorithm.EdDSA, Algorithm.HS256])
def test_document_comes_back(alg: Algorithm) -> None:
    """A policy read from its own document is the same policy, and writes the same document."""
    first = first_policy(ISSUER, alg, Lifetimes(), at(NOW))
    policy = rotate(rotate(seconds(first, refresh_ttl=2_592_000), at(READY)), at(READY + 1))
    read = parse(policy.to_json())
    assert (read, read.to_json()) == (policy, policy.to_json())


# Rotation


def test_rotation_counts_the_version(policy: SigningPolicy) -> None:
    """A rotated policy is the next version, its spare key signs, and nothing else of it changes."""
    rotated = rotate(policy, at(READY))
    assert (rotated.version, rotated.made_at, rotated.keys.current.kid) == (2, READY, policy.keys.spare.kid)
    unrotated = replace(rotated, version=1, made_at=NOW, keys=policy.keys, refresh_keys=policy.refresh_keys)
    assert unrotated == policy


def test_rotation_while_an_heir_waits_changes_nothing(policy: SigningPolicy) -> None:
    """The policy itself comes back, so that its writer need not write."""
    waiting = rotate(rotate(policy, at(READY)), at(READY))
    assert waiting.keys.heir is not None
    assert rotate(waiting, at(READY + LEAD - 1)) is waiting


def test_rotation_drops_dead_keys(policy: SigningPolicy) -> None:
    """A rotation keeps the keys that still verify, and no other."""
    rotated = rotate(policy, at(READY))
    sizes = [len(rotate(rotated, at(READY + wait)).keys.keys) for wait in (LEAD, 86_400)]
    assert sizes == [4, 3]


# Refresh keys


def test_every_copy_knows_the_refresh_key_before_it_signs(policy: SigningPolicy) -> None:
    """A function with the previous policy verifies the refresh tokens of a function with the rotated policy."""
    rotated = rotate(policy, at(READY))
    text = mint_refresh(TOKEN, rotated.refresh_keys)
    assert text != mint_refresh(TOKEN, policy.refresh_keys)
    assert verify_refresh(text, policy.refresh_keys, READY) == TOKEN


@pytest.mark.parametrize(("wait", "rotates"), [(0, False), (LAST_READ, False), (LAST_READ + 1, True)])
def test_refresh_key_that_is_not_known_to_all_does_not_sign(policy: SigningPolicy, wait: int, rotates: bool) -> None:
    """Two rotations in a row rotate the refresh keys once: a stale function would end sessions."""
    first = rotate(policy, at(READY))
    second = rotate(first, at(READY + wait))
    assert (second.refresh_keys != first.refresh_keys) is rotates


def test_refresh_tokens_outlive_rotations_for_their_whole_life(policy: SigningPolicy) -> None:
    """A refresh token is good for the whole life of its session, and its key goes at the first rotation after."""
    text = mint_refresh(TOKEN, policy.refresh_keys)
    first = rotate(policy, at(READY))
    end = READY + policy.refresh_ttl + LAST_READ
    assert verify_refresh(text, rotate(first, at(end - 1)).refresh_keys, end - 1) == TOKEN
    with pytest.raises(InvalidToken):
        verify_refresh(text, rotate(first, at(end)).refresh_keys, end)


def test_sessions_that_are_shorter_from_now_on_do_not_end_longer_ones(policy: SigningPolicy) -> None:
    """A session of ninety days keeps its refresh token, though sessions of an hour are in force at the rotation."""
    text = mint_refresh(TOKEN, policy.refresh_keys)
    shorter = seconds(policy, refresh_ttl=3600, refresh_idle_ttl=3600)
    rotated = rotate(rotate(shorter, at(READY)), at(READY + 86_400))
    assert verify_refresh(text, rotated.refresh_keys, READY + 86_400) == TOKEN


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40 * 86_400), st.sampled_from([3600, 90 * 86_400])), min_size=1, max_size=6))
def test_no_session_loses_its_token(moves: list[tuple[int, int]]) -> None:
    """A refresh token verifies until its session has ended, however rotations and lifetimes follow each other."""
    policy = first_policy(ISSUER, Algorithm.HS256, Lifetimes(), at(NOW))
    now, minted = NOW, []
    for wait, ttl in moves:
        minted.append((mint_refresh(TOKEN, policy.refresh_keys), now + policy.refresh_ttl))
        now += wait
        policy = parse(rotate(seconds(policy, refresh_ttl=ttl, refresh_idle_ttl=3600), at(now)).to_json())
        assert {verify_refresh(text, policy.refresh_keys, now) for text, end in minted if now < end} <= {TOKEN}


# Changes


def test_change_of_nothing_changes_nothing(policy: SigningPolicy) -> None:
    """The policy itself comes back, so that its writer need not write."""
    assert change(policy, policy.algorithm, policy.lifetimes, at(READY)) is policy


def test_change_of_lifetimes_leaves_the_keys_that_sign(policy: SigningPolicy) -> None:
    """New lifetimes are the next version; the key that signs goes on, for tokens of whichever life is longer."""
    changed = seconds(policy, access_ttl=3600)
    assert (changed.version, changed.access_ttl, changed.refresh_ttl) == (2, 3600, policy.refresh_ttl)
    assert changed.keys.current == replace(policy.keys.current, max_ttl=3600)


def test_change_of_algorithm_comes_about_by_itself(policy: SigningPolicy) -> None:
    """The previous key signs until every verifier has the new one, and the spare key has the new algorithm."""
    changed = change(policy, Algorithm.EdDSA, policy.lifetimes, at(NOW))
    signers = [changed.keys.signer(now).alg for now in (NOW, READY - 1, READY)]
    assert signers == [Algorithm.ES256, Algorithm.ES256, Algorithm.EdDSA]
    assert changed.keys.spare.alg is changed.algorithm is Algorithm.EdDSA
    assert changed.refresh_keys[0].secret == policy.refresh_keys[0].secret


@pytest.mark.parametrize("wait", [0, LEAD - LAST_READ, LEAD - 1])
def test_change_back_comes_about_at_once(policy: SigningPolicy, wait: int) -> None:
    """If the change is taken back before it takes effect, the previous key goes on signing."""
    changed = change(policy, Algorithm.EdDSA, policy.lifetimes, at(NOW))
    back = parse(change(changed, Algorithm.ES256, policy.lifetimes, at(NOW + wait)).to_json())
    assert back.keys.signer(READY).kid == policy.keys.current.kid
    assert (back.keys.heir, back.keys.spare.alg, back.keys.current.retire_at) == (None, Algorithm.ES256, None)


def test_change_back_after_it_came_about_is_a_change(policy: SigningPolicy) -> None:
    """The old algorithm then gets new keys, which wait like those of any other algorithm."""
    changed = change(policy, Algorithm.EdDSA, policy.lifetimes, at(NOW))
    back = change(changed, Algorithm.ES256, policy.lifetimes, at(READY))
    assert [back.keys.signer(now).alg for now in (READY, READY + LEAD)] == [Algorithm.EdDSA, Algorithm.ES256]


def test_change_is_of_both_at_once(policy: SigningPolicy) -> None:
    """The new key knows of the new lifetime before it signs."""
    changed = change(policy, Algorithm.EdDSA, replace(policy.lifetimes, access_ttl=3600), at(NOW))
    assert changed.keys.heir is not None
    assert (changed.version, changed.access_ttl, changed.keys.heir.max_ttl) == (2, 3600, 3600)


@pytest.mark.parametrize("setting", ["access_ttl", "refresh_ttl", "refresh_idle_ttl", "refresh_retry_limit"])
def test_setting_out_of_bounds_is_refused(policy: SigningPolicy, setting: str) -> None:
    """The message names the member."""
    with pytest.raises(BadPolicy, match=setting):
        seconds(policy, **{setting: 99_999_999})


def test_access_token_lives_for_an_hour_at_most(policy: SigningPolicy) -> None:
    """No policy is made in which another API accepts a token for longer than an hour."""
    assert seconds(policy, access_ttl=3600).access_ttl == 3600
    with pytest.raises(BadPolicy, match="access_ttl"):
        seconds(policy, access_ttl=3601)


@pytest.mark.parametrize(("stored", "read"), [(3600, 3600), (3601, 3600), (86_400, 3600)])
def test_longer_life_in_a_document_of_an_older_release_is_cut_to_an_hour(
    policy: SigningPolicy, stored: int, read: int
) -> None:
    """The document still loads, new tokens live for an hour, and the keys verify older tokens until these expire."""
    document = json.loads(seconds(policy, access_ttl=3600).to_json()) | {"access_ttl": stored}
    for key in document["keys"]:
        key["max_ttl"] = max(key["max_ttl"], stored)
    old = parse(json.dumps(document))
    assert (old.access_ttl, old.lifetimes.access_ttl, old.keys.current.max_ttl) == (read, read, stored)
    assert json.loads(rotate(old, at(READY)).to_json())["access_ttl"] == read


# Reset


def test_reset_leaves_no_key(policy: SigningPolicy) -> None:
    """None of the keys that were verifies or is published; a new one signs at once."""
    rotated = rotate(policy, at(READY))
    fresh = reset(rotated, at(READY + 1), end_sessions=False)
    old = {key.kid for key in rotated.keys.keys}
    assert old.isdisjoint(key.kid for key in fresh.keys.keys)
    assert (fresh.version, fresh.keys.signer(READY + 1).kid) == (3, fresh.keys.current.kid)
    assert (fresh.algorithm, fresh.lifetimes) == (policy.algorithm, policy.lifetimes)


def test_spare_of_a_reset_waits_for_every_cache(policy: SigningPolicy) -> None:
    """It was published with the reset, so no verifier has it yet."""
    rotated = rotate(reset(policy, at(READY), end_sessions=False), at(READY))
    assert rotated.keys.heir is not None
    assert rotated.keys.heir.activates_at == READY + LEAD


@pytest.mark.parametrize("end_sessions", [True, False])
def test_reset_ends_sessions_if_told_so(policy: SigningPolicy, end_sessions: bool) -> None:
    """After a reset, refresh tokens are worthless or live until they expire; no old key makes new ones."""
    text = mint_refresh(TOKEN, policy.refresh_keys)
    fresh = reset(policy, at(READY), end_sessions=end_sessions)
    assert {key.key_id for key in fresh.refresh_keys[:2]}.isdisjoint(key.key_id for key in policy.refresh_keys)
    with pytest.raises(InvalidToken) if end_sessions else does_not_raise():
        verify_refresh(text, fresh.refresh_keys, READY + policy.refresh_ttl)
    with pytest.raises(InvalidToken):
        verify_refresh(text, fresh.refresh_keys, READY + policy.refresh_ttl + LAST_READ)


# Moves of the issuer and the audience


def test_first_policy_has_the_names_it_was_given(policy: SigningPolicy) -> None:
    """The issuer always; the audience too, unless an older release made the policy."""
    assert (policy.issuers, policy.audiences) == (Name(ISSUER), Name(AUDIENCE))
    assert first_policy(ISSUER, Algorithm.HS256, Lifetimes(), at(NOW)).audiences is None


@pytest.mark.parametrize("plan", [plan_issuer_move, plan_audience_move])
def test_move_is_the_next_version(policy: SigningPolicy, plan: Plan) -> None:
    """It changes one of the names, and nothing else."""
    moved = plan(policy, OTHER, at(READY))
    assert (moved.version, moved.made_at) == (2, READY)
    assert replace(moved, version=1, made_at=NOW, issuers=policy.issuers, audiences=policy.audiences) == policy
    names = moved.issuers if plan is plan_issuer_move else moved.audiences
    end = READY + LEAD + policy.access_ttl + CACHES.name_margin
    assert names is not None
    assert names.planned == Planned(OTHER, READY + LEAD, end)


@pytest.mark.parametrize("plan", [plan_issuer_move, plan_audience_move])
def test_move_that_changes_nothing_is_the_policy_itself(policy: SigningPolicy, plan: Plan) -> None:
    """Such are a move to the present name, and a move to the name that is planned already."""
    present = ISSUER if plan is plan_issuer_move else AUDIENCE
    moved = plan(policy, OTHER, at(NOW))
    assert plan(policy, present, at(NOW)) is policy
    assert plan(moved, OTHER, at(NOW + 1)) is moved
    assert plan(moved, OTHER, at(NOW + LEAD)) is moved


def test_policy_without_an_audience_takes_one_over_at_once(policy: SigningPolicy) -> None:
    """Tokens carry it already, by the stack's parameter."""
    older = replace(policy, audiences=None)
    taken = plan_audience_move(older, AUDIENCE, at(NOW))
    assert (taken.version, taken.audiences) == (2, Name(AUDIENCE))


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        (plan_issuer_move, "id.example"),
        (plan_issuer_move, "https://id.example?a=b"),
        (plan_audience_move, "a b"),
        (plan_audience_move, "a" * 257),
        (plan_audience_move, "é"),
    ],
)
def test_move_to_no_name_is_refused(policy: SigningPolicy, plan: Plan, name: str) -> None:
    """No policy can be made with it."""
    with pytest.raises(BadPolicy, match=r"issuer|audience"):
        plan(policy, name, at(NOW))


def test_longest_token_of_any_key_decides_when_a_name_ends(policy: SigningPolicy) -> None:
    """A token of an hour still lives when tokens live for a quarter of an hour again and the key has changed."""
    long = seconds(policy, access_ttl=3600)
    short = rotate(change(long, policy.algorithm, policy.lifetimes, at(READY)), at(READY))
    moved = plan_issuer_move(short, OTHER, at(READY + 600))
    begins = READY + 600 + LEAD
    assert moved.issuers.planned == Planned(OTHER, begins, begins + 3600 + CACHES.name_margin)
    later = plan_issuer_move(short, OTHER, at(READY + 200_000)).issuers.planned
    assert later is not None
    assert later.previous_until - later.at == 900 + CACHES.name_margin


def test_longer_lifetime_before_a_move_postpones_the_ends(policy: SigningPolicy) -> None:
    """Until the move comes about, tokens of the new life carry the old names."""
    moved = plan_audience_move(plan_issuer_move(policy, OTHER, at(NOW)), OTHER, at(NOW))
    longer = seconds(moved, access_ttl=3600)
    for names in (longer.issuers, longer.audiences):
        assert names is not None
        assert names.planned == Planned(OTHER, READY, READY + 3600 + CACHES.name_margin)


@pytest.mark.parametrize("move", range(5))
def test_every_change_writes_down_what_has_come_about(policy: SigningPolicy, move: int) -> None:
    """After a move, whatever is written next names the new issuer first, and says when the old one ends."""
    later = READY + 10
    moved = plan_audience_move(plan_issuer_move(policy, OTHER, at(NOW)), OTHER, at(NOW))
    changes: list[Callable[[], SigningPolicy]] = [
        lambda: rotate(moved, at(later)),
        lambda: change(moved, Algorithm.EdDSA, moved.lifetimes, at(later)),
        lambda: reset(moved, at(later), end_sessions=True),
        lambda: plan_issuer_move(moved, "https://third.example", at(later)),
        lambda: plan_audience_move(moved, "third", at(later)),
    ]
    written = changes[move]()
    assert written.audiences is not None
    assert (written.issuers.current, written.audiences.current) == (OTHER, OTHER)
    assert written.accepted(later).issuers_at(later) >= {ISSUER, OTHER}
    assert written.accepted(later).audiences_at(later) >= {AUDIENCE, OTHER}


def test_document_holds_the_names(policy: SigningPolicy) -> None:
    """A stack that never moved has no member for moves; one that did says when which name begins and ends."""
    names = {"issuer": ISSUER, "audience": AUDIENCE}
    assert names_of(policy) == names
    moved = plan_issuer_move(policy, OTHER, at(NOW))
    assert names_of(moved) == names | {"next_issuer": {"iss": OTHER, "at": READY, "previous_until": READY + 1470}}
    assert parse(moved.to_json()) == moved
    settled = plan_audience_move(moved, "shop", at(READY))
    assert names_of(settled) == {
        "issuer": OTHER,
        "previous_issuers": [{"iss": ISSUER, "until": READY + 1470}],
        "audience": AUDIENCE,
        "next_audience": {"aud": "shop", "at": READY + LEAD, "previous_until": READY + LEAD + 1470},
    }
    assert parse(settled.to_json()) == settled


def names_of(policy: SigningPolicy) -> dict[str, Any]:
    """Return what the document says of issuers and audiences."""
    document = json.loads(policy.to_json())
    return {name: value for name, value in document.items() if "issuer" in name or "audience" in name}


# The document


@pytest.mark.parametrize("make", [rotate, lambda policy, moment: reset(policy, moment, end_sessions=True)])
def test_document_that_cannot_be_stored_is_not_made(
    policy: SigningPolicy, make: Callable[[SigningPolicy, Moment], SigningPolicy]
) -> None:
    """A change that would outgrow the secret fails, rather than make a policy that cannot be stored."""
    room = MAX_POLICY - len(policy.to_json())
    full = replace(policy, issuers=Name(ISSUER + "a" * (room + 1)))
    with pytest.raises(PolicyTooLong):
        make(full, at(READY))


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
    (("made_at",), ["1", None, DELETE]),
    (("issuer",), ["", "id.example", "ftp://id.example", "https://id.example?a", "https://a b", "https://", 5, DELETE]),
    (("algorithm",), ["none", "rs256", "", None, DELETE]),
    (("access_ttl",), [59, 86_401, "900", True, None, 901, DELETE]),
    (("refresh_ttl",), [3599, 31_536_001, "x", 2_591_999, DELETE]),
    (("refresh_idle_ttl",), [59, 7_776_001, None, DELETE]),
    (("refresh_retry_limit",), [-1, 101, True, DELETE]),
    (("keys",), [[], {}, None, [1], DELETE]),
    (("keys", 0), ["x", {}]),
    (("keys", 0, "kid"), ["", 1, None, DELETE]),
    (("keys", 0, "alg"), ["none", "RS256", "EdDSA", "HS256", DELETE]),
    (("keys", 0, "state"), ["current", "previous", "gone", None, DELETE]),
    (("keys", 0, "private"), ["", "secret", None, DELETE]),
    (("keys", 0, "published_at"), ["1", None, True, DELETE]),
    (("keys", 0, "activates_at"), ["1", True, DELETE]),
    (("keys", 0, "retire_at"), ["1", NOW, DELETE]),
    (("keys", 1, "max_ttl"), [0, "900", None, DELETE]),
    (("refresh_keys",), [[], {}, None, DELETE]),
    (("refresh_keys", 0, "key_id"), ["", None, DELETE]),
    (("refresh_keys", 0, "secret"), ["", "AAAA", "A" * 43, "not base64url", None, DELETE]),
    (("refresh_keys", 0, "created_at"), ["1", None, DELETE]),
    (("refresh_keys", 0, "retire_at"), ["1", NOW, DELETE]),
    (("refresh_keys", 0, "max_ttl"), ["1", None, DELETE]),
    (("audience",), ["", "a b", "é", "a" * 257, None, 5]),
    (("next_issuer",), [None, "x", [], {}, {"iss": OTHER, "at": NOW}, {"iss": OTHER, "at": "1", "previous_until": 2}]),
    (("next_issuer",), [{"iss": ISSUER, "at": 1, "previous_until": 2}, {"iss": OTHER, "at": 2, "previous_until": 1}]),
    (("next_issuer",), [{"iss": "id.example", "at": 1, "previous_until": 2}]),
    (
        ("next_audience",),
        [{"iss": OTHER, "at": 1, "previous_until": 2}, {"aud": AUDIENCE, "at": 1, "previous_until": 2}],
    ),
    (("previous_issuers",), [None, {}, ["x"], [{}], [{"iss": OTHER}], [{"iss": ISSUER, "until": 1}]]),
    (("previous_issuers",), [[{"iss": OTHER, "until": None}], [{"iss": OTHER, "until": 1}] * 2]),
    (("previous_audiences",), [None, [{"iss": OTHER, "until": 1}], [{"aud": AUDIENCE, "until": 1}]]),
    (("format",), [0, -1, FORMAT + 1, "1", True, 1.0, None]),
    (("rsa_bits",), [0, 1024, 2049, 8192, "3072", True, None]),
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
    """A document with one invalid member, or without a member of the first release, is rejected as a whole."""
    assert [value for value in values if not refused(changed(policy, path, value))] == []


@pytest.mark.parametrize("member", ["next_audience", "previous_audiences"])
def test_moves_of_an_audience_that_is_not_there_are_refused(policy: SigningPolicy, member: str) -> None:
    """Otherwise half of the audience's settings would be lost."""
    older = replace(policy, audiences=None)
    assert not refused(older.to_json())
    planned, previous = {"aud": OTHER, "at": 1, "previous_until": 2}, [{"aud": OTHER, "until": 1}]
    assert refused(changed(older, (member,), planned if member == "next_audience" else previous))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"version":1,"version":1}', "{" * 100, "x" * 70_000])
def test_other_text_is_refused(text: str) -> None:
    """A text that is not a policy is rejected, and so is the empty secret of a new stack."""
    with pytest.raises(BadPolicy):
        parse(text)


# Documents of other releases


def test_document_of_the_first_release_is_read() -> None:
    """A document without `format`, `rsa_bits` and `audience`, as the release before wrote it, reads without them."""
    text = json.dumps(load("signing_policy_without_format.json"))
    policy = parse(text)
    assert (policy.version, policy.rsa_bits, len(policy.keys.keys), len(policy.refresh_keys)) == (3, 3072, 4, 3)
    assert (policy.issuers, policy.audiences) == (Name(ISSUER), None)
    assert json.loads(policy.to_json()) == json.loads(text) | {"format": 1, "rsa_bits": 3072}


def from_a_newer_release(policy: SigningPolicy) -> str:
    """Return the policy's document with members that no release has yet, at the top and in each key."""
    document: Any = json.loads(policy.to_json())
    document |= {"restored_at": NOW, "seal_keys": [{"secret": "leaked"}], "limits": {"a": [1.5, None, "x"]}}
    document["unknown"] = "a member that is called as our own field is"
    for key in document["keys"] + document["refresh_keys"]:
        key |= {"origin": {"kms": f"key of {key.get('kid') or key['key_id']}"}, "unknown": 1}
    return json.dumps(document)


UNKNOWN = {"restored_at", "seal_keys", "limits", "unknown"}


def unknown_of(policy: SigningPolicy) -> dict[str, Any]:
    """Return what the policy's document says in members that this release does not know."""
    document = json.loads(policy.to_json())
    keys = {key.get("kid") or key["key_id"]: key.get("origin") for key in document["keys"] + document["refresh_keys"]}
    return {name: document[name] for name in document.keys() & UNKNOWN} | {"origins": keys}


def test_members_of_a_newer_release_are_ignored_and_kept(policy: SigningPolicy) -> None:
    """A policy with members that no release knows yet is the same policy, and writes the same document."""
    newer = from_a_newer_release(policy)
    read = parse(newer)
    assert read.keys.signer(NOW).kid == policy.keys.current.kid
    assert (read.lifetimes, read.version) == (policy.lifetimes, policy.version)
    assert json.loads(read.to_json()) == json.loads(newer)


MOVES: dict[str, Callable[[SigningPolicy], SigningPolicy]] = {
    "rotate": lambda policy: rotate(policy, at(READY)),
    "rotate twice": lambda policy: rotate(rotate(policy, at(READY)), at(READY + 1)),
    "change lifetimes": lambda policy: seconds(policy, access_ttl=3600),
    "change algorithm": lambda policy: change(policy, Algorithm.EdDSA, policy.lifetimes, at(NOW)),
    "move the issuer": lambda policy: plan_issuer_move(policy, OTHER, at(READY)),
    "move the audience": lambda policy: plan_audience_move(policy, OTHER, at(READY)),
    "keep the refresh keys in a reset": lambda policy: reset(policy, at(READY), end_sessions=False),
}


@pytest.mark.parametrize("move", MOVES)
def test_writer_keeps_what_a_newer_release_wrote(policy: SigningPolicy, move: str) -> None:
    """After a roll-back, a change by this release loses no member of the policy, nor of any key that stays."""
    newer = parse(from_a_newer_release(policy))
    before, after = unknown_of(newer), unknown_of(parse(MOVES[move](newer).to_json()))
    stays = {key for key in after["origins"] if key in before["origins"]}
    assert stays
    assert {key: after["origins"][key] for key in stays} == {key: before["origins"][key] for key in stays}
    assert {after["origins"][key] for key in after["origins"].keys() - stays} <= {None}
    kept = UNKNOWN - ({"seal_keys"} if move == "keep the refresh keys in a reset" else set())
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_reset_drops_secrets_that_it_does_not_know(policy: SigningPolicy) -> None:
    """A leaked secret of a newer release does not survive a reset by an older one; all that is no secret does."""
    fresh = reset(parse(from_a_newer_release(policy)), at(READY), end_sessions=True)
    assert fresh.unknown.keys() == UNKNOWN - {"seal_keys"}
    assert "leaked" not in fresh.to_json()
    assert set(unknown_of(fresh)["origins"].values()) == {None}


@pytest.mark.parametrize("path", [("limits",), ("keys", 0, "origin")])
def test_repr_hides_what_it_does_not_know(policy: SigningPolicy, path: tuple[str | int, ...]) -> None:
    """An unknown member may be a secret."""
    assert MISPLACED not in repr(parse(changed(policy, path, MISPLACED)))


def test_duplicate_members_are_refused_wherever_they_stand(policy: SigningPolicy) -> None:
    """A member that is unknown to this release may still not be there twice."""
    text = policy.to_json()
    assert refused(text.replace("{", '{"x":1,"x":2,', 1))
    assert refused(text.replace('"keys":[{', '"keys":[{"x":1,"x":2,', 1))
    assert not refused(text.replace('"keys":[{', '"keys":[{"x":1,', 1))


def test_policy_says_how_long_rsa_keys_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key that a policy makes has its size: the first two, and those of a rotation, a change and a reset."""
    sizes: list[int] = []

    def generate(algorithm: Algorithm, **asked: Any) -> SigningKey:
        sizes.append(asked["rsa_bits"])
        return key_life.generate(algorithm, **asked)

    monkeypatch.setattr("latchkey.signing.policy.generate", generate)
    first = first_policy(ISSUER, Algorithm.RS256, Lifetimes(), at(NOW), rsa_bits=2048)
    assert parse(first.to_json()).rsa_bits == 2048
    rotated = rotate(first, at(READY))
    changed = change(rotated, Algorithm.ES256, rotated.lifetimes, at(READY))
    assert reset(changed, at(READY), end_sessions=False).rsa_bits == 2048
    assert sizes == [2048] * 7


def test_retiring_refresh_key_never_signs(policy: SigningPolicy) -> None:
    """A policy whose first refresh key is on its way out cannot be made."""
    rotated = rotate(policy, at(READY))
    with pytest.raises(BadPolicy, match="refresh_keys"):
        replace(rotated, refresh_keys=rotated.refresh_keys[::-1])


def test_document_over_the_limit_is_refused(policy: SigningPolicy) -> None:
    """A sound document is refused when it is longer than any that is ever written."""
    text = policy.to_json()
    assert parse(text.ljust(MAX_POLICY)) == policy
    with pytest.raises(BadPolicy, match="too long"):
        parse(text.ljust(MAX_POLICY + 1))


@pytest.mark.parametrize(
    "path", [("algorithm",), ("version",), ("format",), ("keys", 0, "alg"), ("keys", 0, "state"), ("keys", 0)]
)
def test_refusal_never_quotes_a_value(policy: SigningPolicy, path: tuple[str | int, ...]) -> None:
    """The message and the traceback of an error show no value of the document, for example a misplaced secret."""
    with pytest.raises(BadPolicy) as caught:
        parse(changed(policy, path, MISPLACED))
    assert MISPLACED not in "".join(traceback.format_exception(caught.value))


def test_longer_lifetime_must_be_told_to_the_key(policy: SigningPolicy) -> None:
    """A lifetime that the current key would not outlive is refused until its key knows of it."""
    with pytest.raises(BadPolicy, match="max_ttl"):
        replace(policy, access_ttl=3600)
    assert replace(policy, access_ttl=3600, keys=policy.keys.signing_for(3600, CACHES)).access_ttl == 3600


def test_repr_hides_every_secret(policy: SigningPolicy) -> None:
    """The repr of a policy shows no private key and no MAC key."""
    shown = repr(policy)
    lines = [line for key in policy.keys.keys for line in key.private.splitlines()]
    assert [secret for secret in [*lines, *(repr(key.secret) for key in policy.refresh_keys)] if secret in shown] == []
