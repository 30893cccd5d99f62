"""The one writer of the signing policy: tokens are signed and verified whatever interrupts it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.signing_policy import rotation
from latchkey.core.signing_policy.rotation import LEASE, FirstPolicy, Rotation, announcement, public_half
from latchkey.signing.accepted import Accepted
from latchkey.signing.jws import InvalidToken
from latchkey.signing.key_set import SigningKey
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.names import Name
from latchkey.signing.policy import FORMAT, BadPolicy, Lifetimes, SigningPolicy, change, plan_issuer_move, reset, rotate
from latchkey.signing.tokens import AccessClaims
from tests.signing_world import (
    ACTS,
    CACHES,
    CURRENT,
    DEATHS,
    ISSUER,
    LATER,
    MOVED,
    PENDING,
    SETTINGS,
    WRITES,
    Fate,
    SigningWorld,
    VersionExists,
    begun,
    conflicts,
    dead,
    deaths,
)
from tests.world import AUDIENCE, NOW

STEPS = ("create", "publish", "test", "finish")


@pytest.fixture
def bare() -> SigningWorld:
    """A stack that was just made."""
    return SigningWorld()


@pytest.fixture
def world() -> SigningWorld:
    """A stack with its first policy."""
    return begun()


def refused(act: Callable[[], object]) -> ServiceError:
    """Return the error with which this is refused."""
    with pytest.raises(ServiceError) as caught:
        act()
    return caught.value


# The four steps


def test_first_rotation_makes_the_first_policy(bare: SigningWorld) -> None:
    """The stack's parameters are in force and published."""
    first = FirstPolicy("https://id.example", Algorithm.ES256, Lifetimes(access_ttl=600))
    for step in STEPS:
        getattr(Rotation(bare.writer(), bare.seals(), first), step)("t", bare.moment())
    assert (bare.policy.version, bare.policy.algorithm, bare.policy.access_ttl) == (1, Algorithm.ES256, 600)
    bare.require_sound(NOW, whole=True)


def test_rotation_puts_the_next_policy_in_force(world: SigningWorld) -> None:
    """The previous spare key signs, and the published keys are those of the policy."""
    spare = world.policy.keys.spare.kid
    world.rotate("t", LATER)
    assert (world.policy.version, world.policy.keys.signer(LATER).kid) == (2, spare)
    world.require_sound(LATER, whole=True)
    assert world.journal.names() == ["signing_rotated"]


def test_rotation_while_an_heir_waits_is_a_rotation_all_the_same(world: SigningWorld) -> None:
    """Secrets Manager asks for a version and gets one, with the existing keys."""
    world.rotate("a", LATER)
    world.rotate("b", LATER + 1)
    waiting = world.policy
    assert waiting.keys.heir is not None
    world.rotate("c", LATER + 2)
    assert world.policy == replace(waiting, version=waiting.version + 1, made_at=LATER + 2)


def test_every_step_may_run_twice(world: SigningWorld) -> None:
    """Secrets Manager repeats a step that it got no answer to. The policy rotates once."""
    for step, _ in itertools.product(STEPS, range(2)):
        getattr(world.rotation(), step)("t", world.moment(LATER))
    assert world.policy.version == 2
    world.require_sound(LATER, whole=True)


def test_every_step_may_run_again_from_the_start(world: SigningWorld) -> None:
    """A rotation that was finished and is asked for again changes nothing."""
    world.rotate("t", LATER)
    rotated = world.policy
    world.rotate("t", LATER + 10)
    assert world.policy == rotated


@pytest.mark.parametrize("step", STEPS[1:])
def test_step_without_a_staged_policy_conflicts(world: SigningWorld, step: str) -> None:
    """Another writer's change has taken the label, or no policy was ever staged."""
    error = refused(lambda: getattr(world.rotation(), step)("t", world.moment(LATER)))
    assert (error.error, world.policy.version) == (Errors.CONFLICT, 1)


