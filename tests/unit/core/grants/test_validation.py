"""Whether an access token is good: its signature, its time, and the account or client behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.adapters.published_policy import PolicyKeys
from latchkey.core.clients.directory import new_api_key
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.validation import TokenCheck
from latchkey.core.model import ApiKey, Client, ClientKind, Grant, Status, UserStatus
from latchkey.core.throttle import JUNK_RULE, Counter, NoThrottle, ThrottleStore
from latchkey.signing.minting import mint_access
from latchkey.signing.policy import Moment, plan_audience_move, plan_issuer_move, reset, rotate
from latchkey.signing.tokens import AccessClaims
from tests.world import ADDRESS, AUDIENCE, NOW, World

COUNTER = Counter("validate", ADDRESS, JUNK_RULE)
SERVICE = Client("cli_job", ClientKind.SERVICE, "Job", NOW, grants=(Grant.CLIENT_CREDENTIALS,), roles=("service",))


def check(
    world: World, token: str, *, now: int = NOW, audience: str = AUDIENCE, limits: ThrottleStore | None = None
) -> AccessClaims:
    """Return the claims of a token that is good."""
    made = TokenCheck(
        PolicyKeys(world.source, lambda: now), world.store, world.clients, limits or world.store, audience
    )
    return made(token, address=ADDRESS, now=now)


def refused(world: World, token: str, *, now: int = NOW, audience: str = AUDIENCE) -> Errors:
    """Return the error with which a token is rejected."""
    with pytest.raises(ServiceError) as caught:
        check(world, token, now=now, audience=audience)
    return caught.value.error


@pytest.fixture
def token(world: World) -> str:
    """The access token of Ann's session."""
    world.register()
    return world.log_in().access_token


def service_token(world: World) -> str:
    """Return the access token of a service that acts for itself."""
    world.store.create_client(SERVICE)
    return world.machines.client_credentials(SERVICE, None, now=NOW).access_token


def test_token_of_a_session_is_good(world: World, token: str) -> None:
    """The call returns the proven claims."""
    claims = check(world, token, now=NOW + 899)
    assert (claims.sub[:4], claims.exp, claims.aud) == ("usr_", NOW + 900, AUDIENCE)


def test_token_of_a_service_is_good(world: World) -> None:
    """The token belongs to a client and has no session."""
    assert check(world, service_token(world)).sub == SERVICE.client_id


def test_good_tokens_are_never_counted(world: World, token: str) -> None:
    """A busy service may validate any number of good tokens."""
    for _ in range(JUNK_RULE.free + 1):
        check(world, token)
    assert world.store.attempts(COUNTER, NOW).count == 0


def test_spoilt_token_is_no_good(world: World, token: str) -> None:
    """A wrong signature, an extra character, a missing one and an empty text are all rejected."""
    spoilt = [token[:-4] + "AAAA", token + ".", token[1:], "", "."]
    assert {refused(world, each) for each in spoilt} == {Errors.INVALID_TOKEN}


def test_expired_token_is_no_good(world: World, token: str) -> None:
    """Clocks may differ by half a minute, and no more."""
    assert refused(world, token, now=NOW + 930) is Errors.INVALID_TOKEN


def test_token_for_others_is_no_good(world: World, token: str) -> None:
    """Only this stack's audience is accepted."""
    assert refused(world, token, audience="another") is Errors.INVALID_TOKEN


def test_refresh_token_is_no_good(world: World) -> None:
    """A refresh token is for the token route alone."""
    world.register()
    assert refused(world, world.log_in().refresh_token) is Errors.INVALID_TOKEN


def test_token_after_logout_is_no_good(world: World, token: str) -> None:
    """A verifier that checks only the signature would still accept the token until it expires."""
    claims = check(world, token)
    world.sessions.end(claims.sub, claims.sid or "", reason="logout")
    assert refused(world, token) is Errors.INVALID_TOKEN


@pytest.mark.parametrize("status", [UserStatus.DISABLED, UserStatus.DELETING])
def test_token_of_a_disabled_account_is_no_good(world: World, token: str, status: UserStatus) -> None:
    """The same holds for an account that is being deleted."""
    user = world.store.find_user(check(world, token).sub)
    assert user is not None
    world.put_user(replace(user, status=status))
    assert refused(world, token) is Errors.INVALID_TOKEN


def test_token_of_an_older_credential_is_no_good(world: World, token: str) -> None:
    """A new password ends earlier sessions."""
    user = world.store.find_user(check(world, token).sub)
    assert user is not None
    world.put_user(replace(user, epoch=user.epoch + 1))
    assert refused(world, token) is Errors.INVALID_TOKEN


def test_token_of_a_disabled_client_is_no_good(world: World) -> None:
    """A disabled client's token is rejected."""
    token = service_token(world)
    vars(world.store)["_clients"][SERVICE.client_id] = replace(SERVICE, status=Status.DISABLED)
    assert refused(world, token) is Errors.INVALID_TOKEN


def test_token_of_a_services_session_is_good(world: World) -> None:
    """A service that has exchanged its API key is a client like any other."""
    key_id, text, stored = new_api_key(world.entropy)
    world.store.create_client(SERVICE)
    world.store.create_api_key(ApiKey(key_id, SERVICE.client_id, "nightly", stored, NOW, roles=("service",)))
    answer = world.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    assert check(world, answer.access_token).sub == SERVICE.client_id


