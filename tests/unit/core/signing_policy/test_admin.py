"""The signing policy as admins manage it: changes, confirmations, and the permissions to see keys."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import RECENT_SIGN_IN
from latchkey.core.signing_policy.admin import CONFIRMATION_TTL, PolicyAdmin, Settings
from latchkey.signing.base64url import b64url_decode
from latchkey.signing.jws import InvalidToken
from latchkey.signing.key_set import Caches, KeyState
from latchkey.signing.keys import Algorithm, verification_key_from_jwk
from latchkey.signing.policy import Lifetimes, Moment, first_policy
from latchkey.signing.refresh import RefreshToken, mint_refresh, verify_refresh
from tests.signing_world import CACHES, ISSUER, LATER, MemorySecret, SigningWorld, begun
from tests.unit.signing.forge import signing_key
from tests.world import NOW

ADMIN, OTHER = "usr_ada", "usr_bob"


@pytest.fixture
def world() -> SigningWorld:
    """A stack with its first policy."""
    return begun()


@pytest.fixture
def admin(world: SigningWorld) -> PolicyAdmin:
    """The service with which an admin manages the policy."""
    return world.admin()


def refusal(world: SigningWorld, settings: Settings) -> ServiceError:
    """Return the error with which a change is rejected."""
    with pytest.raises(ServiceError) as caught:
        world.admin().change(ADMIN, settings, world.moment(LATER))
    assert world.policy.version == 1
    return caught.value


def proposed(world: SigningWorld, sub: str = ADMIN, *, now: int = LATER, end_sessions: bool = False) -> str:
    """Ask for a reset and return the confirmation token."""
    return str(
        world.admin().propose_reset(sub, world.moment(now), end_sessions=end_sessions).members["confirmation_token"]
    )


def reset_refused(world: SigningWorld, token: str, *, sub: str = ADMIN, now: int = LATER) -> Errors:
    """Return the error with which a reset is rejected; assert that nothing has changed."""
    before = world.secret.current()
    with pytest.raises(ServiceError) as caught:
        world.admin().reset(sub, token, world.moment(now))
    assert world.secret.current() == before
    return caught.value.error


# Seeing


def test_policy_is_shown_as_it_stands(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The view has the settings, and for every key its present state and the time when that changes."""
    admin.rotate(ADMIN, world.moment(LATER))
    shown = admin.show(LATER)
    spare, current, previous = world.policy.keys.keys
    assert {name: shown[name] for name in ("version", "issuer", "algorithm", "access_ttl", "refresh_retry_limit")} == {
        "version": 2,
        "issuer": ISSUER,
        "algorithm": "EdDSA",
        "access_ttl": 900,
        "refresh_retry_limit": 12,
    }
    assert [(key["kid"], key["state"]) for key in shown["keys"]] == [
        (spare.kid, "next"),
        (current.kid, "current"),
        (previous.kid, "previous"),
    ]
    assert shown["keys"][2]["retire_at"] == LATER + 900 + CACHES.retire_margin


