"""Refresh: parallel requests agree, a lost answer ends no session, and a stolen token is detected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.grants.refresh import RefreshRequest
from latchkey.core.grants.repeats import RULE
from latchkey.core.model import Session, UserStatus
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import RefreshKey, mint_refresh, verify_refresh
from tests.world import NOW, World

RETRY_WINDOW = RULE.same_network_seconds
LATER = RETRY_WINDOW + 1
ELSEWHERE = "198.51.100.0/24"


@pytest.fixture
def first(world: World) -> TokenAnswer:
    """The answer of a sign-in."""
    world.register()
    return world.log_in()


def generation(world: World, answer: TokenAnswer) -> int:
    """Return the generation that a refresh token names."""
    return verify_refresh(answer.refresh_token, world.source.held.refresh_keys, NOW).generation


def refused(world: World, answer: TokenAnswer, *, now: int) -> str:
    """Return the private reason why a refresh is rejected."""
    with pytest.raises(ServiceError) as caught:
        world.refresh(answer, now=now)
    assert caught.value.error is Errors.INVALID_GRANT
    return caught.value.private


def vars_of(session: Session) -> list[object]:
    """Return all that the store keeps of a session."""
    return [getattr(session, each.name) for each in fields(session)]


def test_a_refresh_advances_the_generation_by_one(world: World, first: TokenAnswer) -> None:
    """The next refresh token names the next generation of the same session."""
    second = world.refresh(first, now=NOW + 60)
    assert (generation(world, first), generation(world, second)) == (0, 1)


def test_a_repeated_refresh_gets_the_same_token(world: World, first: TokenAnswer) -> None:
    """Within the window, the token before answers with the very successor it was given."""
    second = world.refresh(first, now=NOW + 60)
    assert world.refresh(first, now=NOW + 60 + RETRY_WINDOW).refresh_token == second.refresh_token


def test_a_lost_answer_ends_no_session(world: World, first: TokenAnswer) -> None:
    """A phone that never got the answer comes back an hour later, three times, and goes on."""
    second = world.refresh(first, now=NOW)
    for minutes in (60, 61, 120):
        assert world.refresh(first, now=NOW + 60 * minutes).refresh_token == second.refresh_token
    assert generation(world, world.refresh(second, now=NOW + 9_000)) == 2


def test_a_token_two_generations_old_ends_the_session(world: World, first: TokenAnswer) -> None:
    """The holder of such an old token did not receive the tokens that the owner received."""
    third = world.refresh(world.refresh(first, now=NOW), now=NOW)
    refused(world, first, now=NOW + RULE.burst_seconds)
    assert refused(world, third, now=NOW + RULE.burst_seconds) == "no such session"


def test_reuse_is_reported_once(world: World, first: TokenAnswer) -> None:
    """However often the old token is presented, one event says so."""
    world.refresh(world.refresh(first, now=NOW), now=NOW)
    refused(world, first, now=NOW + RULE.burst_seconds)
    refused(world, first, now=NOW + RULE.burst_seconds)
    assert world.journal.names().count("refresh_reuse") == 1


def test_a_thief_in_step_with_the_owner_is_out_when_the_bucket_is_full(world: World, first: TokenAnswer) -> None:
    """Each generation is presented twice, the second time late. Each one counts, and one too many ends it."""
    token, now = first, NOW
    for _ in range(world.source.held.refresh_retry_limit):
        successor = world.refresh(token, now=now)
        assert world.refresh(token, now=now + LATER).refresh_token == successor.refresh_token
        token, now = successor, now + 2 * LATER
    world.refresh(token, now=now)
    refused(world, token, now=now + LATER)
    assert "refresh_reuse" in world.journal.names()


def test_a_thief_who_is_late_two_times_of_three_is_noticed_too(world: World, first: TokenAnswer) -> None:
    """Being in time once in three does not help the thief: two late repeats count more than one clean refresh."""
    token, now, rounds = first, NOW, 0
    while "refresh_reuse" not in world.journal.names():
        rounds += 1
        successor = world.refresh(token, now=now)
        try:
            world.refresh(token, now=now + (1 if rounds % 3 == 0 else LATER))
        except ServiceError:
            break
        token, now = successor, now + 2 * LATER
        assert rounds < 100
    assert "refresh_reuse" in world.journal.names()


def test_late_answers_leak_out_of_the_bucket(world: World, first: TokenAnswer) -> None:
    """A bad network loses an answer now and then for years; that is no theft."""
    token, now = first, NOW
    week = 86_400 * 7
    for _ in range(3 * RULE.limit):
        successor = world.refresh(token, now=now)
        world.refresh(token, now=now + LATER)
        token, now = successor, now + 2 * LATER
        for _ in range(RULE.generations_per_leak + 1):
            now += week // 40
            token = world.refresh(token, now=now)
    assert "refresh_reuse" not in world.journal.names()


def test_one_generation_counts_once(world: World, first: TokenAnswer) -> None:
    """A phone that repeats a late request a hundred times is one phone with a bad network."""
    second = world.refresh(first, now=NOW)
    answers = {world.refresh(first, now=NOW + LATER + each).refresh_token for each in range(100)}
    assert (answers, world.journal.names().count("refresh_late")) == ({second.refresh_token}, 1)


def test_the_request_that_advanced_may_be_repeated_at_any_time(world: World, first: TokenAnswer) -> None:
    """The same `Idempotency-Key` says that it is the same request, hours later and from another network."""
    second = world.refresh(first, now=NOW, key="a1")
    later = world.refresh(first, now=NOW + 9_000, network=ELSEWHERE, key="a1")
    assert later.refresh_token == second.refresh_token
    assert "refresh_late" not in world.journal.names()


def test_one_key_for_every_refresh_is_no_key(world: World, first: TokenAnswer) -> None:
    """A client that always sends the same key would make every repeat free, a thief's too."""
    second = world.refresh(first, now=NOW, key="always")
    world.refresh(second, now=NOW + 60, key="always")
    world.refresh(second, now=NOW + 60 + LATER, key="always")
    assert "refresh_late" in world.journal.names()


