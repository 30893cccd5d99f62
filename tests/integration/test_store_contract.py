"""The contract of `latchkey.adapters.store.Store`, checked on every store."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_TRIES
from latchkey.core.model import CodePurpose, Status
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.core.throttle import DEVICE_RULE, MOST_DEVICES, Attempts, Counter, LoginDevice, ThrottleRule
from tests.integration import samples
from tests.integration.contract import RULE, refuses
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store

# Users


def test_a_created_user_is_found_with_every_member(store: Store) -> None:
    """A user is found as it was stored."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    assert store.find_user(user.sub) == user


def test_a_created_credential_is_found_by_its_login(store: Store) -> None:
    """A credential is found as it was stored."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    assert store.find_credential(user.login) == samples.credential(user)


def test_a_user_whose_text_is_not_ascii_is_stored_as_it_is(store: Store) -> None:
    """Names keep every character, beyond the Basic Multilingual Plane too, and may be empty."""
    user = samples.user(name="Ада 👩🏽‍💻 \u0000 \u202e", locale="")
    store.create_user(user, samples.credential(user))
    assert store.find_user(user.sub) == user


def test_a_taken_login_is_refused(store: Store) -> None:
    """A second user of one login raises USER_EXISTS."""
    first, second = samples.user("taken@example.com"), samples.user("taken@example.com")
    store.create_user(first, samples.credential(first))
    with refuses(Errors.USER_EXISTS):
        store.create_user(second, samples.credential(second))


def test_a_refused_user_leaves_nothing(store: Store) -> None:
    """A user whose login is taken is not stored, and the owner's credential stands."""
    first = samples.user()
    second = samples.user(first.login)
    store.create_user(first, samples.credential(first))
    with refuses(Errors.USER_EXISTS):
        store.create_user(second, samples.credential(second, "$argon2id$thief"))
    assert (store.find_user(second.sub), store.find_credential(first.login)) == (None, samples.credential(first))


def test_the_same_registration_is_not_stored_twice(store: Store) -> None:
    """The same user is rejected the second time: a repeated call is not taken for a lost response."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    with refuses(Errors.USER_EXISTS):
        store.create_user(user, samples.credential(user))


def test_credentials_of_many_logins_are_found_at_once(store: Store) -> None:
    """Existing credentials are returned by login. A repeated login is found once, and an empty list is no error."""
    users = [samples.user() for _ in range(3)]
    for user in users:
        store.create_user(user, samples.credential(user))
    logins = [user.login for user in users]
    found = store.find_credentials(["nobody@example.com", *logins, *logins])
    assert found == {user.login: samples.credential(user) for user in users}
    assert store.find_credentials([]) == {}


def test_logins_that_look_alike_have_one_account(store: Store) -> None:
    """The first takes the look. It is found by its own login alone, and each of the others is known as taken."""
    first, second = samples.user("\u0441\u0430\u0440\u0430" * 8), samples.user("capa" * 8)  # Cyrillic, and Latin
    store.create_user(first, samples.credential(first))
    with refuses(Errors.USER_EXISTS):
        store.create_user(second, samples.credential(second))
    assert store.find_credential(first.login) == samples.credential(first)
    assert store.find_credential(second.login) is None
    assert store.find_credentials([second.login]) == {second.login: samples.credential(first)}
    assert store.find_user(second.sub) is None


@pytest.mark.parametrize("login", ["", "nobody@example.com", "#", "a" * 5000, "ADA@example.com"])
def test_an_unknown_login_has_no_credential(store: Store, login: str) -> None:
    """An unknown login, however odd or long, is absent and causes no error."""
    assert store.find_credential(login) is None


@pytest.mark.parametrize("name", ["", "usr_unknown", "#", "PROFILE", "x#PROFILE", "a" * 5000, "é"])
def test_an_unknown_id_finds_nothing(store: Store, name: str) -> None:
    """An unknown id, however odd or long, is absent and causes no error, in every query."""
    found = (
        store.find_user(name),
        store.find_user_and_session(name, name, NOW)[1],
        store.find_client(name),
        store.find_api_key(name, NOW),
        store.consume_code(name, CodePurpose.RESET, NOW),
    )
    assert found == (None, None, None, None, None)


def test_an_id_cannot_reach_into_another_item(store: Store) -> None:
    """A session id with a key's separator finds a session of its own subject, and no other item."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    assert not store.end_session(user.sub, "x#../PROFILE")
    assert store.find_user(user.sub) == user