def test_heir_is_shown_as_current_when_it_is(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The view changes when an heir takes over, although nothing is written."""
    admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER))
    ready = LATER + CACHES.publish_lead
    signing = [key["alg"] for now in (ready - 1, ready) for key in admin.show(now)["keys"] if key["state"] == "current"]
    assert signing == ["EdDSA", "ES256"]


def test_key_that_is_gone_is_not_shown(world: SigningWorld, admin: PolicyAdmin) -> None:
    """A retired key is not shown, swept or not."""
    admin.rotate(ADMIN, world.moment(LATER))
    assert len(admin.show(LATER + 86_400)["keys"]) == 2


def test_nothing_private_is_shown(world: SigningWorld, admin: PolicyAdmin) -> None:
    """No member of any answer holds a private key or a MAC key."""
    answers = [
        admin.rotate(ADMIN, world.moment(LATER)),
        admin.show(LATER),
        admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER)),
        admin.validation_key(ADMIN, may_read_secret=True, auth_time=LATER, now=LATER),
        admin.reset(ADMIN, proposed(world, end_sessions=True), world.moment(LATER)),
    ]
    text = json.dumps(answers)
    assert "PRIVATE" not in text
    assert "secret" not in text


# Changing


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("access_ttl", 60, 3600),
        ("refresh_ttl", 3600, 31_536_000),
        ("refresh_idle_ttl", 60, 31_536_000),
        ("refresh_retry_limit", 0, 100),
    ],
)
def test_value_out_of_bounds_is_named(world: SigningWorld, field: str, low: int, high: int) -> None:
    """The error names the member and its bounds."""
    for value in (low - 1, high + 1, -1):
        error = refusal(world, Settings(None, {field: value}))
        (fault,) = error.fields
        assert (error.error, fault.field, fault.code) == (Errors.VALIDATION_FAILED, field, "out_of_bounds")
        assert fault.message == f"This must be from {low} to {high}."


@pytest.mark.parametrize("lifetimes", [{"refresh_idle_ttl": 7_776_001}, {"refresh_ttl": 2_591_999}])
def test_idle_life_is_not_over_the_whole(world: SigningWorld, lifetimes: dict[str, int]) -> None:
    """The check also applies if only one of the two is changed."""
    error = refusal(world, Settings(None, lifetimes))
    assert (error.error, error.fields[0].field) == (Errors.VALIDATION_FAILED, "refresh_idle_ttl")


@pytest.mark.parametrize(("access_ttl", "retry_limit"), [(60, 0), (3600, 100)])
def test_bounds_themselves_are_taken(
    world: SigningWorld, admin: PolicyAdmin, access_ttl: int, retry_limit: int
) -> None:
    """The least and the most that is allowed is in force afterwards."""
    settings = Settings(None, {"access_ttl": access_ttl, "refresh_retry_limit": retry_limit})
    shown = admin.change(ADMIN, settings, world.moment(LATER))
    assert (shown["access_ttl"], shown["refresh_retry_limit"]) == (access_ttl, retry_limit)
    assert world.policy.lifetimes == Lifetimes(access_ttl, 7_776_000, 2_592_000, retry_limit)
    world.require_sound(LATER, whole=True)


def test_change_of_algorithm_begins(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The answer shows the heir and when it begins."""
    shown = admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER))
    heirs = [(key["alg"], key["activates_at"]) for key in shown["keys"] if key["state"] == "next"]
    assert (shown["algorithm"], heirs) == ("ES256", [("ES256", None), ("ES256", LATER + CACHES.publish_lead)])
    world.require_sound(LATER, whole=True)


def test_shared_secret_needs_the_stacks_word(world: SigningWorld) -> None:
    """A verifier that has the shared secret can also mint tokens, so an admin alone cannot choose HS256."""
    error = refusal(world, Settings(Algorithm.HS256, {}))
    assert (error.error, error.kind.status) == (Errors.VALIDATION_FAILED, 422)
    assert (error.fields[0].field, error.fields[0].code) == ("algorithm", "hs256_not_allowed")


def test_shared_secret_is_taken_where_the_stack_allows_it(world: SigningWorld) -> None:
    """With the stack's parameter, HS256 can be chosen like any other algorithm."""
    shown = world.admin(allow_hs256=True).change(ADMIN, Settings(Algorithm.HS256, {}), world.moment(LATER))
    assert shown["algorithm"] == "HS256"