def test_a_repeat_with_another_key_is_no_retry(world: World, first: TokenAnswer) -> None:
    """Two keys for one token are two requests, however soon one follows the other from another network."""
    world.refresh(first, now=NOW, key="a1")
    world.refresh(first, now=NOW, network=ELSEWHERE, key="b1")
    [late] = [event for event in world.journal.events if event.name == "refresh_late"]
    assert late.reason == "level 1"


def test_a_delayed_duplicate_is_asked_to_try_again(world: World, first: TokenAnswer) -> None:
    """A request that two later ones have overtaken gets 503 with `Retry-After`, and ends nothing."""
    third = world.refresh(world.refresh(first, now=NOW), now=NOW + 1)
    with pytest.raises(ServiceError) as caught:
        world.refresh(first, now=NOW + RULE.burst_seconds - 1)
    assert (caught.value.error, caught.value.retry_after) == (Errors.UNAVAILABLE, 1)
    assert generation(world, world.refresh(third, now=NOW + RULE.burst_seconds)) == 3


def test_a_token_of_another_family_is_reported_and_ends_nothing(world: World, first: TokenAnswer) -> None:
    """A thief of a refresh key makes tokens with a good MAC, and cannot make the family: that is an alarm."""
    token = verify_refresh(first.refresh_token, world.source.held.refresh_keys, NOW)
    forged = mint_refresh(replace(token, family=bytes(16)), world.source.held.refresh_keys)
    for generations in range(3):
        refused(world, replace(first, refresh_token=forged), now=NOW)
        assert generation(world, first) == 0
        del generations
    assert world.journal.names().count("refresh_forged") == 3
    assert generation(world, world.refresh(first, now=NOW)) == 1


@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_a_token_that_the_store_does_not_know_yet_is_stale(world: World, first: TokenAnswer, ahead: int) -> None:
    """After a backup is restored, tokens are newer than their sessions. They are rejected without an alarm."""
    token = verify_refresh(first.refresh_token, world.source.held.refresh_keys, NOW)
    newer = replace(token, generation=ahead, link=bytes(16))
    text = mint_refresh(newer, world.source.held.refresh_keys)
    refused(world, replace(first, refresh_token=text), now=NOW)
    assert world.journal.names()[-1] == "refresh_stale"
    assert generation(world, world.refresh(first, now=NOW)) == 1


def test_a_repeat_with_a_wrong_link_is_stale(world: World, first: TokenAnswer) -> None:
    """The token is of this session's family, but its successor is not the one that the session has."""
    world.refresh(first, now=NOW)
    token = verify_refresh(first.refresh_token, world.source.held.refresh_keys, NOW)
    text = mint_refresh(replace(token, link=bytes(16)), world.source.held.refresh_keys)
    refused(world, replace(first, refresh_token=text), now=NOW)
    assert world.journal.names()[-1] == "refresh_stale"


def test_store_and_keys_together_make_no_token(world: World, first: TokenAnswer) -> None:
    """The store has only hashes of family and link, and the chain uses no key of the policy."""
    session = world.store.find_user_and_session(world.claims(first).sub, world.claims(first).sid or "", NOW)[1]
    assert session is not None
    known = {value for value in vars_of(session) if isinstance(value, str) and len(value) >= 22}
    token = verify_refresh(first.refresh_token, world.source.held.refresh_keys, NOW)
    for text in known:
        guess = bytes.fromhex(text)[:16] if all(each in "0123456789abcdef" for each in text) else text.encode()[:16]
        forged = mint_refresh(replace(token, family=guess, link=guess), world.source.held.refresh_keys)
        refused(world, replace(first, refresh_token=forged), now=NOW)
    assert generation(world, world.refresh(first, now=NOW)) == 1