def test_a_password_hash_is_swapped(store: Store) -> None:
    """The hash is replaced when it is still the one that was read."""
    user = samples.user()
    store.create_user(user, samples.credential(user, "old"))
    assert store.replace_password_hash(user.login, "old", "new")
    assert store.find_credential(user.login) == samples.credential(user, "new")


def test_a_password_hash_that_has_changed_is_not_swapped(store: Store) -> None:
    """A swap that comes too late changes nothing and says so, even if the new hash is there already."""
    user = samples.user()
    store.create_user(user, samples.credential(user, "new"))
    assert not store.replace_password_hash(user.login, "old", "new")
    assert store.find_credential(user.login) == samples.credential(user, "new")


def test_the_password_hash_of_an_unknown_login_is_not_swapped(store: Store) -> None:
    """A swap for an unknown login makes no credential."""
    login = samples.unique("nobody@")
    assert not store.replace_password_hash(login, "old", "new")
    assert store.find_credential(login) is None


@pytest.mark.parametrize("changes", [{}, {"name": "Grace"}, {"name": "", "locale": "fr"}])
def test_a_profile_is_updated(store: Store, changes: dict[str, str]) -> None:
    """The named members are set, the others stay, and the updated account is returned."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    expected = replace(user, **changes)  # type: ignore[arg-type]
    assert (store.update_profile(user.sub, changes), store.find_user(user.sub)) == (expected, expected)


@pytest.mark.parametrize("changes", [{}, {"name": "Grace"}])
def test_the_profile_of_an_unknown_user_is_not_made(store: Store, changes: dict[str, str]) -> None:
    """An update of an unknown account returns nothing and leaves nothing."""
    sub = samples.unique("usr_")
    assert store.update_profile(sub, changes) is None
    assert store.find_user(sub) is None


@pytest.mark.parametrize("member", ["roles", "status", "epoch", "login", "attempt"])
def test_a_profile_update_sets_nothing_else(store: Store, member: str) -> None:
    """A member that the owner may not change raises an error."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    with pytest.raises(ValueError, match=member):
        store.update_profile(user.sub, {"name": "Grace", member: "admin"})
    assert store.find_user(user.sub) == user


# Codes


def test_a_code_is_used_once(store: Store) -> None:
    """The first use gets the code with every member, any other nothing."""
    code = samples.code()
    store.save_code(code)
    assert [store.consume_code(code.code_hash, code.purpose, NOW) for _ in range(3)] == [code, None, None]


def test_a_code_of_one_purpose_is_nothing_to_another(store: Store) -> None:
    """A reset code confirms nothing, and is still there afterwards."""
    code = samples.code(purpose=CodePurpose.RESET)
    store.save_code(code)
    assert store.consume_code(code.code_hash, CodePurpose.CONFIRM, NOW) is None
    assert store.consume_code(code.code_hash, CodePurpose.RESET, NOW) == code


@pytest.mark.parametrize(("now", "usable"), [(NOW + 599, True), (NOW + 600, False), (NOW + 601, False)])
def test_a_code_that_lingers_past_its_expiry_is_absent(store: Store, now: int, usable: bool) -> None:
    """A code works until the second of its expiry, swept or not."""
    code = samples.code()
    store.save_code(code)
    assert (store.consume_code(code.code_hash, code.purpose, now) is not None) is usable


def test_short_code_has_five_tries_and_stays_unused(store: Store) -> None:
    """Each try returns the code with every member, and a sixth returns nothing. A try does not use the code."""
    code = samples.code()
    store.save_code(code)
    tried = [store.try_code(code.code_hash, code.purpose, NOW) for _ in range(MOST_TRIES + 2)]
    assert tried == [code] * MOST_TRIES + [None, None]
    assert store.find_code(code.code_hash, code.purpose, NOW) == code