def test_change_of_nothing_is_no_new_version(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The policy comes back as it is."""
    shown = admin.change(ADMIN, Settings(Algorithm.EdDSA, {"access_ttl": 900}), world.moment(LATER))
    assert (shown["version"], world.policy.version) == (1, 1)


def test_rotation_lets_the_spare_key_sign(world: SigningWorld, admin: PolicyAdmin) -> None:
    """An admin's rotation is the scheduled one, and a second in a row changes nothing."""
    spare = world.policy.keys.spare.kid
    for _ in range(2):
        admin.rotate(ADMIN, world.moment(LATER))
    waiting = world.policy
    assert (waiting.version, waiting.keys.signer(LATER).kid) == (3, spare)
    assert admin.rotate(ADMIN, world.moment(LATER + 1))["version"] == 3
    world.require_sound(LATER, whole=True)


# Resetting


def test_reset_asks_for_a_confirmation(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The first call changes nothing; its error says in numbers what a reset breaks."""
    error = admin.propose_reset(ADMIN, world.moment(LATER), end_sessions=True)
    assert (error.error, error.kind.status, world.policy.version) == (Errors.CONFIRMATION_REQUIRED, 409, 1)
    assert error.members["expires_in"] == CONFIRMATION_TTL
    assert error.members["impact"] == {
        "keys_revoked": 2,
        "verifiers_notice_within": 120,
        "other_verifiers_notice_within": 300,
        "longest_token_life": 900,
        "sessions_end": True,
        "verifiers_without_keys_stop_within": 960,
        "functions_notice_within": 60,
        "old_refresh_tokens_accepted_for": 0,
    }


def test_impact_says_how_long_old_refresh_tokens_are_accepted(world: SigningWorld, admin: PolicyAdmin) -> None:
    """They are accepted as long as the reset keeps their keys: until the last one expires, unless sessions end."""
    impact = admin.propose_reset(ADMIN, world.moment(LATER), end_sessions=False).members["impact"]
    assert isinstance(impact, dict)
    admin.reset(ADMIN, proposed(world), world.moment(LATER))
    kept = [key.retire_at for key in world.policy.refresh_keys if key.retire_at is not None]
    assert impact["old_refresh_tokens_accepted_for"] == max(kept) - LATER
    assert impact["sessions_end"] is False


@pytest.mark.parametrize(
    ("caches", "own", "others"),
    [
        (Caches(60, 300, 60), 120, 300),
        (Caches(60, 1, 0), 60, 1),
        (Caches(1, 1, 0), 1, 1),
        (Caches(1, 300, 300), 360, 300),
    ],
)
def test_impact_says_who_notices_when(world: SigningWorld, caches: Caches, own: int, others: int) -> None:
    """The impact has one time for the authorizer and `validate`, and another for all other verifiers."""
    moment = Moment(LATER, world.entropy, caches)
    impact = world.admin().propose_reset(ADMIN, moment, end_sessions=False).members["impact"]
    assert isinstance(impact, dict)
    assert (impact["verifiers_notice_within"], impact["other_verifiers_notice_within"]) == (own, others)


def test_reset_that_is_confirmed_leaves_no_key(world: SigningWorld, admin: PolicyAdmin) -> None:
    """No earlier key signs, verifies or is published."""
    old = {key.kid for key in world.policy.keys.keys}
    shown = admin.reset(ADMIN, proposed(world), world.moment(LATER + CONFIRMATION_TTL - 1))
    assert old.isdisjoint(key["kid"] for key in shown["keys"])
    assert old.isdisjoint(world.served(LATER))
    world.require_sound(LATER + CONFIRMATION_TTL, whole=True)


def test_confirmation_works_once(world: SigningWorld, admin: PolicyAdmin) -> None:
    """A second reset needs a second confirmation."""
    token = proposed(world)
    admin.reset(ADMIN, token, world.moment(LATER))
    assert reset_refused(world, token) is Errors.CONFIRMATION_FAILED


def test_confirmation_is_its_admins_own(world: SigningWorld) -> None:
    """Another admin's token is rejected, and used up because two admins have had it."""
    token = proposed(world)
    assert reset_refused(world, token, sub=OTHER) is Errors.CONFIRMATION_FAILED
    assert reset_refused(world, token) is Errors.CONFIRMATION_FAILED


def test_confirmation_expires(world: SigningWorld) -> None:
    """After five minutes the admin must look again at what breaks."""
    assert reset_refused(world, proposed(world), now=LATER + CONFIRMATION_TTL) is Errors.CONFIRMATION_FAILED


@pytest.mark.parametrize("token", ["", "a", "lks_" + "a" * 59])
def test_confirmation_cannot_be_guessed(world: SigningWorld, token: str) -> None:
    """A malformed token is rejected like a wrong one."""
    proposed(world)
    assert reset_refused(world, token) is Errors.CONFIRMATION_FAILED


def test_confirmation_is_of_the_policy_that_was_seen(world: SigningWorld, admin: PolicyAdmin) -> None:
    """If the policy has changed since, the reset may break other things than those shown."""
    token = proposed(world)
    admin.rotate(OTHER, world.moment(LATER))
    assert reset_refused(world, token) is Errors.CONFLICT


def test_confirmation_is_stored_as_a_hash(world: SigningWorld) -> None:
    """A dump of the table confirms nothing."""
    token = proposed(world)
    assert token not in repr(vars(world.store)["_codes"])


@pytest.mark.parametrize("end_sessions", [True, False])
def test_what_becomes_of_sessions_is_settled_at_the_first_call(world: SigningWorld, end_sessions: bool) -> None:
    """The admin confirms the proposal: either all refresh tokens become worthless, or all of them stay good."""
    token = RefreshToken("usr_eve", "ses_a", 3, bytes(16), bytes(16))
    text = mint_refresh(token, world.policy.refresh_keys)
    world.admin().reset(ADMIN, proposed(world, end_sessions=end_sessions), world.moment(LATER))
    try:
        ended = verify_refresh(text, world.policy.refresh_keys, LATER) != token
    except InvalidToken:
        ended = True
    assert ended is end_sessions


# The key that validates


@pytest.mark.parametrize("alg", [Algorithm.RS256, Algorithm.ES256, Algorithm.EdDSA])
def test_public_key_is_given_as_jwk_and_pem(alg: Algorithm) -> None:
    """Both are the key that signs now, to any admin, however long ago the sign-in was."""
    world = signing_with(alg)
    key = world.policy.keys.current
    answer = world.admin().validation_key(ADMIN, may_read_secret=False, auth_time=0, now=NOW)
    assert answer.keys() == {"kid", "alg", "jwk", "pem", "next"}
    assert (answer["kid"], answer["alg"]) == (key.kid, alg.value)
    assert verification_key_from_jwk(answer["jwk"]) == key.verification_key()
    assert load_pem_public_key(answer["pem"].encode()) == key.verification_key().material


def test_key_is_that_which_signs_now(world: SigningWorld, admin: PolicyAdmin) -> None:
    """Once an heir has taken over, its key is the one."""
    admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER))
    ready = LATER + CACHES.publish_lead
    given = [
        admin.validation_key(ADMIN, may_read_secret=False, auth_time=0, now=now)["alg"] for now in (ready - 1, ready)
    ]
    assert given == ["EdDSA", "ES256"]


