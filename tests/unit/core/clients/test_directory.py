"""Machines: OAuth clients and API keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.clients.directory import new_api_key, new_client_secret
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import SERVICE_SESSION_TTL
from latchkey.core.model import ApiKey, Client, ClientKind, Grant, Status
from latchkey.core.throttle import CLIENT_RULE
from tests.world import ADDRESS, NOW, World

SERVICE = Client(
    client_id="cli_service",
    kind=ClientKind.SERVICE,
    name="Billing",
    created_at=NOW,
    scopes=("hello:read", "profile:read"),
    grants=(Grant.CLIENT_CREDENTIALS,),
    roles=("service",),
)


@pytest.fixture
def secret(world: World) -> str:
    """The secret of the service, which is in the store."""
    text, stored = new_client_secret(world.entropy)
    world.store.create_client(replace(SERVICE, secret_hashes=(stored,)))
    return text


@pytest.fixture
def key(world: World, secret: str) -> str:
    """An API key of the service that expires in an hour."""
    key_id, text, stored = new_api_key(world.entropy)
    world.store.create_api_key(
        ApiKey(key_id, SERVICE.client_id, "nightly", stored, NOW, roles=("service",), expires_at=NOW + 3_600)
    )
    return text


def refused(world: World, client_id: str, secret: str) -> ServiceError:
    """Return the error of a failed client authentication."""
    with pytest.raises(ServiceError) as caught:
        world.clients.authenticate(client_id, secret, address=ADDRESS, now=NOW)
    return caught.value


def test_client_credentials_give_an_access_token_alone(world: World, secret: str) -> None:
    """RFC 6749 section 4.4.3: no refresh token; the subject is the client."""
    client = world.clients.authenticate(SERVICE.client_id, secret, address=ADDRESS, now=NOW)
    answer = world.machines.client_credentials(client, None, now=NOW)
    claims = world.claims(answer)
    assert (answer.refresh_token, claims.sub, claims.sid, claims.scope) == (
        "",
        SERVICE.client_id,
        None,
        "hello:read profile:read",
    )


def test_a_client_may_ask_for_less_and_not_for_more(world: World, secret: str) -> None:
    """RFC 6749 section 3.3."""
    client = world.clients.authenticate(SERVICE.client_id, secret, address=ADDRESS, now=NOW)
    assert world.machines.client_credentials(client, "hello:read", now=NOW).scope == "hello:read"
    with pytest.raises(ServiceError) as caught:
        world.machines.client_credentials(client, "hello:read admin", now=NOW)
    assert caught.value.error is Errors.INVALID_SCOPE


@pytest.mark.parametrize("client_id", [SERVICE.client_id, "cli_unknown"])
def test_wrong_secrets_are_refused_then_slowed_and_never_lock_the_owner_out(
    world: World, secret: str, client_id: str
) -> None:
    """A known and an unknown client behave alike; the right secret works throughout."""
    errors = [refused(world, client_id, "lks_wrong").error for _ in range(CLIENT_RULE.free + 1)]
    assert (errors[0], errors[-1]) == (Errors.INVALID_CLIENT, Errors.RATE_LIMITED)
    world.clients.authenticate(SERVICE.client_id, secret, address=ADDRESS, now=NOW)


def test_junk_from_one_address_is_slowed_down_whatever_it_names(world: World, secret: str) -> None:
    """Two hundred unknown clients and fifty unknown keys get twenty answers, and twenty events. A client goes on."""
    for number in range(200):
        refused(world, f"cli_{number}", "lks_wrong")
    for _ in range(50):
        with pytest.raises(ServiceError) as caught:
            world.machines.exchange_api_key(new_api_key(world.entropy)[1], address=ADDRESS, now=NOW)
    assert caught.value.error is Errors.RATE_LIMITED
    assert world.journal.names() == ["client_refused"] * CLIENT_RULE.free
    assert world.clients.authenticate(SERVICE.client_id, secret, address=ADDRESS, now=NOW)


def test_junk_from_one_address_slows_down_no_other(world: World, secret: str) -> None:
    """Another address gets the answer that its wrong secret deserves: no counter belongs to a client."""
    del secret
    for _ in range(200):
        refused(world, SERVICE.client_id, "lks_wrong")
    with pytest.raises(ServiceError) as caught:
        world.clients.authenticate(SERVICE.client_id, "lks_wrong", address="198.51.100.9", now=NOW)
    assert caught.value.error is Errors.INVALID_CLIENT


def test_a_stored_fingerprint_does_not_authenticate(world: World, secret: str) -> None:
    """A reader of the table cannot use its hashes to authenticate."""
    stored = world.store.find_client(SERVICE.client_id)
    assert stored is not None
    assert refused(world, SERVICE.client_id, stored.secret_hashes[0]).error is Errors.INVALID_CLIENT
    assert secret not in repr(stored)


def test_a_disabled_client_is_refused(world: World) -> None:
    """Even with the right secret."""
    text, stored = new_client_secret(world.entropy)
    world.store.create_client(replace(SERVICE, client_id="cli_off", secret_hashes=(stored,), status=Status.DISABLED))
    assert refused(world, "cli_off", text).error is Errors.INVALID_CLIENT


def test_a_public_client_has_nothing_to_prove_and_no_token_of_its_own(world: World) -> None:
    """A secret sent by one is an error, and `client_credentials` is not for it."""
    world.store.create_client(replace(SERVICE, client_id="cli_app", kind=ClientKind.PUBLIC))
    client = world.clients.authenticate("cli_app", "", address=ADDRESS, now=NOW)
    with pytest.raises(ServiceError) as caught:
        world.machines.client_credentials(client, None, now=NOW)
    assert caught.value.error is Errors.UNAUTHORIZED_CLIENT
    assert refused(world, "cli_app", "lks_any").error is Errors.INVALID_CLIENT


def test_an_api_key_opens_a_session_that_refreshes(world: World, key: str) -> None:
    """A service gets a pair, and the pair renews itself."""
    answer = world.machines.exchange_api_key(key, address=ADDRESS, now=NOW)
    renewed = world.refresh(answer, now=NOW + 60)
    claims = world.claims(renewed, now=NOW + 60)
    assert (claims.sub, claims.roles, claims.amr) == (SERVICE.client_id, ("service", "user"), ("api_key",))
    assert answer.refresh_expires_in == SERVICE_SESSION_TTL


def test_an_expired_key_opens_nothing_and_its_sessions_end_with_it(world: World, key: str) -> None:
    """The second of expiry is too late, for the key and for what it opened."""
    answer = world.machines.exchange_api_key(key, address=ADDRESS, now=NOW + 3_000)
    with pytest.raises(ServiceError) as caught:
        world.machines.exchange_api_key(key, address=ADDRESS, now=NOW + 3_600)
    assert (answer.refresh_expires_in, caught.value.error) == (600, Errors.INVALID_API_KEY)
    with pytest.raises(ServiceError):
        world.refresh(answer, now=NOW + 3_600)


def test_a_key_without_a_signing_policy_opens_nothing(world: World, key: str) -> None:
    """While no token can be made, no session is stored and no event is reported."""
    world.source.away = True
    with pytest.raises(ServiceError) as caught:
        world.machines.exchange_api_key(key, address=ADDRESS, now=NOW)
    assert caught.value.error is Errors.UNAVAILABLE
    assert world.store.list_sessions(SERVICE.client_id, NOW) == ()
    assert world.journal.names() == []


@pytest.mark.parametrize("kind", ["_clients", "_api_keys"])
def test_a_key_that_is_disabled_or_whose_owner_is_opens_and_renews_nothing(world: World, key: str, kind: str) -> None:
    """Disabling either one acts at the next exchange and at the next refresh, which ends the session."""
    answer = world.machines.exchange_api_key(key, address=ADDRESS, now=NOW)
    stored = vars(world.store)[kind]
    stored.update({name: replace(each, status=Status.DISABLED) for name, each in stored.items()})
    with pytest.raises(ServiceError) as exchange:
        world.machines.exchange_api_key(key, address=ADDRESS, now=NOW)
    with pytest.raises(ServiceError) as refresh:
        world.refresh(answer, now=NOW)
    assert (exchange.value.error, refresh.value.error) == (Errors.INVALID_API_KEY, Errors.INVALID_GRANT)
    assert world.store.list_sessions(SERVICE.client_id, NOW) == ()


def test_a_key_without_the_permission_opens_nothing(world: World, secret: str) -> None:
    """`token:issue` comes with a role."""
    key_id, text, stored = new_api_key(world.entropy)
    world.store.create_api_key(ApiKey(key_id, SERVICE.client_id, "reader", stored, NOW, roles=("user",)))
    with pytest.raises(ServiceError) as caught:
        world.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    assert caught.value.error is Errors.FORBIDDEN


@pytest.mark.parametrize("pattern", ["{0}a", "{0:.88}", "{0:.29}", "{0:.3}", " {0}", "{0:.88}!"])
def test_a_mistyped_key_is_refused(world: World, key: str, pattern: str) -> None:
    """A key with an extra, missing or changed character, a blank, or the prefix alone is rejected."""
    with pytest.raises(ServiceError) as caught:
        world.machines.exchange_api_key(pattern.format(key), address=ADDRESS, now=NOW)
    assert caught.value.error is Errors.INVALID_API_KEY


def test_a_stored_key_hash_does_not_authenticate(world: World, key: str) -> None:
    """The API takes the key, never what the table keeps of it."""
    stored = world.store.find_api_key(key.split("_")[1], NOW)
    assert stored is not None
    with pytest.raises(ServiceError):
        world.machines.exchange_api_key(stored.secret_hash, address=ADDRESS, now=NOW)


def test_refusal_names_a_client_that_there_is(world: World, secret: str, key: str) -> None:
    """Guesses at a client are logged under its id. An unknown id that a stranger typed is not logged."""
    for client_id in ("cli_canary", SERVICE.client_id):
        refused(world, client_id, "wrong")
    world.store.create_client(replace(SERVICE, client_id="cli_off", status=Status.DISABLED))
    refused(world, "cli_off", "wrong")
    with pytest.raises(ServiceError):
        world.clients.api_key(key, address=ADDRESS, now=NOW + 3_600)
    named = [event.client_id for event in world.journal.events if event.name == "client_refused"]
    assert named == ["", SERVICE.client_id, "cli_off", ""]
