"""The contract of `SessionStore`, checked on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.core.errors import Errors
from latchkey.core.grants.store import Rotation
from tests.integration import samples
from tests.integration.contract import after, count_repeat, refuses, step_from
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Session, User


def opened(store: Store, session: Session) -> Session:
    store.create_session(session)
    return session


def registered(store: Store) -> User:
    user = samples.user()
    store.create_user(user, samples.credential(user))
    return user


def found(store: Store, session: Session) -> Session | None:
    return store.find_user_and_session(session.sub, session.sid, NOW)[1]


def test_a_session_is_found_with_every_member(store: Store) -> None:
    """A session is found as it was stored, with its chain, its marks and its bucket."""
    session = opened(store, samples.worn_session())
    assert found(store, session) == session


def test_a_session_id_is_never_stored_twice(store: Store) -> None:
    """A second session of one id is refused and the first stands."""
    session = opened(store, samples.session())
    with refuses(Errors.CONFLICT):
        store.create_session(replace(session, client_id="cli_other"))
    assert found(store, session) == session


def test_a_session_belongs_to_its_subject(store: Store) -> None:
    """Another subject's look, end or refresh of a session finds nothing."""
    session = opened(store, samples.session())
    other = samples.unique("usr_")
    assert store.find_user_and_session(other, session.sid, NOW) == (None, None)
    assert store.advance(step_from(session, sub=other)) == Rotation(advanced=False, session=None)
    assert not store.end_session(other, session.sid)
    assert found(store, session) == session


@pytest.mark.parametrize(("now", "alive"), [(NOW + 3599, True), (NOW + 3600, False), (NOW + 3601, False)])
def test_a_session_that_lingers_past_its_expiry_is_absent(store: Store, now: int, alive: bool) -> None:
    """A session lives until the second of its expiry, swept or not, wherever it is read."""
    session = opened(store, samples.session())
    assert store.list_sessions(session.sub, now) == ((session,) if alive else ())
    assert store.find_user_and_session(session.sub, session.sid, now) == (None, session if alive else None)


def test_a_session_never_outlives_its_end(store: Store) -> None:
    """A session stored with an expiry behind its end expires at its end."""
    session = opened(store, samples.session(expires_at=NOW + 99, ends_at=NOW + 50))
    capped = replace(session, expires_at=NOW + 50)
    assert found(store, session) == capped
    assert store.find_user_and_session(session.sub, session.sid, NOW) == (None, capped)
    assert store.find_user_and_session(session.sub, session.sid, NOW + 50)[1] is None


def test_sessions_are_listed_oldest_first(store: Store) -> None:
    """The live sessions of one subject alone are listed, in the order they began."""
    user = registered(store)
    middle, newest, oldest = (samples.session(user.sub, created_at=NOW + at) for at in (20, 30, 10))
    for session in (middle, newest, oldest, samples.session(user.sub, expires_at=NOW), samples.session()):
        store.create_session(session)
    assert store.list_sessions(user.sub, NOW) == (oldest, middle, newest)


# An account and one of its sessions


def test_a_user_is_found_with_the_one_session(store: Store) -> None:
    """Of many sessions, the account comes with the one that is asked for, every member of both."""
    user = registered(store)
    sessions = [opened(store, samples.worn_session(user.sub)) for _ in range(3)]
    for session in sessions:
        assert store.find_user_and_session(user.sub, session.sid, NOW) == (user, session)


@pytest.mark.parametrize("gone", ["session", "user", "both"])
def test_a_user_and_a_session_are_told_apart_where_one_is_gone(store: Store, gone: str) -> None:
    """An account without the session, a session without its account, and neither are three answers."""
    user = samples.user() if gone in {"user", "both"} else registered(store)
    session = samples.session(user.sub)
    if gone == "user":
        store.create_session(session)
    expected = {"session": (user, None), "user": (None, session), "both": (None, None)}[gone]
    assert store.find_user_and_session(user.sub, session.sid, NOW) == expected


def test_a_user_is_not_found_with_anothers_session(store: Store) -> None:
    """The id of a session of another account finds the account, and no session."""
    user, stranger = registered(store), opened(store, samples.session())
    assert store.find_user_and_session(user.sub, stranger.sid, NOW) == (user, None)


# An account, a client and one session


@pytest.mark.parametrize("gone", ["", "user", "client", "session"])
def test_a_user_a_client_and_a_session_are_found_at_once(store: Store, gone: str) -> None:
    """Each is returned with every member, if it is there."""
    user = samples.user() if gone == "user" else registered(store)
    client, session = samples.client(), samples.worn_session(user.sub)
    if gone != "client":
        store.create_client(client)
    if gone != "session":
        store.create_session(session)
    held = {"user": user, "client": client, "session": session} | {gone: None}
    expected = held["user"], held["client"], held["session"]
    assert store.find_user_client_and_session(user.sub, client.client_id, session.sid, NOW) == expected
    assert store.find_user_and_client(user.sub, client.client_id) == expected[:2]