def test_parallel_answers_agree_while_keys_rotate(world: World, first: TokenAnswer) -> None:
    """Two functions with two copies of the policy give the same successor, each under its own key."""
    before = world.source.held
    one = verify_refresh(world.refresh(first, now=NOW).refresh_token, before.refresh_keys, NOW)
    world.source.held = replace(before, refresh_keys=before.refresh_keys[::-1])
    other = verify_refresh(world.refresh(first, now=NOW).refresh_token, before.refresh_keys, NOW)
    assert one == other


def test_an_unknown_mac_asks_for_the_policy_once_more(world: World, first: TokenAnswer) -> None:
    """Another instance may have read a newer policy, whose key this copy lacks."""
    newer = world.source.held
    stranger = RefreshKey("other", bytes(range(32)))
    world.source.held = replace(newer, refresh_keys=(stranger, replace(stranger, key_id="two")))
    world.source.newer = newer
    answer = world.refresh(first, now=NOW)
    world.source.held = newer
    assert generation(world, answer) == 1


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


@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda text: text[:-4] + "AAAA", "mac is wrong"), (lambda text: "lk1" + text[3:], "malformed")],
)
def test_a_token_that_no_key_has_signed_is_recorded_without_a_subject(
    world: World, first: TokenAnswer, change: Callable[[str], str], reason: str
) -> None:
    """The text may name anyone, so the event names no one. It is no sign that a key has leaked."""
    refused(world, replace(first, refresh_token=change(first.refresh_token)), now=NOW)
    assert world.journal.events[-1] == Event("refresh_refused", reason=reason)
    assert "refresh_forged" not in world.journal.names()


def test_an_idle_session_ends(world: World, first: TokenAnswer) -> None:
    """A session that is not refreshed within its idle time ends."""
    assert refused(world, first, now=NOW + world.source.held.refresh_idle_ttl) == "no such session"


def test_no_session_outlives_its_absolute_end(world: World, first: TokenAnswer) -> None:
    """Refreshing every week does not keep a session alive forever."""
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
    """A raised epoch, for example after a change of password, ends earlier sessions."""
    account = world.store.find_user(world.claims(first).sub)
    assert account is not None
    world.put_user(replace(account, epoch=1))
    refused(world, first, now=NOW)
    assert world.store.list_sessions(account.sub, NOW) == ()


def test_another_client_cannot_use_the_token(world: World, first: TokenAnswer) -> None:
    """A refresh token is bound to its client, and the attempt does not disturb the session."""
    with pytest.raises(ServiceError):
        world.refresh_grant(RefreshRequest(first.refresh_token, client_id="cli_other"), now=NOW)
    assert generation(world, world.refresh(first, now=NOW)) == 1


@pytest.mark.parametrize("rotations", [1, 2])
def test_another_client_cannot_use_a_past_token_either(world: World, first: TokenAnswer, rotations: int) -> None:
    """It gets no repeated answer, and cannot end the session by what would be reuse from its own client."""
    newest = first
    for _ in range(rotations):
        newest = world.refresh(newest, now=NOW)
    with pytest.raises(ServiceError):
        world.refresh_grant(RefreshRequest(first.refresh_token, client_id="cli_other"), now=NOW)
    assert generation(world, world.refresh(newest, now=NOW)) == rotations + 1
    assert "refresh_reuse" not in world.journal.names()


@pytest.mark.parametrize(("asked", "granted"), [("profile", "profile"), ("profile openid", "openid profile")])
def test_a_narrower_scope_is_granted(world: World, first: TokenAnswer, asked: str, granted: str) -> None:
    """RFC 6749 section 6: the scope may shrink for one access token, and the session keeps its own."""
    narrow = world.refresh_grant(RefreshRequest(first.refresh_token, scope=asked), now=NOW)
    assert (narrow.scope, world.refresh(narrow, now=NOW).scope) == (granted, first.scope)


def test_a_wider_scope_is_refused_and_changes_nothing(world: World, first: TokenAnswer) -> None:
    """RFC 6749 section 6: it must not hold what was never granted."""
    with pytest.raises(ServiceError) as caught:
        world.refresh_grant(RefreshRequest(first.refresh_token, scope="openid root"), now=NOW)
    assert caught.value.error is Errors.INVALID_SCOPE
    assert generation(world, world.refresh(first, now=NOW)) == 1


def test_ending_all_sessions_may_keep_one(world: World) -> None:
    """Everything but the present device is signed out."""
    world.register()
    answers = [world.log_in() for _ in range(3)]
    claims = world.claims(answers[1])
    assert world.sessions.end_all(claims.sub, reason="test", keep=claims.sid or "") == 2
    assert [session.sid for session in world.store.list_sessions(claims.sub, NOW)] == [claims.sid]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, RETRY_WINDOW, LATER, 3_600])), max_size=25))
def test_an_owner_alone_is_never_logged_out(policy: SigningPolicy, moves: list[tuple[int, int]]) -> None:
    """A phone that repeats its newest token keeps its session, whatever answers the network loses.

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
