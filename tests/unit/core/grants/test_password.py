"""Signing in: every failure has the same answer, and each attempt is counted before the password is hashed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.credentials.passwords import CHEAPEST_FOR_TESTS, Argon2Cost
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants import password
from latchkey.core.grants.password import SignIn
from latchkey.core.model import FIRST_PARTY_CLIENT, UserStatus
from latchkey.core.throttle import ADDRESS_RULE, STRANGERS_RULE
from tests.world import ADDRESS, LOGIN, MAX_SESSIONS, NOW, PASSWORD, World

WRONG = "not the right one"


def refusal(world: World, login: str = LOGIN, password: str = WRONG, *, now: int = NOW) -> ServiceError:
    """Return the error that a sign-in ends in."""
    with pytest.raises(ServiceError) as caught:
        world.log_in(login, password, now=now)
    return caught.value


def test_the_access_token_says_who_signed_in_how_and_when(world: World) -> None:
    """The claims are those of RFC 9068, and the opaque id is the only personal one."""
    user = world.register()
    claims = world.claims(world.log_in())
    assert (claims.sub, claims.client_id, claims.roles, claims.amr) == (
        user.sub,
        FIRST_PARTY_CLIENT,
        ("user",),
        ("pwd",),
    )
    assert (claims.iat, claims.exp, claims.auth_time) == (NOW, NOW + 900, NOW)


@pytest.mark.parametrize(
    ("login", "password"), [(LOGIN, WRONG), ("nobody@example.com", WRONG), ("disabled@example.com", PASSWORD)]
)
def test_every_failure_looks_the_same(world: World, login: str, password: str) -> None:
    """A wrong password, an unknown login and a disabled account give one error."""
    world.register()
    disabled = world.register("disabled@example.com")
    world.put_user(replace(disabled, status=UserStatus.DISABLED))
    error = refusal(world, login, password)
    assert (error.error, error.fields, error.retry_after) == (Errors.INVALID_CREDENTIALS, (), None)


def test_a_sign_in_without_a_signing_policy_changes_nothing(world: World) -> None:
    """While no token can be made, right passwords are not counted as guesses and no session has to make room."""
    user = world.register()
    for _ in range(MAX_SESSIONS):
        world.log_in()
    before = world.store.list_sessions(user.sub, NOW)
    world.source.away = True
    errors = {refusal(world, password=PASSWORD).error for _ in range(STRANGERS_RULE.free + 1)}
    assert errors == {Errors.UNAVAILABLE}
    assert world.store.list_sessions(user.sub, NOW) == before


def test_a_password_that_changed_meanwhile_opens_nothing(world: World) -> None:
    """The credential is read before the account. An older epoch in it means that the password has changed since."""
    user = world.register()
    world.put_user(replace(user, epoch=1))
    assert refusal(world, password=PASSWORD).error is Errors.INVALID_CREDENTIALS
    assert world.store.list_sessions(user.sub, NOW) == ()


def test_an_unknown_login_costs_a_hash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown login costs the same work as a known one, so the time does not reveal which accounts exist."""
    spent: list[str] = []
    monkeypatch.setattr(password, "spend_time", lambda password, cost: spent.append(password))
    refusal(world, "nobody@example.com")
    assert spent == [WRONG]


def test_account_whose_address_was_never_confirmed_signs_in(world: World) -> None:
    """Confirmation decides what an address may be matched with, and not who may sign in."""
    assert world.register().verified_at == 0
    assert world.log_in()


@pytest.mark.parametrize("login", [LOGIN, "nobody@example.com"])
def test_guesses_run_out_and_the_wait_ends_by_itself(world: World, login: str) -> None:
    """Known or not, a login gets its free attempts, then a wait that says how long, then one attempt more."""
    world.register()
    codes = [refusal(world, login).error for _ in range(STRANGERS_RULE.free)]
    locked = refusal(world, login)
    assert set(codes) == {Errors.INVALID_CREDENTIALS}
    assert (locked.error, locked.retry_after) == (Errors.RATE_LIMITED, STRANGERS_RULE.waits[0])
    assert refusal(world, login, now=NOW + STRANGERS_RULE.waits[0]).error is Errors.INVALID_CREDENTIALS
    assert refusal(world, login, now=NOW + STRANGERS_RULE.waits[0]).retry_after == STRANGERS_RULE.waits[1]


