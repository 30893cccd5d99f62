"""Refresh: parallel requests agree, a lost answer logs nobody out, a stolen token is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.grants.refresh import RETRY_WINDOW
from latchkey.core.model import UserStatus
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import verify_refresh
from tests.world import NOW, World

LATER = RETRY_WINDOW + 1


@pytest.fixture
def first(world: World) -> TokenAnswer:
    """The answer of a sign-in."""
    world.register()
    return world.log_in()


def generation(world: World, answer: TokenAnswer) -> int:
    """Return the generation that a refresh token names."""
    return verify_refresh(answer.refresh_token, world.source.held.refresh_keys).generation


def refused(world: World, answer: TokenAnswer, *, now: int) -> str:
    """Return the private reason why a refresh is refused."""
    with pytest.raises(ServiceError) as caught:
        world.refresh(answer, now=now)
    assert caught.value.error is Errors.INVALID_GRANT
    return caught.value.private


def test_a_refresh_advances_the_generation_by_one(world: World, first: TokenAnswer) -> None:
    """The next refresh token names the next generation of the same session."""
    second = world.refresh(first, now=NOW + 60)
    assert (generation(world, first), generation(world, second)) == (0, 1)


def test_a_repeated_refresh_gets_the_same_token(world: World, first: TokenAnswer) -> None:
    """Within the window, the token before answers with the very successor it was given."""
    second = world.refresh(first, now=NOW + 60)
    assert world.refresh(first, now=NOW + 60 + RETRY_WINDOW).refresh_token == second.refresh_token


def test_a_lost_answer_logs_nobody_out(world: World, first: TokenAnswer) -> None:
    """A phone that never got the answer comes back an hour later, three times, and goes on."""
    second = world.refresh(first, now=NOW)
    for minutes in (60, 61, 120):
        assert world.refresh(first, now=NOW + 60 * minutes).refresh_token == second.refresh_token
    assert generation(world, world.refresh(second, now=NOW + 9_000)) == 2


def test_a_token_two_generations_old_ends_the_session(world: World, first: TokenAnswer) -> None:
    """Whoever still holds it did not get what the owner got."""
    third = world.refresh(world.refresh(first, now=NOW), now=NOW)
    refused(world, first, now=NOW)
    assert refused(world, third, now=NOW) == "no such session"


def test_reuse_is_reported_once(world: World, first: TokenAnswer) -> None:
    """However often the old token is presented, one event says so."""
    world.refresh(world.refresh(first, now=NOW), now=NOW)
    refused(world, first, now=NOW)
    refused(world, first, now=NOW)
    assert world.journal.names().count("refresh_reuse") == 1


def test_a_thief_in_step_with_the_owner_is_out_after_three(world: World, first: TokenAnswer) -> None:
    """Each generation is presented twice, the second time late: the third in a row ends the session."""
    token, now = first, NOW
    for _ in range(2):
        successor = world.refresh(token, now=now)
        assert world.refresh(token, now=now + LATER).refresh_token == successor.refresh_token
        token, now = successor, now + 2 * LATER
    world.refresh(token, now=now)
    refused(world, token, now=now + LATER)
    assert "refresh_reuse" in world.journal.names()


def test_late_answers_that_do_not_follow_each_other_do_not_add_up(world: World, first: TokenAnswer) -> None:
    """A bad network loses an answer now and then for years; only a row without a gap means two holders."""
    token, now = first, NOW
    for _ in range(10):
        successor = world.refresh(token, now=now)
        world.refresh(token, now=now + LATER)
        token, now = world.refresh(successor, now=now + 2 * LATER), now + 3 * LATER
    assert "refresh_reuse" not in world.journal.names()


def test_strict_means_that_no_token_works_twice(world: World, first: TokenAnswer) -> None:
    """With a limit of 0, even a parallel request is reuse, as OAuth 2.1 has it."""
    world.set_retry_limit(0)
    second = world.refresh(first, now=NOW)
    refused(world, first, now=NOW)
    assert refused(world, second, now=NOW) == "no such session"


def test_a_forged_token_changes_nothing(world: World, first: TokenAnswer) -> None:
    """A stranger who knows ids cannot end a session by presenting an old generation."""
    second = world.refresh(world.refresh(first, now=NOW), now=NOW)
    forged = replace(first, refresh_token=first.refresh_token[:-4] + "AAAA")
    refused(world, forged, now=NOW)
    assert generation(world, world.refresh(second, now=NOW)) == 3


def test_an_idle_session_ends(world: World, first: TokenAnswer) -> None:
    """A session that nobody refreshes for its idle time is over."""
    assert refused(world, first, now=NOW + world.source.held.refresh_idle_ttl) == "no such session"


def test_no_session_outlives_its_absolute_end(world: World, first: TokenAnswer) -> None:
    """Refreshing every week for ever does not keep a session for ever."""
    token, now, week = first, NOW, 7 * 86_400
    while now + week < NOW + world.source.held.refresh_ttl:
        now += week
        token = world.refresh(token, now=now)
    assert now + token.refresh_expires_in == NOW + world.source.held.refresh_ttl
    assert refused(world, token, now=now + week) == "no such session"


def test_a_disabled_account_refreshes_nothing(world: World, first: TokenAnswer) -> None:
    """Disabling acts at the next refresh, and the session is gone."""
    user = next(iter(world.store.list_sessions(world.claims(first).sub, NOW))).sub
    account = world.store.find_user(user)
    assert account is not None
    world.put_user(replace(account, status=UserStatus.DISABLED))
    refused(world, first, now=NOW)
    assert world.store.list_sessions(user, NOW) == ()


def test_a_role_taken_away_is_gone_at_the_next_refresh(world: World, first: TokenAnswer) -> None:
    """The roles of the new access token are the account's of that moment."""
    account = world.store.find_user(world.claims(first).sub)
    assert account is not None
    world.put_user(replace(account, roles=("user", "admin")))
    promoted = world.refresh(first, now=NOW)
    world.put_user(replace(account, roles=("user",)))
    demoted = world.refresh(promoted, now=NOW)
    assert ("admin" in world.claims(promoted).roles, "admin" in world.claims(demoted).roles) == (True, False)


