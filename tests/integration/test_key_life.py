"""The life of keys in longer runs, and planted flaws that the world of the unit tests must notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from latchkey.core.signing_policy import admin, rotation
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.signing import key_set, policy
from latchkey.signing.accepted import Accepted, from_member
from latchkey.signing.key_set import Caches, KeySet, SigningKey
from latchkey.signing.keys import Algorithm
from latchkey.signing.names import Name
from latchkey.signing.policy import SigningPolicy
from tests.unit.signing import key_life
from tests.unit.signing.key_life import DAY, ISSUERS, TTLS, KeyLife

AT_LENGTH = settings(max_examples=40, stateful_step_count=30, deadline=None)
# Always the same worlds, so that a flaw is noticed in every run or in none; what exactly went wrong need not be short.
SAME_WORLDS = settings(
    max_examples=400,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are taken from the vectors: making them takes time."""
    monkeypatch.setattr(policy, "generate", key_life.generate)


def test_keys_live_as_promised_at_length() -> None:
    """Forty worlds with thirty moves each reject no valid token."""
    run_state_machine_as_test(KeyLife, settings=AT_LENGTH)


def caches(name: str, seconds: Callable[[Caches], int]) -> Plant:
    """Plant another sum of cache times."""
    return lambda patch: patch.setattr(Caches, name, property(seconds))


def method(name: str, flawed: Callable[..., Any]) -> Plant:
    """Plant another method of `KeySet`."""
    return lambda patch: patch.setattr(KeySet, name, flawed)


def heir_dropped(keys: KeySet, now: int, caches: Caches) -> KeySet:
    """Forget an heir that a later call may still let begin."""
    return key_set._waiting(keys, replace(keys.current, retire_at=None), keys.spare) if keys.heir else keys


def heir_dropped_too_soon(keys: KeySet, now: int, caches: Caches) -> KeySet:
    """Forget an heir as if a change were in force in the moment it is made."""
    begun = keys.heir is not None and (keys.heir.activates_at or 0) <= now + caches.policy
    return DISINHERITED(keys, now, caches) if begun else heir_dropped(keys, now, caches)


def heir_begins_at_once(  # noqa: PLR0913, PLR0917 - as `KeySet` has it
    keys: KeySet, now: int, ttl: int, heir: SigningKey, spare: SigningKey, caches: Caches
) -> KeySet:
    """Let the first key of another algorithm sign before any verifier has it."""
    heir = replace(heir, activates_at=now)
    return key_set._succeeded(keys.at(now).disinherited(now, caches), heir, ttl, spare, caches)


def spare_begins_at_once(keys: KeySet, now: int, ttl: int, fresh: SigningKey, caches: Caches) -> KeySet:
    """Let the spare key sign at once after a rotation."""
    settled = keys.at(now)
    heir = replace(settled.spare, activates_at=now)
    return settled if settled.heir else key_set._succeeded(settled, heir, ttl, fresh, caches).at(now)


def longest_token_forgotten(key: SigningKey, ttl: int) -> SigningKey:
    """Remember only the latest life of tokens."""
    return replace(key, max_ttl=ttl)


def only_the_new_keys(before: SigningPolicy | None, after: SigningPolicy, now: int) -> PublishedKeys:
    """Announce a change as if it had been put in force."""
    return rotation.public_half(after, now)


def with_an_end(before: SigningPolicy, after: SigningPolicy, now: int) -> PublishedKeys:
    """Announce the end of keys by a change that may never be put in force."""
    return replace(rotation.announcement(before, after, now), retire_at=rotation.public_half(after, now).retire_at)


def refresh_keys_in_haste(policy: SigningPolicy, moment: policy.Moment) -> Any:
    """Let a refresh key sign that some function does not know."""
    signed, signs, *retiring = policy.refresh_keys
    retired = replace(signed, retire_at=moment.now + policy.refresh_ttl + 2 * moment.caches.staging)
    return (signs, keylife_refresh_key(moment), retired, *retiring)


def refresh_keys_without_their_past(made: SigningPolicy, moment: policy.Moment) -> Any:
    """Forget for how long a refresh key once signed."""
    signed, *others = made.refresh_keys
    return ROTATE_REFRESH_KEYS(replace(made, refresh_keys=(replace(signed, max_ttl=0), *others)), moment)


def old_keys_kept(made: SigningPolicy, moment: policy.Moment, *, end_sessions: bool) -> SigningPolicy:
    """Reset, and go on verifying with the key that leaked."""
    fresh = RESET(made, moment, end_sessions=end_sessions)
    leaked = replace(made.keys.current, state=key_set.KeyState.PREVIOUS, retire_at=moment.now + 900)
    return replace(fresh, keys=KeySet((*fresh.keys.keys, leaked)))


def sessions_kept(made: SigningPolicy, moment: policy.Moment, *, end_sessions: bool) -> SigningPolicy:
    """Reset, and end no session."""
    return RESET(made, moment, end_sessions=False)


