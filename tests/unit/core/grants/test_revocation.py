"""The end of a session by one of its tokens: what ends it, and what ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from latchkey.adapters.published_policy import PolicyKeys
from latchkey.core.clients.directory import new_api_key
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.grants.revocation import Revocation
from latchkey.core.model import ApiKey, Client, ClientKind, Grant, User, UserStatus
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, mint_refresh, verify_refresh
from tests.world import ADDRESS, AUDIENCE, NOW, World

SHOP = Client("cli_shop", ClientKind.PUBLIC, "Shop", NOW, scopes=("profile:read",))
JOB = Client("cli_job", ClientKind.SERVICE, "Job", NOW, grants=(Grant.CLIENT_CREDENTIALS,), roles=("service",))


@pytest.fixture
def first(world: World) -> TokenAnswer:
    """The answer of a sign-in."""
    world.register()
    return world.log_in()


def revocation(world: World, *, now: int = NOW) -> Revocation:
    """Return the service."""
    keys = PolicyKeys(world.source, lambda: now)
    return Revocation(world.store, world.source, keys, world.sessions, world.journal, AUDIENCE)


def is_live(world: World, answer: TokenAnswer) -> bool:
    """Say whether the session that an answer belongs to is there."""
    token = content(world, answer)
    return bool(world.store.list_sessions(token.sub, NOW))


def content(world: World, answer: TokenAnswer) -> RefreshToken:
    """Return what a refresh token says."""
    return verify_refresh(answer.refresh_token, world.source.held.refresh_keys, NOW)


def minted(world: World, answer: TokenAnswer, change: Callable[[RefreshToken], RefreshToken]) -> str:
    """Return a token that someone with the refresh keys makes from that of an answer."""
    return mint_refresh(change(content(world, answer)), world.source.held.refresh_keys)


def refused(world: World, text: str, client_id: str = "") -> Errors:
    """Return the error with which a refresh token is rejected."""
    with pytest.raises(ServiceError) as caught:
        revocation(world).end(text, client_id, now=NOW)
    return caught.value.error


def test_refresh_token_ends_its_session_when_no_access_token_is_left(world: World, first: TokenAnswer) -> None:
    """A phone that wakes up a day later logs out with what it has, and the event says so."""
    revocation(world).end(first.refresh_token, now=NOW + 86_400)
    assert not is_live(world, first)
    assert [event.reason for event in world.journal.events if event.name == "session_ended"] == ["logout"]


def test_session_that_has_ended_is_no_error(world: World, first: TokenAnswer) -> None:
    """The second sign-out equals the first, and is journalled once."""
    for _ in range(2):
        revocation(world).end(first.refresh_token, now=NOW)
    assert world.journal.names().count("session_ended") == 1


def test_token_of_the_generation_before_ends_its_session(world: World, first: TokenAnswer) -> None:
    """The answer of the last refresh may be lost."""
    world.refresh(first, now=NOW + 60)
    revocation(world).end(first.refresh_token, now=NOW + 3600)
    assert not is_live(world, first)


def test_older_token_ends_its_session(world: World, first: TokenAnswer) -> None:
    """It is of the session's own family, and a refresh with it would end the session too."""
    world.refresh(world.refresh(first, now=NOW + 60), now=NOW + 120)
    revocation(world).end(first.refresh_token, now=NOW + 3600)
    assert not is_live(world, first)


CHANGES: dict[str, tuple[Callable[[RefreshToken], RefreshToken], str]] = {
    "another family": (lambda token: replace(token, family=bytes(LINK_BYTES)), "refresh_forged"),
    "another link": (lambda token: replace(token, link=bytes(LINK_BYTES)), "refresh_stale"),
    "another link before": (lambda token: replace(token, generation=0, link=bytes(LINK_BYTES)), "refresh_stale"),
    "from the future": (lambda token: replace(token, generation=9), "refresh_stale"),
}


@pytest.mark.parametrize(("change", "event"), CHANGES.values(), ids=CHANGES)
def test_forged_or_stale_token_ends_nothing_and_is_reported(
    world: World, first: TokenAnswer, change: Callable[[RefreshToken], RefreshToken], event: str
) -> None:
    """A thief of the refresh keys cannot sign others out. The events are those of a refresh."""
    second = world.refresh(first, now=NOW + 60)
    text = minted(world, second, change)
    assert refused(world, text) is Errors.INVALID_GRANT
    revocation(world).revoke(text, "", now=NOW)
    assert is_live(world, second)
    assert world.journal.names()[-2:] == [event, event]


@pytest.mark.parametrize("text", ["", "lk2", "lk2.usr_a.ses_a.0.x.y", "a.b.c", "x" * 5000, "\u00e9"])
def test_unknown_token_is_refused_at_sign_out_and_no_error_at_revocation(
    world: World, first: TokenAnswer, text: str
) -> None:
    """RFC 7009 section 2.2: the client wanted it to be invalid, and it is."""
    assert refused(world, text) is Errors.INVALID_GRANT
    revocation(world).revoke(text, "", now=NOW)
    assert is_live(world, first)


def test_token_of_another_client_ends_nothing(world: World, first: TokenAnswer) -> None:
    """Neither that of the app in another client's hands, nor the reverse."""
    user = User("usr_b", "bob", UserStatus.ACTIVE, ("user",), 0, NOW)
    shop = world.open_for(user, world.put_client(SHOP))
    world.put_client(replace(SHOP, client_id="cli_other"))
    revocation(world).revoke(shop.refresh_token, "", now=NOW)
    revocation(world).revoke(shop.access_token, "cli_other", now=NOW)
    revocation(world).revoke(first.refresh_token, "cli_shop", now=NOW)
    revocation(world).revoke(first.access_token, "cli_shop", now=NOW)
    assert (is_live(world, shop), is_live(world, first)) == (True, True)
    revocation(world).revoke(shop.refresh_token, "cli_shop", now=NOW)
    assert not is_live(world, shop)


def test_access_token_ends_its_session(world: World, first: TokenAnswer) -> None:
    """RFC 7009 section 2: our own routes and `validate` reject the token from then on."""
    revocation(world).revoke(first.access_token, "", now=NOW)
    assert not is_live(world, first)


def test_expired_access_token_ends_nothing(world: World, first: TokenAnswer) -> None:
    """An old token in a log is worth nothing."""
    revocation(world).revoke(first.access_token, "", now=NOW + 86_400)
    assert is_live(world, first)


def test_access_token_without_a_session_cannot_be_revoked(world: World) -> None:
    """To say 200 would be a lie: other APIs accept it until it expires (RFC 7009 section 2.2.1)."""
    world.store.create_client(JOB)
    token = world.machines.client_credentials(JOB, None, now=NOW).access_token
    with pytest.raises(ServiceError) as caught:
        revocation(world).revoke(token, JOB.client_id, now=NOW)
    assert caught.value.error is Errors.UNSUPPORTED_TOKEN_TYPE


def test_service_ends_its_own_session(world: World) -> None:
    """Its refresh token names the client, so it needs no secret besides."""
    world.store.create_client(JOB)
    key_id, text, stored = new_api_key(world.entropy)
    world.store.create_api_key(ApiKey(key_id, JOB.client_id, "nightly", stored, NOW, roles=("service",)))
    answer = world.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    revocation(world).end(answer.refresh_token, now=NOW)
    assert not is_live(world, answer)