def test_a_session_older_than_the_credential_is_dead(world: World, first: TokenAnswer) -> None:
    """A raised epoch, as by a change of password, ends what was signed in before."""
    account = world.store.find_user(world.claims(first).sub)
    assert account is not None
    world.put_user(replace(account, epoch=1))
    refused(world, first, now=NOW)
    assert world.store.list_sessions(account.sub, NOW) == ()


def test_another_client_cannot_use_the_token(world: World, first: TokenAnswer) -> None:
    """A refresh token is bound to its client, and the attempt does not disturb the session."""
    with pytest.raises(ServiceError):
        world.refresh_grant(first.refresh_token, client_id="cli_other", now=NOW)
    assert generation(world, world.refresh(first, now=NOW)) == 1


@pytest.mark.parametrize("rotations", [1, 2])
def test_another_client_cannot_use_a_past_token_either(world: World, first: TokenAnswer, rotations: int) -> None:
    """It gets no repeated answer, and cannot end the session by what would be reuse from its own client."""
    newest = first
    for _ in range(rotations):
        newest = world.refresh(newest, now=NOW)
    with pytest.raises(ServiceError):
        world.refresh_grant(first.refresh_token, client_id="cli_other", now=NOW)
    assert generation(world, world.refresh(newest, now=NOW)) == rotations + 1
    assert "refresh_reuse" not in world.journal.names()


@pytest.mark.parametrize(("asked", "granted"), [("profile", "profile"), ("profile openid", "openid profile")])
def test_a_narrower_scope_is_granted(world: World, first: TokenAnswer, asked: str, granted: str) -> None:
    """RFC 6749 section 6: the scope may shrink for one access token, and the session keeps its own."""
    narrow = world.refresh_grant(first.refresh_token, now=NOW, scope=asked)
    assert (narrow.scope, world.refresh(narrow, now=NOW).scope) == (granted, first.scope)


def test_a_wider_scope_is_refused_and_changes_nothing(world: World, first: TokenAnswer) -> None:
    """RFC 6749 section 6: it must not hold what was never granted."""
    with pytest.raises(ServiceError) as caught:
        world.refresh_grant(first.refresh_token, now=NOW, scope="openid root")
    assert caught.value.error is Errors.INVALID_SCOPE
    assert generation(world, world.refresh(first, now=NOW)) == 1


def test_ending_all_sessions_may_keep_one(world: World) -> None:
    """Everything but the present device is signed out."""
    world.register()
    answers = [world.log_in() for _ in range(3)]
    claims = world.claims(answers[1])
    assert world.sessions.end_all(claims.sub, reason="test", keep=claims.sid or "") == 2
    assert [session.sid for session in world.store.list_sessions(claims.sub, NOW)] == [claims.sid]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, RETRY_WINDOW, LATER, 3_600])), max_size=25))
def test_an_owner_alone_is_never_logged_out(policy: SigningPolicy, moves: list[tuple[int, int]]) -> None:
    """Whatever answers the network loses, a lone phone that repeats its newest token keeps its session.

    The phone holds the newest token it has seen. Each move sends it one to four times, and only the last answer
    arrives.
    """
    world = World(policy)
    world.register()
    held, now = world.log_in(), NOW
    for repeats, pause in moves:
        now += pause
        for _ in range(repeats):
            world.refresh(held, now=now)
        held = world.refresh(held, now=now)
    assert "refresh_reuse" not in world.journal.names()