@pytest.mark.parametrize("seconds", [0, CACHES.publish_lead])
def test_next_is_the_key_of_the_rotation_to_come(world: SigningWorld, admin: PolicyAdmin, seconds: int) -> None:
    """Before a rotation the spare key; while a new key waits, that one; once it signs, the next spare key."""
    before = shown_to(admin, LATER)["next"]
    assert (before["kid"], before["activates_at"]) == (world.policy.keys.spare.kid, None)
    admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER))
    answer, keys = shown_to(admin, LATER + seconds), world.policy.keys.at(LATER + seconds)
    expected = keys.heir or keys.spare
    assert (answer["next"]["kid"], answer["next"]["activates_at"]) == (expected.kid, expected.activates_at)
    assert answer["next"]["jwk"] == expected.verification_key().to_jwk()
    assert answer["next"]["pem"].startswith("-----BEGIN PUBLIC KEY-----")


def shown_to(admin: PolicyAdmin, now: int, *, trusted: bool = False) -> dict[str, Any]:
    """Return the validation keys as shown to an admin with or without the permission to read secrets."""
    return admin.validation_key(ADMIN, may_read_secret=trusted, auth_time=now if trusted else 0, now=now)


def test_next_secret_is_not_shown_without_the_permission(world: SigningWorld) -> None:
    """A change to HS256 has begun: the public key of now is shown to any admin, the secret to come is not."""
    admin = world.admin(allow_hs256=True)
    admin.change(ADMIN, Settings(Algorithm.HS256, {}), world.moment(LATER))
    answer, heir = shown_to(admin, LATER), world.policy.keys.heir
    assert heir is not None
    assert answer["alg"] == "EdDSA"
    assert answer["next"] == {"kid": heir.kid, "alg": "HS256", "activates_at": heir.activates_at}
    assert shown_to(admin, LATER, trusted=True)["next"]["secret"].encode() == heir.material