@pytest.mark.parametrize("end", ["session", "key"])
def test_token_of_a_services_session_dies_with_the_session_and_with_its_key(world: World, end: str) -> None:
    """Once its API key is revoked, an access token is no longer accepted here."""
    key_id, text, stored = new_api_key(world.entropy)
    key = ApiKey(key_id, SERVICE.client_id, "nightly", stored, NOW, roles=("service",))
    world.store.create_client(SERVICE)
    world.store.create_api_key(key)
    answer = world.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    if end == "key":
        world.store.delete_api_key(key)
    else:
        claims = check(world, answer.access_token)
        world.store.end_session(claims.sub, claims.sid or "")
    assert refused(world, answer.access_token) is Errors.INVALID_TOKEN


def test_token_of_a_previous_key_is_good(world: World, token: str) -> None:
    """A rotation invalidates no token."""
    world.source.held = rotate(world.source.held, Moment(NOW + 60, world.entropy))
    assert check(world, token, now=NOW + 60).iat == NOW


def test_token_of_a_key_that_was_reset_is_no_good(world: World, token: str) -> None:
    """A reset invalidates every token."""
    world.source.held = reset(world.source.held, Moment(NOW + 60, world.entropy), end_sessions=False)
    assert refused(world, token, now=NOW + 60) is Errors.INVALID_TOKEN


def test_token_by_a_key_that_has_retired_is_no_good(world: World, token: str) -> None:
    """The token is rejected whatever its times are, even if the key has not been swept."""
    claims, policy = check(world, token), world.source.held
    stolen = policy.keys.current
    world.source.held = rotate(policy, Moment(NOW + 60, world.entropy))
    gone = NOW + 86_400
    forged = mint_access(replace(claims, iat=gone, exp=gone + 900), stolen)
    assert refused(world, forged, now=gone) is Errors.INVALID_TOKEN


# Another issuer, another audience


def test_token_of_before_a_move_is_good_until_its_issuer_ends(world: World, token: str) -> None:
    """A token with the new issuer is good from the first second, and sessions continue across the move."""
    world.source.held = plan_issuer_move(world.source.held, "https://auth.example", Moment(NOW, world.entropy))
    planned = world.source.held.issuers.planned
    assert planned is not None
    assert check(world, token, now=NOW + 899).iss == "https://id.example"
    answer = world.log_in(now=planned.at)
    assert check(world, answer.access_token, now=planned.at).iss == "https://auth.example"
    last = world.refresh(answer, now=planned.at - 1).access_token
    assert check(world, last, now=planned.at).iss == "https://id.example"


def test_issuer_that_has_ended_is_no_good(world: World, token: str) -> None:
    """The token is rejected although its key still verifies, and whatever its times are."""
    claims, key = check(world, token), world.source.held.keys.current
    world.source.held = plan_issuer_move(world.source.held, "https://auth.example", Moment(NOW, world.entropy))
    planned = world.source.held.issuers.planned
    assert planned is not None
    end = planned.previous_until
    forged = mint_access(replace(claims, iat=end - 1, exp=end + 800), key)
    assert check(world, forged, now=end - 1).iss == "https://id.example"
    assert refused(world, forged, now=end) is Errors.INVALID_TOKEN


def test_audience_of_the_policy_rules(world: World, token: str) -> None:
    """The function's own setting is used only while the policy has no audience."""
    moment = Moment(NOW, world.entropy)
    world.source.held = plan_audience_move(world.source.held, AUDIENCE, moment)
    assert check(world, token, audience="other").aud == AUDIENCE
    world.source.held = plan_audience_move(world.source.held, "shop", moment)
    assert world.source.held.audiences is not None
    planned = world.source.held.audiences.planned
    assert planned is not None
    fresh = world.log_in(now=planned.at).access_token
    assert check(world, fresh, now=planned.at).aud == "shop"
    assert check(world, token, now=NOW + 899).aud == AUDIENCE


# Guesses


def test_bad_tokens_from_one_address_are_slowed_down_and_good_ones_never(world: World, token: str) -> None:
    """After a hundred bad tokens the next bad one has to wait. A good one from the same address is accepted."""
    for _ in range(JUNK_RULE.free):
        assert refused(world, "bad") is Errors.INVALID_TOKEN
    with pytest.raises(ServiceError) as caught:
        check(world, "bad")
    assert (caught.value.error, caught.value.retry_after) == (Errors.RATE_LIMITED, JUNK_RULE.waits[0])
    assert check(world, token).iat == NOW
    assert refused(world, "bad", now=NOW + JUNK_RULE.waits[0]) is Errors.INVALID_TOKEN


def test_refusal_is_not_counted_again(world: World) -> None:
    """An attempt during the wait does not lengthen the wait."""
    for _ in range(JUNK_RULE.free + 5):
        refused(world, "bad")
    assert world.store.attempts(COUNTER, NOW).count == JUNK_RULE.free


def test_stack_without_limits_counts_nothing(world: World, token: str) -> None:
    """Without a throttle, any number of bad tokens is allowed."""
    with pytest.raises(ServiceError):
        check(world, "bad", limits=NoThrottle())
    assert world.store.attempts(COUNTER, NOW).count == 0
    for _ in range(JUNK_RULE.free):
        refused(world, "bad")
    assert check(world, token, limits=NoThrottle()).iat == NOW


def test_outage_is_no_verdict(world: World, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a policy no token can be checked. The caller gets `unavailable`, and the attempt is not counted."""

    def away() -> None:
        raise ServiceError(Errors.UNAVAILABLE)

    monkeypatch.setattr(world.source, "policy", away)
    assert refused(world, token) is Errors.UNAVAILABLE
    assert world.store.attempts(COUNTER, NOW).count == 0