def test_a_service_is_found_with_its_session(store: Store) -> None:
    """A client may be the subject. It has no account, and its session ends as any other."""
    client = samples.client()
    store.create_client(client)
    session = opened(store, samples.session(client.client_id))
    assert [
        store.find_user_client_and_session(client.client_id, client.client_id, session.sid, now)
        for now in (NOW, session.expires_at)
    ] == [(None, client, session), (None, client, None)]


# The chain


def test_an_advance_moves_the_chain(store: Store) -> None:
    """Generation, link, salt, times and marks move; all else stands, as the answer says and the store has it."""
    session = opened(store, samples.worn_session())
    step = step_from(session)
    expected = after(step, session)
    assert store.advance(step) == Rotation(advanced=True, session=expected)
    assert found(store, session) == expected


def test_the_times_and_keys_of_two_advances_are_kept(store: Store) -> None:
    """The values of the last advance move to the place of the one before; the network mark does not."""
    session = opened(store, samples.session())
    first = step_from(session, key_mark="k1", network_mark="n1", burst=0, burst_at=NOW)
    once = after(first, session)
    second = step_from(once, now=NOW + 60, key_mark="k2", network_mark="n2", burst=1, burst_at=NOW + 60)
    assert store.advance(first).session == once
    assert (once.rotated_at, once.burst, once.burst_at, once.key_mark_before) == (NOW + 1, 0, NOW, "")
    twice = store.advance(second).session
    assert twice == after(second, once)
    assert (twice.rotated_at, twice.burst, twice.burst_at) == (NOW + 60, 1, NOW + 60)
    assert (twice.network_mark, twice.key_mark, twice.key_mark_before) == ("n2", "k2", "k1")


def test_an_advance_without_marks_clears_those_of_the_one_before(store: Store) -> None:
    """A request without a key or an address clears the marks of the request before."""
    session = opened(store, samples.worn_session())
    step = step_from(session, key_mark="", network_mark="")
    assert store.advance(step).session == after(step, session)
    assert found(store, session) == after(step, session)


@pytest.mark.parametrize("generation", [0, 3, 5, 9])
def test_an_advance_from_another_generation_changes_nothing(store: Store, generation: int) -> None:
    """A wrong generation gets the session's state and changes nothing, even if its link is right."""
    refuses_and_tells(store, generation=generation)


def test_an_advance_from_another_link_changes_nothing(store: Store) -> None:
    """A token of the right generation from another branch of the chain, as after a restored backup, moves nothing."""
    refuses_and_tells(store, link_hash="0" * 64)


def test_an_advance_of_another_family_changes_nothing(store: Store) -> None:
    """A token that was forged with a leaked key moves nothing, even if its maker knew the link."""
    refuses_and_tells(store, family_hash="0" * 64)


def test_an_advance_by_another_client_changes_nothing(store: Store) -> None:
    """A session is bound to its client. Another client gets its state and changes nothing."""
    refuses_and_tells(store, client_id="cli_other")


@pytest.mark.parametrize(("epoch", "advanced"), [(2, True), (3, True), (4, False)])
def test_an_advance_asks_for_an_epoch(store: Store, epoch: int, advanced: bool) -> None:
    """A session of an epoch before the one asked for does not advance, and any other keeps its own."""
    session = opened(store, samples.session(epoch=3))
    step = step_from(session, epoch=epoch)
    expected = after(step, session) if advanced else session
    assert store.advance(step) == Rotation(advanced, expected)
    assert found(store, session) == expected


def test_an_advance_never_passes_the_end(store: Store) -> None:
    """A session kept up to its end lives until its end, and not a second longer."""
    session = opened(store, samples.session(ends_at=NOW + 5000))
    step = step_from(session, expires_at=NOW + 7200)
    moved = after(step, session)
    assert store.advance(step) == Rotation(advanced=True, session=moved)
    assert moved.expires_at == NOW + 5000
    too_late = step_from(moved, now=NOW + 5000, expires_at=NOW + 9000)
    assert store.advance(too_late) == Rotation(advanced=False, session=None)


def test_an_expired_session_does_not_advance(store: Store) -> None:
    """A session that lingers past its expiry is absent, and cannot be brought back by a refresh."""
    session = opened(store, samples.session(expires_at=NOW + 10))
    assert store.advance(step_from(session, now=NOW + 10)) == Rotation(advanced=False, session=None)
    assert found(store, session) == session