def test_shared_secrets_verify_as_they_are_pasted(world: SigningWorld) -> None:
    """PyJWT takes the text as it is, and the JWK; the key of the next rotation too, before it signs."""
    admin = world.admin(allow_hs256=True)
    admin.change(ADMIN, Settings(Algorithm.HS256, {}), world.moment(LATER))
    now = LATER + CACHES.publish_lead
    answer, keys = shown_to(admin, now, trusted=True), world.policy.keys.at(now)
    for shown, key in ((answer, keys.current), (answer["next"], keys.spare)):
        token = jwt.encode({"sub": "usr_ann"}, key.material, "HS256")
        assert jwt.decode(token, shown["secret"], ["HS256"]) == {"sub": "usr_ann"}
        assert jwt.decode(token, jwt.PyJWK(shown["jwk"]), ["HS256"]) == {"sub": "usr_ann"}
        assert (shown["jwk"]["kty"], shown["jwk"]["kid"]) == ("oct", key.kid)
    assert [event.reason for event in world.journal.events if event.name == "validation_key_read"] == [
        keys.current.kid,
        keys.spare.kid,
    ]


def test_shared_secret_is_given_after_a_fresh_sign_in() -> None:
    """An admin with the permission gets the secret itself. Octets that are not text are shown only as a JWK."""
    world = signing_with(Algorithm.HS256)
    auth_time = NOW - RECENT_SIGN_IN + 1
    answer = world.admin().validation_key(ADMIN, may_read_secret=True, auth_time=auth_time, now=NOW)
    assert answer.keys() == {"kid", "alg", "secret", "jwk", "next"}
    assert b64url_decode(answer["jwk"]["k"]) == world.policy.keys.current.material
    assert answer["secret"] is None


@pytest.mark.parametrize(
    ("may_read_secret", "auth_time"), [(False, NOW), (True, NOW - RECENT_SIGN_IN), (True, 0), (False, 0)]
)
def test_shared_secret_needs_the_permission_and_a_fresh_sign_in(may_read_secret: bool, auth_time: int) -> None:
    """Without the permission or with an old sign-in the secret is refused, and no event says that it was read."""
    world = signing_with(Algorithm.HS256)
    with pytest.raises(ServiceError) as caught:
        world.admin().validation_key(ADMIN, may_read_secret=may_read_secret, auth_time=auth_time, now=NOW)
    expected = Errors.RECENT_SIGN_IN_REQUIRED if may_read_secret else Errors.FORBIDDEN
    assert (caught.value.error, world.journal.events) == (expected, [])


def signing_with(alg: Algorithm) -> SigningWorld:
    """Return a world whose policy signs with the first test key of an algorithm."""
    world = begun()
    policy = first_policy(ISSUER, Algorithm.EdDSA, Lifetimes(), world.moment())
    key = signing_key(alg)
    keys = replace(policy.keys, keys=(policy.keys.spare, replace(key, state=KeyState.CURRENT)))
    world.secret = MemorySecret(replace(policy, keys=keys).to_json())
    return world


# The journal


def test_every_change_is_journaled_under_its_admins_name(world: SigningWorld, admin: PolicyAdmin) -> None:
    """The event names the change, the admin and the new version."""
    admin.change(ADMIN, Settings(Algorithm.ES256, {}), world.moment(LATER))
    admin.rotate(OTHER, world.moment(LATER))
    admin.reset(ADMIN, proposed(world), world.moment(LATER))
    admin.validation_key(OTHER, may_read_secret=False, auth_time=0, now=LATER)
    assert [(event.name, event.sub, event.reason) for event in world.journal.events] == [
        ("signing_changed", ADMIN, "version 2"),
        ("signing_rotated", OTHER, "version 2"),
        ("signing_reset", ADMIN, "version 3"),
        ("validation_key_read", OTHER, world.policy.keys.current.kid),
        ("validation_key_read", OTHER, world.policy.keys.spare.kid),
    ]


def test_what_was_refused_is_not_journaled_as_done(world: SigningWorld) -> None:
    """A wrong confirmation and a value out of bounds leave no event of a change."""
    refusal(world, Settings(None, {"access_ttl": 1}))
    reset_refused(world, "wrong")
    assert world.journal.names() == []