def test_every_key_is_tried(world: SigningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third step signs and verifies with each key of the staged policy."""
    tried: list[str] = []

    def mint(claims: AccessClaims, key: SigningKey) -> str:
        tried.append(key.kid)
        return mint_access(claims, key)

    monkeypatch.setattr(rotation, "mint_access", mint)
    world.rotate("t", LATER)
    assert sorted(tried) == sorted(key.kid for key in world.policy.keys.keys)


def test_key_that_does_not_verify_is_never_put_in_force(world: SigningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that its public half refuses stops the rotation."""
    world.rotate("t", LATER)
    stranger = world.policy.keys.current
    monkeypatch.setattr(
        rotation, "mint_access", lambda claims, key: mint_access(claims, replace(stranger, kid=key.kid))
    )
    with pytest.raises(InvalidToken):
        world.rotate("u", LATER + 1)
    assert world.policy.version == 2


# The audience


def test_first_rotation_takes_the_parameters_of_the_stack(bare: SigningWorld) -> None:
    """The issuer, the audience and the size of RSA keys are in the policy from then on."""
    first = FirstPolicy("https://id.example", Algorithm.EdDSA, Lifetimes(), "shop", 2048)
    for step in STEPS:
        getattr(Rotation(bare.writer(), bare.seals(), first), step)("t", bare.moment())
    assert (bare.policy.issuers, bare.policy.audiences) == (Name("https://id.example"), Name("shop"))
    assert bare.policy.rsa_bits == 2048


def test_rotation_begins_the_move_to_another_audience(world: SigningWorld) -> None:
    """An update of the stack changes the parameter; nothing reads it until a rotation plans the move, as one change."""
    world.audience = "shop"
    world.rotate("t", LATER)
    assert (world.policy.version, world.policy.keys.signer(LATER).kid) == (2, world.policy.keys.current.kid)
    assert world.policy.audiences is not None
    at = LATER + CACHES.publish_lead
    assert [world.policy.audiences.minted(now) for now in (LATER, at - 1, at)] == [AUDIENCE, AUDIENCE, "shop"]
    assert world.journal.names() == ["signing_rotated", "audience_move_planned"]
    world.require_sound(LATER, whole=True)


def test_rotation_while_an_heir_waits_moves_the_audience_all_the_same(world: SigningWorld) -> None:
    """No parameter waits for keys."""
    world.rotate("a", LATER)
    world.rotate("b", LATER + 1)
    world.audience = "shop"
    world.rotate("c", LATER + 2)
    assert (world.policy.version, world.policy.accepted(LATER + 2).audiences_at(LATER + 2)) == (4, {AUDIENCE, "shop"})


def test_rotation_with_the_same_audience_plans_nothing(world: SigningWorld) -> None:
    """The same holds for a rotation that does not get the stack's parameter."""
    world.rotate("a", LATER)
    world.audience = ""
    world.rotate("b", LATER + 86_400)
    assert world.policy.audiences == Name(AUDIENCE)
    assert world.journal.names() == ["signing_rotated"] * 2


def test_rotation_gives_a_policy_of_an_older_release_its_audience(world: SigningWorld) -> None:
    """The audience is added at once, since tokens carry it already. Until then no audience is published."""
    older = replace(world.policy, audiences=None)
    world.secret.versions[world.secret.labels[CURRENT]] = older.to_json()
    world.store.publish_keys(public_half(older, LATER))
    assert world.names_served(LATER).audiences == {}
    world.rotate("t", LATER)
    assert world.policy.audiences == Name(AUDIENCE)
    assert world.names_served(LATER) == Accepted({ISSUER: None}, {AUDIENCE: None})


# A roll-back


def as_a_newer_release_writes(text: str) -> str:
    """Return the document with members that no release has yet."""
    document = json.loads(text)
    document["restored_at"] = NOW
    for key in document["keys"]:
        key["origin"] = key["kid"]
    return json.dumps(document)


def test_roll_back_in_the_middle_of_a_rotation_loses_nothing(world: SigningWorld) -> None:
    """The steps put in force what a newer release has staged, as it is, and the next rotation keeps the members."""
    staged = as_a_newer_release_writes(rotate(world.policy, world.moment(LATER)).to_json())
    world.secret.put_pending("t", staged)
    world.rotate("t", LATER)
    assert world.secret.current() == staged
    world.require_sound(LATER, whole=True)
    world.rotate("u", LATER + 86_400)
    document = json.loads(world.secret.current())
    assert (document["version"], document["restored_at"]) == (3, NOW)
    origins = {key["kid"]: key.get("origin") for key in document["keys"]}
    assert origins[world.policy.keys.current.kid] == world.policy.keys.current.kid
    world.require_sound(LATER + 86_400, whole=True)


@pytest.mark.parametrize("step", STEPS)
def test_document_of_a_format_to_come_stops_every_step(world: SigningWorld, step: str) -> None:
    """If a newer release has changed the format, this release does not overwrite its document."""
    if step != "create":
        world.rotation().create("t", world.moment(LATER))
    text = json.dumps(json.loads(world.secret.current()) | {"format": FORMAT + 1})
    world.secret.versions[world.secret.labels[CURRENT]] = text
    fate = Fate()
    with pytest.raises(BadPolicy, match="format"):
        getattr(world.rotation(fate), step)("t", world.moment(LATER))
    assert world.secret.current() == text
    assert set(fate.calls) & WRITES <= {"take_lease", "return_lease"}


# A staged policy that is out of date


def test_policy_that_was_left_lying_is_dropped(world: SigningWorld) -> None:
    """If it is published too late, its times are no longer true. The next rotation starts again."""
    world.rotation().create("t", world.moment(LATER))
    late = LATER + CACHES.staging + 1
    assert refused(lambda: world.rotation().finish("t", world.moment(late))).error is Errors.CONFLICT
    assert (PENDING in world.secret.labels, world.journal.names()[-1]) == (False, "rotation_dropped")
    world.rotate("u", late)
    assert world.policy.version == 2


def test_policy_is_good_until_its_last_second(world: SigningWorld) -> None:
    """A rotation may take as long as its keys wait."""
    world.rotation().create("t", world.moment(LATER))
    world.rotation().finish("t", world.moment(LATER + CACHES.staging))
    assert world.policy.version == 2


def test_policy_of_an_older_version_is_dropped(world: SigningWorld) -> None:
    """A rotation does not undo an admin's change of the meantime."""
    text = rotate(world.policy, world.moment(LATER)).to_json()
    world.admin().change("usr_a", SETTINGS, world.moment(LATER))
    world.secret.put_pending("t", text)
    assert refused(lambda: world.rotation().publish("t", world.moment(LATER))).error is Errors.CONFLICT
    assert (world.policy.algorithm, PENDING in world.secret.labels) == (Algorithm.ES256, False)
    world.require_sound(LATER, whole=True)


def test_dropped_version_is_never_given_another_document(world: SigningWorld) -> None:
    """The same rotation cannot start again. The next one can."""
    world.rotation().create("t", world.moment(LATER))
    late = LATER + CACHES.staging + 1
    assert conflicts(lambda: world.rotation().publish("t", world.moment(late)))
    with pytest.raises(VersionExists):
        world.rotation().create("t", world.moment(late))


# One writer at a time


def test_lease_is_anothers_until_it_ends_by_itself(world: SigningWorld) -> None:
    """A writer that dies with the lease blocks the others for at most a minute."""
    world.store.take_lease("signing", "dead", now=LATER, until=LATER + LEASE)
    error = refused(lambda: world.rotate("t", LATER + LEASE - 1))
    assert (error.error, error.retry_after) == (Errors.CONFLICT, LEASE)
    world.rotate("t", LATER + LEASE)
    assert world.policy.version == 2


@pytest.mark.parametrize("expected", [1, 7])
def test_lease_is_given_back(world: SigningWorld, expected: int) -> None:
    """A writer returns the lease after a change and after a rejected change."""
    conflicts(lambda: world.writer().change(lambda policy: policy, expected=expected, moment=world.moment(LATER)))
    assert world.store.take_lease("signing", "next", now=LATER, until=LATER + 1)


def test_change_of_another_version_conflicts(world: SigningWorld) -> None:
    """A writer that decided by an older version must read again."""
    world.rotate("t", LATER)
    error = refused(lambda: world.writer().change(lambda policy: policy, expected=1, moment=world.moment(LATER)))
    assert error.error is Errors.CONFLICT


def test_change_of_nothing_writes_nothing(world: SigningWorld) -> None:
    """Only the lease is taken and given back."""
    fate = Fate()
    world.writer(fate).change(lambda policy: policy, expected=1, moment=world.moment(LATER))
    assert fate.calls == ["take_lease", "current", "return_lease"]


def test_policy_without_room_for_a_key_asks_to_wait(world: SigningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says when the next key is gone."""
    world.rotate("t", LATER)
    monkeypatch.setattr("latchkey.signing.policy.MAX_POLICY", len(world.secret.current()))
    error = refused(lambda: world.admin().rotate("usr_a", world.moment(LATER)))
    assert error.error is Errors.RATE_LIMITED
    assert error.retry_after == 900 + CACHES.retire_margin


def test_nothing_is_put_in_force_under_newer_keys(world: SigningWorld) -> None:
    """If the keys of a newer policy are published, for example after the secret was restored, a change conflicts."""
    keys = world.store.published_keys()
    assert keys is not None
    world.store.publish_keys(replace(keys, version=9))
    assert refused(lambda: world.rotate("t", LATER)).error is Errors.CONFLICT
    assert world.policy.version == 1


def test_policy_is_read_where_it_is_kept(bare: SigningWorld) -> None:
    """Before the first rotation there is no policy, and the error says when to retry."""
    error = refused(bare.writer().read)
    assert (error.error, error.retry_after) == (Errors.UNAVAILABLE, 5)


# What is published


def test_public_half_says_when_keys_end(world: SigningWorld) -> None:
    """The public half has the ends of the keys that have one, and no others."""
    world.rotate("t", LATER)
    half = public_half(world.policy, LATER)
    previous = world.policy.keys.keys[-1]
    assert half.retire_at == {previous.kid: previous.retire_at}
    assert (half.version, half.issuer, half.algorithm) == (2, "https://id.example", "EdDSA")


def test_secrets_have_no_public_half(world: SigningWorld) -> None:
    """A shared secret is in no JWKS, before and after it signs."""
    before = world.policy
    policy = change(before, Algorithm.HS256, before.lifetimes, world.moment(LATER))
    only = {"keys": [before.keys.current.verification_key().to_jwk()]}
    assert json.loads(public_half(policy, LATER).jwks) == only
    assert policy.keys.heir is not None
    signing = policy.keys.at(policy.keys.heir.activates_at or 0)
    assert signing.current.alg is Algorithm.HS256
    assert json.loads(public_half(replace(policy, keys=signing), LATER).jwks) == only


def test_announcement_serves_both_policies(world: SigningWorld) -> None:
    """Before a policy is in force, its keys and the previous ones are published, and none has an end."""
    before = world.policy
    policy = reset(before, world.moment(LATER), end_sessions=False)
    keys = announcement(before, policy, LATER)
    assert {key["kid"] for key in json.loads(keys.jwks)["keys"]} == {
        key.kid for each in (before, policy) for key in each.keys.keys
    }
    assert (keys.version, keys.retire_at) == (2, {})


def test_keys_are_out_before_a_policy_is_in_force_and_gone_after(world: SigningWorld) -> None:
    """A verifier that fetches keys between any two calls can verify every token that is signed meanwhile."""
    kinds: list[Callable[[SigningPolicy], SigningPolicy]] = [
        lambda policy: rotate(policy, world.moment(LATER)),
        lambda policy: change(policy, Algorithm.ES256, policy.lifetimes, world.moment(LATER)),
        lambda policy: change(policy, Algorithm.EdDSA, policy.lifetimes, world.moment(LATER + 479)),
        lambda policy: reset(policy, world.moment(LATER + 500), end_sessions=True),
    ]
    for make in kinds:
        fate = Fate(before_call=lambda _: world.require_sound(LATER + 500))
        world.writer(fate).change(make, expected=world.policy.version, moment=world.moment(LATER + 500))
        assert fate.calls[-4:] == ["publish_keys", "promote", "publish_keys", "return_lease"]
        world.require_sound(LATER + 500, whole=True)


def test_names_are_out_before_a_move_is_in_force(world: SigningWorld) -> None:
    """A verifier that fetches keys between any two calls accepts every token that is minted meanwhile."""
    fate = Fate(before_call=lambda _: world.require_sound(LATER))
    world.issuer_move(fate).move(MOVED, world.moment(LATER))
    assert fate.calls[-4:] == ["publish_keys", "promote", "publish_keys", "return_lease"]


def test_announced_move_ends_nothing(world: SigningWorld) -> None:
    """If the move never comes about, tokens and metadata keep the previous issuer."""
    before = world.policy
    moved = plan_issuer_move(before, MOVED, world.moment(LATER))
    keys, ever = announcement(before, moved, LATER), LATER + 10 * 86_400
    assert keys.accepted(ever) == Accepted({ISSUER: None, MOVED: None}, {AUDIENCE: None})
    assert (keys.version, keys.issuer_at(ever)) == (2, ISSUER)


def test_published_move_tells_the_metadata_when(world: SigningWorld) -> None:
    """The issuer of discovery is the one that tokens carry."""
    keys = public_half(plan_issuer_move(world.policy, MOVED, world.moment(LATER)), LATER)
    at = LATER + CACHES.publish_lead
    assert [keys.issuer_at(now) for now in (at - 1, at)] == [ISSUER, MOVED]


def test_what_an_older_release_published_names_its_one_issuer(world: SigningWorld) -> None:
    """A stack that is updated and moved at once therefore still accepts its tokens."""
    keys = replace(public_half(world.policy, NOW), names="")
    assert keys.accepted(LATER) == Accepted({ISSUER: None})


# A writer that dies


def test_writers_die_at_every_write() -> None:
    """The tests try the death of a writer after each of its writes."""
    assert {name: len(deaths(act)) for name, act in ACTS.items()} == {
        "rotation": 10,
        "admin's rotation": 6,
        "change": 6,
        "reset": 9,
        "issuer move": 6,
        "audience move": 10,
    }


@pytest.mark.parametrize(("name", "number"), DEATHS)
def test_dead_writer_leaves_a_service_that_goes_on(name: str, number: int) -> None:
    """Without any repair, every key that signs from then on is published as long as it signs."""
    dead(name, number).require_sound(LATER)