def test_no_try_of_a_code_that_is_used_expired_unknown_or_of_another_purpose(store: Store) -> None:
    """None of them is counted as a try of another code."""
    used, code = samples.code(), samples.code()
    for each in (used, code):
        store.save_code(each)
    store.consume_code(used.code_hash, used.purpose, NOW)
    assert store.try_code(used.code_hash, used.purpose, NOW) is None
    assert store.try_code(code.code_hash, code.purpose, code.expires_at) is None
    assert store.try_code(code.code_hash, CodePurpose.RESET_SIGNING, NOW) is None
    assert store.try_code(samples.code().code_hash, code.purpose, NOW) is None
    assert store.try_code(code.code_hash, code.purpose, code.expires_at - 1) == code


def test_an_unknown_code_is_absent(store: Store) -> None:
    """A code that was never stored is absent, and the query stores nothing."""
    code = samples.code()
    assert store.consume_code(code.code_hash, code.purpose, NOW) is None
    store.save_code(code)
    assert store.consume_code(code.code_hash, code.purpose, NOW) == code


def test_a_used_code_cannot_be_stored_again(store: Store) -> None:
    """Storing a code again does not make it new."""
    code = samples.code()
    store.save_code(code)
    store.consume_code(code.code_hash, code.purpose, NOW)
    with refuses(Errors.CONFLICT):
        store.save_code(code)
    assert store.consume_code(code.code_hash, code.purpose, NOW) is None


# Clients


def test_a_client_is_found_with_every_member(store: Store) -> None:
    """A client is found as it was stored, active or disabled."""
    client = samples.client()
    store.create_client(client)
    assert store.find_client(client.client_id) == client


def test_a_client_whose_id_is_odd_is_found(store: Store) -> None:
    """An id with separators and spaces names one client as well as any."""
    client = replace(samples.client(), client_id=samples.unique("my shop#1/"))
    store.create_client(client)
    assert store.find_client(client.client_id) == client


def test_a_client_id_is_never_stored_twice(store: Store) -> None:
    """A second client of one id is refused and the first stands, even if they are the same."""
    client = samples.client()
    store.create_client(client)
    for again in (client, replace(client, status=Status.ACTIVE)):
        with refuses(Errors.CONFLICT):
            store.create_client(again)
    assert store.find_client(client.client_id) == client


def test_an_api_key_is_found_with_every_member(store: Store) -> None:
    """A key is found as it was stored."""
    key = samples.owned_key(store)
    assert store.find_api_key(key.key_id, NOW) == key


def test_an_api_key_is_never_stored_twice(store: Store) -> None:
    """A second key of one id is refused and the first stands, even if they are the same."""
    key = samples.owned_key(store)
    for again in (key, replace(key, secret_hash="d" * 64)):
        with refuses(Errors.CONFLICT):
            store.create_api_key(again)
    assert store.find_api_key(key.key_id, NOW) == key


@pytest.mark.parametrize(("now", "alive"), [(NOW + 99, True), (NOW + 100, False), (NOW + 101, False)])
def test_an_api_key_that_lingers_past_its_expiry_is_absent(store: Store, now: int, alive: bool) -> None:
    """A key works until the second of its expiry."""
    key = samples.owned_key(store, expires_at=NOW + 100)
    assert (store.find_api_key(key.key_id, now) is not None) is alive


# Attempts


def test_an_unused_window_has_no_attempts(store: Store) -> None:
    """An unused window is empty, and reading it counts no attempt."""
    who = samples.unique("ada@")
    assert [store.attempts(Counter("login", who, RULE), NOW) for _ in range(2)] == [Attempts(), Attempts()]


def test_free_attempts_are_counted(store: Store) -> None:
    """Free attempts are let through at one second and counted."""
    who = samples.unique("ada@")
    assert [store.reserve_attempt(Counter("login", who, RULE), NOW) for _ in range(2)] == [1, 2]
    assert store.attempts(Counter("login", who, RULE), NOW) == Attempts(2, NOW)