def bound_without_the_gateway(
    made: SigningPolicy, moment: policy.Moment, *, end_sessions: bool
) -> dict[str, int | bool]:
    """Promise a bound that ignores the gateway's cache."""
    own = min(admin.OWN_JWKS_AGE, moment.caches.jwks)
    return IMPACT(made, moment, end_sessions=end_sessions) | {"verifiers_notice_within": own}


# The names


def of_names(name: str, flawed: Callable[..., Any]) -> Plant:
    """Plant another method of `Name`."""
    return lambda patch: patch.setattr(Name, name, flawed)


def names_begin_at_once(names: Name, name: str, *, now: int, longest: int, caches: Caches) -> Name:
    """Let tokens carry a name before any verifier accepts it."""
    moved = MOVED(names, name, now=now, longest=longest, caches=caches)
    planned = moved.planned
    return moved if moved is names or planned is None else replace(moved, planned=replace(planned, at=now))


def names_begin_too_soon_for_verifiers(names: Name, name: str, *, now: int, longest: int, caches: Caches) -> Name:
    """Let tokens carry a name that only the functions certainly know."""
    moved = MOVED(names, name, now=now, longest=longest, caches=caches)
    planned = moved.planned
    begins_at = now + caches.staging + caches.policy + 1
    return moved if moved is names or planned is None else replace(moved, planned=replace(planned, at=begins_at))


def names_return_at_once(names: Name, name: str, *, now: int, longest: int, caches: Caches) -> Name:
    """Assume that verifiers accept a previous name for as long as a new one."""
    moved = MOVED(names, name, now=now, longest=longest, caches=caches)
    known = [each for each in names.at(now).previous if each.name == name]
    return replace(moved, planned=replace(moved.planned, at=now)) if known and moved.planned else moved


def plan_forgotten(names: Name, **_: object) -> Name:
    """Cancel a move that some function may already have begun."""
    return replace(names, planned=None)


def early_plan_forgotten(names: Name, *, now: int, longest: int, caches: Caches) -> Name:
    """Forget a name that no function can use first any more, though some may have used it before."""
    if names.planned and names.planned.at > now + caches.staging + caches.policy:
        return replace(names, planned=None)
    return CALLED_OFF(names, now=now, longest=longest, caches=caches)


def announced_names(names: Callable[[SigningPolicy, SigningPolicy, int], Accepted]) -> Plant:
    """Announce other names."""

    def announcement(before: SigningPolicy, after: SigningPolicy, now: int) -> PublishedKeys:
        member = json.dumps(names(before, after, now).to_member())
        return replace(rotation.announcement(before, after, now), names=member)

    return lambda patch: patch.setattr(key_life, "announcement", announcement)


MOVED, CALLED_OFF, JWKS = Name.moved, Name.called_off, PublishedKeys.jwks_at
DISINHERITED, RESET, IMPACT = KeySet.disinherited, policy.reset, admin._impact
ROTATE_REFRESH_KEYS, keylife_refresh_key = policy._rotate_refresh_keys, policy._refresh_key