def test_no_hash_is_computed_for_a_refused_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood costs the attacker's time, not ours."""
    for _ in range(STRANGERS_RULE.free):
        refusal(world, "nobody@example.com")
    monkeypatch.setattr(password, "spend_time", lambda password, cost: pytest.fail("hashed"))
    assert refusal(world, "nobody@example.com").error is Errors.RATE_LIMITED


def test_the_owner_who_signs_in_often_is_not_locked_out(world: World) -> None:
    """Right passwords clear the counter: a hundred sign-ins in a row all succeed."""
    world.register()
    for _ in range(100):
        world.log_in()


def test_an_address_that_guesses_across_accounts_is_slowed(world: World) -> None:
    """One password against many logins trips the limit of the address, which ends with its window."""
    for number in range(ADDRESS_RULE.free):
        refusal(world, f"user{number}@example.com")
    assert refusal(world, "fresh@example.com").error is Errors.RATE_LIMITED
    world.register()
    world.log_in(now=NOW + ADDRESS_RULE.window)


def test_a_success_does_not_clear_the_address(world: World) -> None:
    """Signing in to your own account gives you no more guesses at others."""
    world.register()
    for number in range(ADDRESS_RULE.free):
        if number % 9 == 0:
            world.log_in()
        refusal(world, f"user{number}@example.com")
    assert refusal(world, "fresh@example.com").error is Errors.RATE_LIMITED


@pytest.mark.parametrize("damaged", ["$argon2id$broken", ""])
def test_a_corrupt_hash_never_opens_an_account_and_is_reported(world: World, damaged: str) -> None:
    """A damaged hash rejects every password, and the log says so."""
    world.register()
    credential = world.store.find_credential(LOGIN)
    assert credential is not None
    world.store.replace_password_hash(LOGIN, credential.password_hash, damaged)
    assert refusal(world, password=PASSWORD).error is Errors.INVALID_CREDENTIALS
    assert world.journal.events[-1].reason == "corrupt_hash"


def test_a_hash_is_renewed_when_the_cost_has_risen(world: World) -> None:
    """The first sign-in after the cost was raised stores a new hash, and the password still opens the account."""
    world.register()
    dearer = Argon2Cost(memory_kib=16, iterations=2, for_tests_only=True)
    replace(world.sign_in, cost=dearer)(SignIn(LOGIN, PASSWORD, "", ADDRESS), now=NOW)
    credential = world.store.find_credential(LOGIN)
    assert credential is not None
    assert "$m=16,t=2,p=1$" in credential.password_hash
    world.log_in()


def test_the_oldest_session_makes_room(world: World) -> None:
    """No account has more live sessions than the cap, and the newest is always one of them."""
    world.register()
    answers = [world.log_in(now=NOW + number) for number in range(MAX_SESSIONS + 3)]
    now = NOW + MAX_SESSIONS + 3
    newest = world.claims(answers[-1], now=now)
    sids = [session.sid for session in world.store.list_sessions(newest.sub, now)]
    assert (len(sids), sids[-1]) == (MAX_SESSIONS, newest.sid)


@pytest.mark.parametrize("typed", ["ANN@Example.COM", "ann@EXAMPLE.com"])
def test_the_login_may_be_typed_in_any_case(world: World, typed: str) -> None:
    """There is one account per canonical login."""
    world.register()
    world.log_in(typed)


def test_the_cheapest_cost_is_never_the_default() -> None:
    """A service that forgets to set its cost gets OWASP's floor."""
    assert Argon2Cost().memory_kib >= 19_456 > CHEAPEST_FOR_TESTS.memory_kib