def test_an_attempt_too_soon_is_refused_and_not_counted(store: Store) -> None:
    """After the free attempts the next must wait; the refusal says how long and leaves the counter as it stands."""
    who = samples.unique("ada@")
    for _ in range(2):
        store.reserve_attempt(Counter("login", who, RULE), NOW)
    with pytest.raises(ServiceError) as refusal:
        store.reserve_attempt(Counter("login", who, RULE), NOW + 7)
    assert (refusal.value.error, refusal.value.retry_after) == (Errors.RATE_LIMITED, 23)
    assert store.attempts(Counter("login", who, RULE), NOW + 7) == Attempts(2, NOW)


@pytest.mark.parametrize(
    ("made", "wait"), [(2, 30), (3, 60), (4, 60), (9, 60)], ids=["first", "second", "last", "last, repeated"]
)
def test_every_step_of_a_rule_waits_its_time(store: Store, made: int, wait: int) -> None:
    """The current step decides: an attempt a second before its time is rejected, and at its time allowed."""
    who = samples.unique("ada@")
    for _ in range(made):
        store.count_attempt(Counter("login", who, RULE), NOW)
    with refuses(Errors.RATE_LIMITED):
        store.reserve_attempt(Counter("login", who, RULE), NOW + wait - 1)
    assert store.reserve_attempt(Counter("login", who, RULE), NOW + wait) == made + 1


def test_a_rule_whose_waits_shrink_is_kept_too(store: Store) -> None:
    """A later, shorter wait does not open an earlier, longer one."""
    rule = ThrottleRule(free=1, waits=(60, 5), window=1000)
    who = samples.unique("ada@")
    store.reserve_attempt(Counter("login", who, rule), NOW)
    with pytest.raises(ServiceError) as refusal:
        store.reserve_attempt(Counter("login", who, rule), NOW + 30)
    assert refusal.value.retry_after == 30


def test_a_new_window_starts_empty(store: Store) -> None:
    """No wait extends into the next window, and a rejection never returns a longer wait."""
    who = samples.unique("ada@")
    last = NOW + RULE.window - 1
    for _ in range(9):
        store.count_attempt(Counter("login", who, RULE), last)
    with pytest.raises(ServiceError) as refusal:
        store.reserve_attempt(Counter("login", who, RULE), last)
    assert refusal.value.retry_after == 1
    assert store.reserve_attempt(Counter("login", who, RULE), last + 1) == 1


def test_what_is_given_back_is_free_again_and_never_below_zero(store: Store) -> None:
    """More may be given back than was reserved: the count stops at 0, and an unused window stays empty."""
    counter = Counter("login", samples.unique("who_"), RULE)
    store.give_back(counter, NOW)
    assert store.attempts(counter, NOW) == Attempts()
    assert [store.reserve_attempt(counter, NOW) for _ in range(2)] == [1, 2]
    for _ in range(3):
        store.give_back(counter, NOW)
    assert store.attempts(counter, NOW).count == 0
    assert [store.reserve_attempt(counter, NOW) for _ in range(2)] == [1, 2]


def test_attempts_are_counted_whatever_the_rule_says(store: Store) -> None:
    """Counting without asking returns the count and the time of the last."""
    who = samples.unique("ada@")
    counted = [store.count_attempt(Counter("address", who, RULE), NOW + second) for second in range(4)]
    assert counted == [Attempts(1, NOW), Attempts(2, NOW + 1), Attempts(3, NOW + 2), Attempts(4, NOW + 3)]


def test_counters_are_told_apart(store: Store) -> None:
    """Another counter, and another subject, however odd, has a window of its own."""
    who = samples.unique("ada@")
    store.count_attempt(Counter("login", who, RULE), NOW)
    others = [("address", who), ("login", who + "#"), ("login", who.upper()), ("login", ""), ("login", "é" * 3000)]
    assert {store.attempts(Counter(what, other, RULE), NOW) for what, other in others} == {Attempts()}