FLAWS: dict[str, Plant] = {
    "no lead": caches("publish_lead", lambda _: 0),
    "a lead without the time to publish": caches("publish_lead", lambda each: each.policy + each.jwks),
    "a lead without the policy cache": caches("publish_lead", lambda each: each.staging + each.jwks),
    "a lead without the JWKS cache": caches("publish_lead", lambda each: each.staging + each.policy),
    "no margin": caches("retire_margin", lambda _: 0),
    "a margin without the policy cache": caches("retire_margin", lambda each: each.staging + each.authorizer),
    "a margin without the time to publish": caches("retire_margin", lambda each: each.policy + each.authorizer + 30),
    "an heir is dropped": method("disinherited", heir_dropped),
    "an heir begins at once": method("hand_over", heir_begins_at_once),
    "a spare begins at once": method("rotate", spare_begins_at_once),
    "the new keys alone are announced": lambda patch: patch.setattr(key_life, "announcement", only_the_new_keys),
    "a reset keeps a key": lambda patch: patch.setattr(key_life, "reset", old_keys_kept),
    "a reset keeps the sessions": lambda patch: patch.setattr(key_life, "reset", sessions_kept),
    "a bound without the gateway": lambda patch: patch.setattr(key_life, "_impact", bound_without_the_gateway),
    "a name begins at once": of_names("moved", names_begin_at_once),
    "a name begins too soon for verifiers": of_names("moved", names_begin_too_soon_for_verifiers),
    "a name returns at once": of_names("moved", names_return_at_once),
    "no margin of names": caches("name_margin", lambda _: 0),
    "a plan is forgotten": of_names("called_off", plan_forgotten),
    "the names of before alone are announced": announced_names(lambda before, _, now: before.accepted(now)),
    "the names of after alone are announced": announced_names(lambda _, after, now: after.accepted(now)),
    "names stay as they were published": lambda patch: patch.setattr(
        PublishedKeys, "accepted", lambda keys, _: from_member(json.loads(keys.names))
    ),
    "metadata name the issuer of before": lambda patch: patch.setattr(
        PublishedKeys, "issuer_at", lambda keys, _: keys.issuer
    ),
    "retired keys stay published": lambda patch: patch.setattr(
        PublishedKeys, "jwks_at", lambda keys, now: JWKS(keys, now) | json.loads(keys.jwks)
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_planted_flaw_is_noticed(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken rule of the key life makes some world reject a good token, or accept a bad one."""
    FLAWS[flaw](monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(KeyLife, settings=SAME_WORLDS)


# Flaws that show rarely: the world is led to them


def a_rotation_dies(life: KeyLife) -> None:
    """Announce a rotation that is never put in force."""
    life.rotate(AT_ONCE, "announced")
    life.wait(2 * DAY)


def tokens_become_shorter(life: KeyLife, until: int = 7200) -> None:
    """Rotate soon after access tokens and sessions were given shorter lives, and again `until` seconds later."""
    life.wait(200)
    life.change_lifetimes((60, 3600), AT_ONCE, "")
    life.rotate(AT_ONCE, "")
    life.wait(until)
    life.rotate(AT_ONCE, "")


def two_rotations_in_a_row(life: KeyLife) -> None:
    """Rotate twice within the functions' cache time."""
    life.rotate(AT_ONCE, "")
    life.wait(1)
    life.rotate(AT_ONCE, "")


def a_longer_life_before_a_move(life: KeyLife, caches: Caches | None = None) -> None:
    """Let tokens live longer just before they name another issuer."""
    life.caches = caches or life.caches
    life.change_lifetimes((60, 3600), AT_ONCE, "")
    life.rotate(AT_ONCE, "")
    life.wait(2 * DAY)
    life.move_issuer(OTHER, AT_ONCE, "")
    life.wait(life.caches.publish_lead - 1)
    life.change_lifetimes((LONGEST, DAY), AT_ONCE, "")
    life.wait(2 * DAY)


def a_move_called_off_twice(life: KeyLife) -> None:
    """Cancel a move that some functions have begun, plan it again, and cancel it early."""
    life.move_issuer(OTHER, AT_ONCE, "")
    life.wait(life.caches.publish_lead - 30)
    life.move_issuer(ISSUER, AT_ONCE, "")
    life.wait(60)
    life.move_issuer(OTHER, AT_ONCE, "")
    life.wait(1)
    life.move_issuer(ISSUER, AT_ONCE, "")
    life.wait(2 * DAY)


def a_slow_change_back(life: KeyLife) -> None:
    """Change the algorithm and change it back, so slowly that the heir begins before every reader knows it."""
    life.change_algorithm(Algorithm.ES256, AT_ONCE, "")
    life.wait(life.caches.publish_lead - life.caches.policy - 100)
    life.change_algorithm(Algorithm.EdDSA, AT_THE_LAST_MOMENT, "")
    life.wait(100)


Moves = Callable[[KeyLife], None]
LONGEST = TTLS[-1]
"""Seconds that an access token can live."""

AT_ONCE, AT_THE_LAST_MOMENT = (0.0, 0.0), (0.0, 1.0)
ISSUER, OTHER, _ = ISSUERS

NO_GATEWAY = Caches(policy=1, jwks=300, authorizer=0)
"""With these, all that is left of a margin without verifiers' caches is the leeway."""

RARE_FLAWS: dict[str, tuple[Plant, Moves]] = {
    "an end is announced": (lambda patch: patch.setattr(key_life, "announcement", with_an_end), a_rotation_dies),
    "the longest token is forgotten": (
        lambda patch: patch.setattr(key_set, "_signing_for", longest_token_forgotten),
        lambda life: tokens_become_shorter(life, LONGEST - 600),  # while the longest tokens still live
    ),
    "refresh keys without their past": (
        lambda patch: patch.setattr(policy, "_rotate_refresh_keys", refresh_keys_without_their_past),
        tokens_become_shorter,
    ),
    "refresh keys in haste": (
        lambda patch: patch.setattr(policy, "_rotate_refresh_keys", refresh_keys_in_haste),
        two_rotations_in_a_row,
    ),
    "an heir is dropped too soon": (method("disinherited", heir_dropped_too_soon), a_slow_change_back),
    "a longer life does not postpone an end": (
        of_names("kept_for", lambda names, ttl, caches: names),
        a_longer_life_before_a_move,
    ),
    "a margin of names without the JWKS cache": (
        caches("name_margin", lambda each: each.retire_margin),
        lambda life: a_longer_life_before_a_move(life, NO_GATEWAY),
    ),
    "an early plan is forgotten": (of_names("called_off", early_plan_forgotten), a_move_called_off_twice),
}


def live(moves: Moves) -> None:
    """Lead a world through these moves."""
    life = KeyLife()
    life.begin(Caches(), Algorithm.EdDSA, LONGEST)
    moves(life)


@pytest.mark.parametrize("flaw", RARE_FLAWS)
def test_rare_flaw_is_noticed(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flaw that needs several unlucky moves in a row is noticed when they come."""
    plant, moves = RARE_FLAWS[flaw]
    live(moves)
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=r"refused|lost"):
        live(moves)