def test_a_session_that_is_gone_does_not_advance(store: Store) -> None:
    """An ended session is absent, and a refresh does not make it again."""
    session = opened(store, samples.session())
    store.end_session(session.sub, session.sid)
    assert store.advance(step_from(session)) == Rotation(advanced=False, session=None)
    assert found(store, session) is None


def test_the_second_to_spend_a_token_gets_the_salt_of_the_first(store: Store) -> None:
    """A rejected advance returns the salt that the first has written, never that of the second."""
    session = opened(store, samples.session())
    first, second = step_from(session), step_from(session)
    store.advance(first)
    assert store.advance(second) == Rotation(advanced=False, session=after(first, session))
    assert found(store, session) == after(first, session)


def test_a_token_is_spent_once(store: Store) -> None:
    """The same step is rejected the second time: a repeated call is not taken for a lost response."""
    session = opened(store, samples.session())
    step = step_from(session)
    assert [store.advance(step) for _ in range(2)] == [Rotation(each, after(step, session)) for each in (True, False)]


def refuses_and_tells(store: Store, **wrong: Any) -> None:
    """Assert that a step with these wrong members returns the session's state and changes nothing."""
    session = opened(store, samples.worn_session())
    assert store.advance(step_from(session, **wrong)) == Rotation(advanced=False, session=session)
    assert found(store, session) == session


# The bucket of counted repeats


@pytest.mark.parametrize("worn", [False, True])
def test_a_repeat_is_counted(store: Store, worn: bool) -> None:
    """The bucket is set if the session is as it was read, the first time and the next. All else stays."""
    session = opened(store, samples.worn_session() if worn else samples.session())
    assert store.count_repeat(session, level=5, generation=3)
    assert found(store, session) == replace(session, late_level=5, late_generation=3)


@pytest.mark.parametrize("worn", [False, True])
@pytest.mark.parametrize("member", ["generation", "late_level", "late_generation"])
def test_a_repeat_is_not_counted_on_a_session_that_moved(store: Store, member: str, worn: bool) -> None:
    """A session whose generation or bucket is not as it was read is left alone."""
    read = samples.worn_session() if worn else samples.session()
    standing = opened(store, replace(read, **{member: getattr(read, member) + 1}))
    assert not count_repeat(store, read)
    assert found(store, read) == standing


def test_a_repeat_is_not_counted_after_an_advance(store: Store) -> None:
    """A repeat that was judged by the previous generation is not counted on this one."""
    session = opened(store, samples.worn_session())
    step = step_from(session)
    store.advance(step)
    assert not count_repeat(store, session)
    assert found(store, session) == after(step, session)


def test_an_advance_keeps_the_bucket(store: Store) -> None:
    """A counted repeat stays counted when the session advances."""
    session = opened(store, samples.session())
    store.count_repeat(session, level=2, generation=0)
    counted = replace(session, late_level=2, late_generation=0)
    step = step_from(session)
    assert store.advance(step).session == after(step, counted)


def test_a_repeat_is_counted_once(store: Store) -> None:
    """Of two callers that read the same session, the second is told that it has changed."""
    session = opened(store, samples.session())
    assert [count_repeat(store, session, level=level) for level in (1, 2)] == [True, False]
    stands = found(store, session)
    assert stands is not None
    assert stands.late_level == 1


def test_a_repeat_is_not_counted_on_a_session_that_ended(store: Store) -> None:
    """Counting a repeat does not bring an ended session back."""
    session = samples.session()
    assert not count_repeat(store, session)
    assert found(store, session) is None


# The end


def test_a_session_ends_once(store: Store) -> None:
    """Only the call that ended a session is told so."""
    session = opened(store, samples.session())
    assert [store.end_session(session.sub, session.sid) for _ in range(3)] == [True, False, False]


def test_all_sessions_end(store: Store) -> None:
    """Every session of the subject ends, no session of others does, and the account stays."""
    user, other = registered(store), samples.session()
    mine = [samples.session(user.sub), samples.session(user.sub)]
    for session in (*mine, other):
        store.create_session(session)
    assert store.end_sessions(user.sub) == 2
    assert [store.find_user_and_session(user.sub, session.sid, NOW) for session in mine] == [(user, None)] * 2
    assert store.list_sessions(user.sub, NOW) == ()
    assert found(store, other) == other


def test_all_sessions_end_but_one(store: Store) -> None:
    """The session to keep is kept."""
    kept = opened(store, samples.session())
    for session in (samples.session(kept.sub), samples.session(kept.sub)):
        store.create_session(session)
    assert store.end_sessions(kept.sub, keep=kept.sid) == 2
    assert store.list_sessions(kept.sub, NOW) == (kept,)