def test_an_attempt_is_given_back(store: Store) -> None:
    """It leaves room for one more, the time of the last stays, and the count never falls below 0."""
    counter = Counter("address", samples.unique("ada@"), RULE)
    store.give_back(counter, NOW)
    for _ in range(RULE.free):
        store.reserve_attempt(counter, NOW)
    store.give_back(counter, NOW)
    assert store.attempts(counter, NOW) == Attempts(RULE.free - 1, NOW)
    assert store.reserve_attempt(counter, NOW + 1) == RULE.free
    for _ in range(RULE.free + 2):
        store.give_back(counter, NOW)
    assert store.attempts(counter, NOW).count == 0


def test_a_counter_starts_again(store: Store) -> None:
    """All attempts are forgotten at once, a missing counter is no error, and another counter stays."""
    mine, other = Counter("login", samples.unique("ada@"), RULE), Counter("address", samples.unique("ada@"), RULE)
    store.clear(mine, NOW)
    for counter in (mine, other):
        for _ in range(5):
            store.count_attempt(counter, NOW)
    store.clear(mine, NOW)
    assert (store.attempts(mine, NOW).count, store.attempts(other, NOW).count) == (0, 5)
    assert store.reserve_attempt(mine, NOW) == 1


def test_a_rule_without_a_window_never_forgets(store: Store) -> None:
    """A year later the count goes on, and the last wait is the longest."""
    rule = ThrottleRule(free=2, waits=(30, 60), window=0)
    counter = Counter("login", samples.unique("ada@"), rule)
    seen = [store.reserve_attempt(counter, NOW + day * 86_400) for day in (0, 1, 200, 365)]
    assert seen == [1, 2, 3, 4]
    with pytest.raises(ServiceError) as refusal:
        store.reserve_attempt(counter, NOW + 365 * 86_400 + 1)
    assert refusal.value.retry_after == 59


def test_each_device_of_a_login_has_its_own_count(store: Store) -> None:
    """One device waits after its free attempts; another one, and the same device at another login, do not."""
    login = samples.unique("ada@")
    phone = LoginDevice(login, "phone")
    assert all(store.reserve_on_device(phone, NOW) for _ in range(DEVICE_RULE.free))
    with pytest.raises(ServiceError) as refusal:
        store.reserve_on_device(phone, NOW + 7)
    assert (refusal.value.error, refusal.value.retry_after) == (Errors.RATE_LIMITED, DEVICE_RULE.waits[0] - 7)
    assert store.reserve_on_device(LoginDevice(login, "tablet"), NOW)
    assert store.reserve_on_device(LoginDevice(samples.unique("bob@"), "phone"), NOW)
    assert store.reserve_on_device(phone, NOW + DEVICE_RULE.waits[0])
    with pytest.raises(ServiceError) as refusal:
        store.reserve_on_device(phone, NOW + DEVICE_RULE.waits[0])
    assert refusal.value.retry_after == DEVICE_RULE.waits[1]


def test_the_count_of_a_device_starts_again(store: Store) -> None:
    """Its own, and not that of another device; a device without a count is no error."""
    login = samples.unique("ada@")
    phone, tablet = LoginDevice(login, "phone"), LoginDevice(login, "tablet")
    store.clear_device(phone, NOW)
    for device in (phone, tablet):
        for _ in range(DEVICE_RULE.free):
            store.reserve_on_device(device, NOW)
    store.clear_device(phone, NOW)
    assert store.reserve_on_device(phone, NOW)
    with refuses(Errors.RATE_LIMITED):
        store.reserve_on_device(tablet, NOW)


def test_a_login_has_room_for_some_devices_a_day(store: Store) -> None:
    """The devices that have a count keep it, one more gets none, and the next day has room again."""
    login = samples.unique("ada@")
    devices = [LoginDevice(login, f"device{number}") for number in range(MOST_DEVICES + 1)]
    assert [store.reserve_on_device(device, NOW) for device in devices] == [True] * MOST_DEVICES + [False]
    assert [store.reserve_on_device(device, NOW) for device in devices] == [True] * MOST_DEVICES + [False]
    assert store.reserve_on_device(devices[-1], NOW + DEVICE_RULE.window)


# Public keys


def published(version: int, jwks: str = '{"keys":[]}') -> PublishedKeys:
    """Return public keys of that version of the policy."""
    return PublishedKeys(version, "https://issuer.example/prod", "RS256", jwks)


def test_nothing_is_published_at_first(empty_store: Store) -> None:
    """Before the first rotation there are no public keys."""
    assert empty_store.published_keys() is None


@pytest.mark.parametrize("later", [1, 2, 10], ids=["the same version", "the next", "a two-digit version"])
def test_public_keys_are_replaced_by_their_own_or_a_later_version(empty_store: Store, later: int) -> None:
    """Publishing a version again changes nothing, and a newer version replaces an older one."""
    assert empty_store.publish_keys(published(1))
    assert empty_store.publish_keys(published(later, secrets.token_hex(30_000)))
    stored = empty_store.published_keys()
    assert stored is not None
    assert (stored.version, len(stored.jwks)) == (later, 60_000)


def test_public_keys_never_go_back(empty_store: Store) -> None:
    """An older version is refused, also where its number sorts after the newer as text."""
    empty_store.publish_keys(published(10))
    assert not empty_store.publish_keys(published(9))
    assert empty_store.published_keys() == published(10)


def test_public_keys_come_back_with_their_ends(empty_store: Store) -> None:
    """When each key ends is stored with the keys, and replaced with them."""
    for retire_at in ({"a": NOW + 900, "b-_": NOW}, {"a": NOW + 1}, {}):
        keys = replace(published(1), retire_at=retire_at)
        empty_store.publish_keys(keys)
        assert empty_store.published_keys() == keys


def test_public_keys_come_back_with_their_names(empty_store: Store) -> None:
    """The accepted names and the next issuer are stored with the keys; an older release stores neither."""
    keys = replace(published(1), names='{"issuers":[]}', next_issuer="https://auth.example", next_issuer_at=NOW)
    for each in (published(1), keys, published(1)):
        empty_store.publish_keys(each)
        assert empty_store.published_keys() == each


# Leases


def test_a_lease_has_one_holder(store: Store) -> None:
    """While one caller holds a lease, no other takes it. A lease of another name is free."""
    name = samples.unique("lease-")
    assert store.take_lease(name, "ann", now=NOW, until=NOW + 60)
    assert not store.take_lease(name, "bob", now=NOW + 59, until=NOW + 119)
    assert store.take_lease(samples.unique("lease-"), "bob", now=NOW, until=NOW + 60)


def test_a_lease_ends_by_itself(store: Store) -> None:
    """A lease is free at the second of its end, for a third caller too."""
    name = samples.unique("lease-")
    store.take_lease(name, "ann", now=NOW, until=NOW + 60)
    assert store.take_lease(name, "bob", now=NOW + 60, until=NOW + 120)
    assert not store.take_lease(name, "ann", now=NOW + 119, until=NOW + 179)
    assert store.take_lease(name, "cid", now=NOW + 120, until=NOW + 180)


def test_a_lease_may_be_taken_again_by_its_holder(store: Store) -> None:
    """The holder extends the lease, until the later end."""
    name = samples.unique("lease-")
    assert store.take_lease(name, "ann", now=NOW, until=NOW + 60)
    assert store.take_lease(name, "ann", now=NOW + 30, until=NOW + 90)
    assert not store.take_lease(name, "bob", now=NOW + 89, until=NOW + 149)


def test_a_lease_that_is_given_back_is_free(store: Store) -> None:
    """A lease that was given back can be taken at once."""
    name = samples.unique("lease-")
    store.take_lease(name, "ann", now=NOW, until=NOW + 60)
    store.return_lease(name, "ann")
    assert store.take_lease(name, "bob", now=NOW, until=NOW + 60)


def test_a_lease_is_given_back_by_its_holder_alone(store: Store) -> None:
    """A late holder does not take it from the next one. Giving back a free lease is allowed."""
    name = samples.unique("lease-")
    store.return_lease(name, "ann")
    store.take_lease(name, "ann", now=NOW, until=NOW + 60)
    store.take_lease(name, "bob", now=NOW + 60, until=NOW + 120)
    store.return_lease(name, "ann")
    assert not store.take_lease(name, "cid", now=NOW + 61, until=NOW + 121)
