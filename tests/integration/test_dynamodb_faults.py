"""Faults of the network and of DynamoDB: every write is atomic, and the store recognises its own writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from latchkey.adapters.dynamodb import DynamoStore, connect
from latchkey.core.clients.store import ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Rotation
from latchkey.core.mail.store import Door
from latchkey.core.model import CodePurpose, UserStatus
from latchkey.core.roles.roles import CustomRoles
from latchkey.core.throttle import Counter, LoginDevice
from tests.integration import faults, samples
from tests.integration.conftest import connect_to, new_table
from tests.integration.contract import RULE, after, count_repeat, refuses, step_from
from tests.integration.faults import BadNetwork, Fault, Refusal
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOST = Fault.LOST
OUTAGES: list[Fault | Refusal] = [Fault.RESET, faults.THROTTLED, faults.OVER_CAPACITY, faults.FAILED]


@pytest.fixture(scope="module")
def network(ministack_address: str) -> Iterator[BadNetwork]:
    """A network in front of ministack that can be spoiled."""
    with faults.bad_network(ministack_address) as network:
        yield network


@pytest.fixture(scope="module")
def table(ministack_client: DynamoDBClient) -> str:
    """A table that these tests share."""
    return new_table(ministack_client)


@pytest.fixture
def remote(network: BadNetwork, table: str) -> DynamoStore:
    """A store behind that network, with the service's own time-outs and attempts, and a full budget of retries."""
    network.spoil()
    return DynamoStore(connect_to(network.address), table)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK retries at once, so that these tests take seconds and not minutes."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def test_the_client_waits_briefly_and_tries_twice(moto: None) -> None:
    """A second to connect, two to answer, two attempts in all."""
    config: Any = connect().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 2


# Every operation, every outage

MAIL = samples.mail()
USER = samples.user()
MOVE = samples.new_login(USER)
SESSION = samples.session(USER.sub)
CODE = samples.code()
DRAFT = samples.draft()
PARTNER = samples.partner()
LINK = samples.link(USER)

OPERATIONS: dict[str, Callable[[DynamoStore], object]] = {
    "create_user": lambda store: store.create_user(USER, samples.credential(USER)),
    "create_first_admin": lambda store: store.create_first_admin(USER, samples.credential(USER)),
    "find_credential": lambda store: store.find_credential(USER.login),
    "find_credentials": lambda store: store.find_credentials([USER.login]),
    "find_user": lambda store: store.find_user(USER.sub),
    "find_user_and_session": lambda store: store.find_user_and_session(USER.sub, SESSION.sid, NOW),
    "replace_password_hash": lambda store: store.replace_password_hash(USER.login, "old", "new"),
    "update_profile": lambda store: store.update_profile(USER.sub, {"name": "Grace"}),
    "create_session": lambda store: store.create_session(SESSION),
    "find_user_and_client": lambda store: store.find_user_and_client(USER.sub, "cli_app"),
    "find_user_client_and_session": lambda store: store.find_user_client_and_session(
        USER.sub, "cli_app", SESSION.sid, NOW
    ),
    "find_partner_and_link": lambda store: store.find_partner_and_link(USER.sub, "prt_a"),
    "list_sessions": lambda store: store.list_sessions(SESSION.sub, NOW),
    "advance": lambda store: store.advance(step_from(SESSION)),
    "count_repeat": lambda store: count_repeat(store, SESSION),
    "end_session": lambda store: store.end_session(SESSION.sub, SESSION.sid),
    "end_sessions": lambda store: store.end_sessions(SESSION.sub),
    "save_code": lambda store: store.save_code(CODE),
    "try_code": lambda store: store.try_code(CODE.code_hash, CODE.purpose, NOW),
    "charge_mail": lambda store: store.charge_mail(MAIL, MAIL.to, (Counter("letter", "ada", RULE),), NOW),
    "return_mail": lambda store: store.return_mail(MAIL, (Counter("letter", "ada", RULE),)),
    "save_draft": lambda store: store.save_draft(DRAFT),
    "renew_draft": lambda store: store.renew_draft(DRAFT, DRAFT, NOW),
    "find_draft": lambda store: store.find_draft(DRAFT.draft_id, NOW),
    "try_draft": lambda store: store.try_draft(DRAFT.draft_id, Door.FLOW, DRAFT.flow_hash, NOW),
    "consume_code": lambda store: store.consume_code(CODE.code_hash, CODE.purpose, NOW),
    "create_client": lambda store: store.create_client(samples.client()),
    "find_client": lambda store: store.find_client("cli_app"),
    "create_api_key": lambda store: store.create_api_key(samples.api_key()),
    "find_api_key": lambda store: store.find_api_key("key", NOW),
    "list_clients": lambda store: store.list_clients(after="", limit=10),
    "update_client": lambda store: store.update_client("cli_app", ClientChanges(name="x")),
    "update_api_key": lambda store: store.update_api_key("key", ApiKeyChanges(name="x")),
    "replace_secrets": lambda store: store.replace_secrets("cli_app", (), ("x",)),
    "delete_client": lambda store: store.delete_client("cli_app"),
    "list_api_keys": lambda store: store.list_api_keys("", after="", limit=10),
    "rotate_api_key": lambda store: store.rotate_api_key("key", samples.api_key(), expires_at=NOW),
    "delete_api_key": lambda store: store.delete_api_key(samples.api_key()),
    "note_api_key_use": lambda store: store.note_api_key_use("key", "2026-02-01"),
    "reserve_attempt": lambda store: store.reserve_attempt(Counter("login", "ada", RULE), NOW),
    "give_back": lambda store: store.give_back(Counter("login", "ada", RULE), NOW),
    "count_attempt": lambda store: store.count_attempt(Counter("login", "ada", RULE), NOW),
    "attempts": lambda store: store.attempts(Counter("login", "ada", RULE), NOW),
    "clear": lambda store: store.clear(Counter("login", "ada", RULE), NOW),
    "reserve_on_device": lambda store: store.reserve_on_device(LoginDevice("ada", "phone"), NOW),
    "clear_device": lambda store: store.clear_device(LoginDevice("ada", "phone"), NOW),
    "forget_devices": lambda store: store.forget_devices(samples.credential(USER), NOW),
    "published_keys": lambda store: store.published_keys(),
    "list_users": lambda store: store.list_users(after="", limit=9),
    "set_standing": lambda store: store.set_standing(USER, status=USER.status, roles=("user",), epoch=4),
    "verify_login": lambda store: store.verify_login(USER.sub, USER.login, NOW),
    "confirm_draft": lambda store: store.confirm_draft(USER, samples.credential(USER), samples.used(DRAFT)),
    "change_password": lambda store: store.change_password(samples.new_password(USER)),
    "begin_change": lambda store: store.begin_change(CODE),
    "change_login": lambda store: store.change_login(MOVE),
    "find_reservation": lambda store: store.find_reservation(USER.login, NOW),
    "undo_change": lambda store: store.undo_change(
        samples.undone_change(MOVE, MOVE.changed, replace(MOVE.held, login=MOVE.login), CODE)
    ),
    "begin_deletion": lambda store: store.begin_deletion(USER, mail=samples.mail()),
    "delete_user": lambda store: store.delete_user(USER),
    "custom_roles": lambda store: store.custom_roles(),
    "replace_roles": lambda store: store.replace_roles(CustomRoles(1)),
    "take_lease": lambda store: store.take_lease("signing", "ann", now=NOW, until=NOW + 60),
    "return_lease": lambda store: store.return_lease("signing", "ann"),
    "record_events": lambda store: store.record_events([samples.event()]),
    "events_of_day": lambda store: store.events_of_day("2033-05-18", after="", limit=9, now=NOW),
    "events_of": lambda store: store.events_of("usr_a", after="", limit=9, now=NOW),
    "create_partner": lambda store: store.create_partner(PARTNER),
    "find_partner": lambda store: store.find_partner("prt_shop"),
    "find_issuer": lambda store: store.find_issuer("https://shop.example"),
    "list_partners": lambda store: store.list_partners(after="", limit=9),
    "replace_partner": lambda store: store.replace_partner(PARTNER),
    "delete_partner": lambda store: store.delete_partner(PARTNER),
    "use_assertion": lambda store: store.use_assertion("digest", until=NOW),
    "was_used": lambda store: store.was_used("digest"),
    "take_seat": lambda store: store.take_seat("prt_shop", 9),
    "return_seat": lambda store: store.return_seat("prt_shop"),
    "find_external": lambda store: store.find_external("prt_shop", "u-1"),
    "create_external_user": lambda store: store.create_external_user(USER, LINK),
    "add_link": lambda store: store.add_link(USER, LINK),
    "find_link": lambda store: store.find_link(USER.sub, "prt_shop"),
    "list_links": lambda store: store.list_links(USER.sub),
    "renew_link": lambda store: store.renew_link(USER, USER, LINK),
    "remove_link": lambda store: store.remove_link(USER, LINK),
    "confirm_link": lambda store: store.confirm_link(USER, LINK),
    "list_links_and_partners": lambda store: store.list_links_and_partners(USER.sub),
    "forget_links": lambda store: store.forget_links(USER.sub),
}


@pytest.mark.parametrize("outage", OUTAGES, ids=["reset", "throttled", "over capacity", "failed"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_outage_is_temporarily_unavailable(
    remote: DynamoStore, network: BadNetwork, operation: str, outage: Fault | Refusal
) -> None:
    """For every operation, two failed attempts are a 503 with a time to retry, without a third attempt."""
    network.spoil(outage, outage)
    with pytest.raises(ServiceError) as unavailable:
        OPERATIONS[operation](remote)
    assert (unavailable.value.error, unavailable.value.retry_after) == (Errors.UNAVAILABLE, 1)
    assert len(network.seen) == 2
    assert unavailable.value.private


@pytest.mark.parametrize("outage", OUTAGES, ids=["reset", "throttled", "over capacity", "failed"])
def test_an_outage_during_an_advance_changes_nothing(
    remote: DynamoStore, network: BadNetwork, outage: Fault | Refusal
) -> None:
    """After a refresh that failed, the same refresh token still works."""
    session = samples.session()
    remote.create_session(session)
    network.spoil(outage, outage)
    with refuses(Errors.UNAVAILABLE):
        remote.advance(step_from(session))
    assert remote.find_user_and_session(session.sub, session.sid, NOW)[1] == session
    assert remote.advance(step_from(session)).advanced


@pytest.mark.parametrize("outage", OUTAGES, ids=["reset", "throttled", "over capacity", "failed"])
def test_one_failed_attempt_is_not_noticed(remote: DynamoStore, network: BadNetwork, outage: Fault | Refusal) -> None:
    """The second attempt of a call succeeds after the first has failed."""
    user = samples.user()
    network.spoil(outage)
    remote.create_user(user, samples.credential(user))
    assert network.seen == ["TransactWriteItems"] * 2
    assert remote.find_user(user.sub) == user


def test_silence_is_temporarily_unavailable_within_six_seconds(remote: DynamoStore, network: BadNetwork) -> None:
    """A DynamoDB that never answers is asked twice, two seconds each."""
    network.spoil(Fault.HANGS, Fault.HANGS)
    began = time.monotonic()
    with refuses(Errors.UNAVAILABLE):
        remote.find_user("usr_ada")
    assert time.monotonic() - began < 6
    assert len(network.seen) == 2


def test_an_error_that_is_our_own_fault_passes(remote: DynamoStore, network: BadNetwork) -> None:
    """A missing permission is no outage: it is raised as it is, at the first attempt."""
    network.spoil(faults.FORBIDDEN)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        remote.find_user("usr_ada")
    assert network.seen == ["GetItem"]


def test_no_endpoint_is_temporarily_unavailable() -> None:
    """A refused connection is an outage too."""
    nowhere = DynamoStore(connect_to("http://127.0.0.1:9"), "latchkey")
    with refuses(Errors.UNAVAILABLE):
        nowhere.find_user("usr_ada")


# Applied, but the answer is lost: the SDK asks again and must not be refused by its own effect


def test_a_lost_answer_to_an_advance(remote: DynamoStore, network: BadNetwork) -> None:
    """The refresh has advanced the session once, and the store recognises its own write."""
    session = samples.session()
    remote.create_session(session)
    network.spoil(LOST)
    step = step_from(session)
    assert remote.advance(step) == Rotation(advanced=True, session=after(step, session))
    assert remote.find_user_and_session(session.sub, session.sid, NOW)[1] == after(step, session)
    assert len(network.bodies) == 3


def test_a_lost_answer_to_an_advance_is_not_a_winner_for_others(remote: DynamoStore, network: BadNetwork) -> None:
    """A rejection after a network fault is a success only if the caller's own write is found."""
    session = samples.session()
    remote.create_session(session)
    step = step_from(session)
    remote.advance(step)
    network.spoil(Fault.RESET)
    assert remote.advance(step_from(session)) == Rotation(advanced=False, session=after(step, session))


def test_both_answers_to_an_advance_lost(remote: DynamoStore, network: BadNetwork) -> None:
    """A refresh whose caller must be told 503 has happened once, and its token is one generation behind, no more."""
    session = samples.session()
    remote.create_session(session)
    step = step_from(session)
    network.spoil(LOST, LOST)
    with refuses(Errors.UNAVAILABLE):
        remote.advance(step)
    assert remote.advance(step_from(session)) == Rotation(advanced=False, session=after(step, session))


def test_a_lost_answer_to_a_registration(remote: DynamoStore, network: BadNetwork) -> None:
    """The registration succeeds once: its retry has the same token and is the same request."""
    user = samples.user()
    network.spoil(LOST)
    remote.create_user(user, samples.credential(user))
    assert remote.find_credential(user.login) == samples.credential(user)
    first, second = (body["ClientRequestToken"] for body in network.bodies[:2])
    assert first == second


def test_a_lost_answer_to_a_registration_whose_token_is_forgotten(remote: DynamoStore, network: BadNetwork) -> None:
    """Even if DynamoDB no longer knows the token, the store recognises the registration's own items."""
    user = samples.user()
    network.spoil(Fault.FORGOTTEN)
    remote.create_user(user, samples.credential(user))
    assert network.seen == ["TransactWriteItems"] * 2
    assert remote.find_user(user.sub) == user


def test_a_taken_login_stays_taken_when_the_network_fails(remote: DynamoStore, network: BadNetwork) -> None:
    """A retried registration is rejected because of another user's items, as the first attempt would be."""
    owner = samples.user()
    remote.create_user(owner, samples.credential(owner))
    stranger = samples.user(owner.login)
    network.spoil(Fault.RESET)
    with refuses(Errors.USER_EXISTS):
        remote.create_user(stranger, samples.credential(stranger))
    assert network.seen == ["TransactWriteItems"] * 2


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_a_lost_answer_to_a_reset(remote: DynamoStore, network: BadNetwork, fault: Fault) -> None:
    """The password is changed once and the caller is told so, though the code is used by then."""
    user, code = samples.user(), samples.code()
    remote.create_user(user, samples.credential(user))
    remote.save_code(code)
    network.spoil(fault)
    assert remote.change_password(samples.new_password(user, code))
    assert not remote.change_password(samples.new_password(user, code))


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_a_lost_answer_to_the_first_admin(network: BadNetwork, ministack_client: DynamoDBClient, fault: Fault) -> None:
    """The admin whose response is lost is not told that another was first."""
    store = DynamoStore(connect_to(network.address), new_table(ministack_client))
    admin = samples.user(roles=("admin", "privacy"))
    network.spoil(fault)
    store.create_first_admin(admin, samples.credential(admin))
    assert store.find_user(admin.sub) == admin
    with refuses(Errors.ADMIN_EXISTS):
        store.create_first_admin(admin, samples.credential(admin))


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_a_lost_answer_to_a_move(remote: DynamoStore, network: BadNetwork, fault: Fault) -> None:
    """The account has moved once and the caller is told so, though the old login is reserved by then."""
    user, code = samples.user(), samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    remote.create_user(user, samples.credential(user))
    remote.save_code(code)
    move = samples.new_login(user, code=code)
    network.spoil(fault)
    assert remote.change_login(move)
    assert remote.find_credential(move.login) is not None


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_a_lost_answer_to_the_way_back(remote: DynamoStore, network: BadNetwork, fault: Fault) -> None:
    """The account is back once and the caller is told so, though the later login is gone by then."""
    user, code = samples.user(), samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    remote.create_user(user, samples.credential(user))
    remote.save_code(code)
    move = samples.new_login(user, code=code)
    assert remote.change_login(move)
    undo = samples.code(purpose=CodePurpose.UNDO_EMAIL)
    remote.save_code(undo)
    back = samples.undone_change(move, move.changed, replace(move.held, login=move.login), undo)
    network.spoil(fault)
    assert remote.undo_change(back)
    assert remote.find_user(user.sub) == back.changed


def test_a_lost_answer_to_the_use_of_a_code(remote: DynamoStore, network: BadNetwork) -> None:
    """The code is used by this caller, and by no later one."""
    code = samples.code()
    remote.save_code(code)
    network.spoil(LOST)
    assert remote.consume_code(code.code_hash, code.purpose, NOW) == code
    assert remote.consume_code(code.code_hash, code.purpose, NOW) is None


@pytest.mark.parametrize("create", ["create_session", "save_code"])
def test_a_lost_answer_to_a_new_item(remote: DynamoStore, network: BadNetwork, create: str) -> None:
    """An item that was stored is not rejected as a duplicate of itself."""
    records = {
        "create_session": samples.session(),
        "save_code": samples.code(),
    }
    network.spoil(LOST)
    getattr(remote, create)(records[create])
    assert network.seen == ["PutItem"] * 2


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_a_lost_answer_to_a_new_client_or_key(remote: DynamoStore, network: BadNetwork, fault: Fault) -> None:
    """An item stored, listed and counted in one transaction is not rejected as a duplicate of itself."""
    client, key, successor = samples.client(), samples.api_key(), samples.api_key()
    key = replace(key, client_id=client.client_id)
    network.spoil(fault)
    remote.create_client(client)
    network.spoil(fault)
    remote.create_api_key(key)
    network.spoil(fault)
    assert remote.rotate_api_key(key.key_id, replace(successor, client_id=key.client_id), expires_at=NOW)
    assert len(remote.list_api_keys(key.client_id, after="", limit=10).items) == 2


def test_a_lost_answer_to_an_attempt_counts_it_once(remote: DynamoStore, network: BadNetwork) -> None:
    """An attempt, reserved or counted, is not counted twice when its response is lost."""
    who = samples.unique("ada@")
    network.spoil(LOST)
    assert remote.reserve_attempt(Counter("login", who, RULE), NOW) == 1
    network.spoil(LOST)
    assert remote.count_attempt(Counter("login", who, RULE), NOW).count == 2
    assert remote.attempts(Counter("login", who, RULE), NOW).count == 2


def test_a_lost_answer_to_a_counted_repeat_or_a_new_hash(remote: DynamoStore, network: BadNetwork) -> None:
    """A change that was made is reported as made."""
    user = samples.user()
    session = samples.session(user.sub)
    remote.create_user(user, samples.credential(user, "old"))
    remote.create_session(session)
    network.spoil(LOST)
    assert count_repeat(remote, session)
    assert network.seen == ["UpdateItem"] * 2
    assert not count_repeat(remote, session)
    network.spoil(LOST)
    assert remote.replace_password_hash(user.login, "old", "new")


def test_a_lost_answer_to_the_end_of_a_session(remote: DynamoStore, network: BadNetwork) -> None:
    """The caller who ended a session is told so: an ended session keeps no mark of who ended it."""
    session = samples.session()
    remote.create_session(session)
    network.spoil(LOST)
    assert remote.end_session(session.sub, session.sid)
    assert not remote.end_session(session.sub, session.sid)


def test_a_lost_answer_to_a_lease(remote: DynamoStore, network: BadNetwork) -> None:
    """The caller who took or returned the lease is told so, and neither is taken for the act of another."""
    name = samples.unique("lease-")
    network.spoil(LOST)
    assert remote.take_lease(name, "ann", now=NOW, until=NOW + 60)
    network.spoil(Fault.RESET)
    assert not remote.take_lease(name, "bob", now=NOW, until=NOW + 60)
    network.spoil(LOST)
    remote.return_lease(name, "ann")
    assert network.seen == ["UpdateItem"] * 2
    assert remote.take_lease(name, "bob", now=NOW, until=NOW + 60)


# Transactions that collide


def test_a_collision_is_no_taken_login(remote: DynamoStore, network: BadNetwork) -> None:
    """A transaction that collides with another is retried as the same request."""
    user = samples.user()
    network.spoil(faults.CONFLICT, faults.CONFLICT)
    remote.create_user(user, samples.credential(user))
    assert remote.find_user(user.sub) == user
    assert len({body["ClientRequestToken"] for body in network.bodies[:3]}) == 1


def test_a_write_that_meets_a_transaction_is_tried_again(remote: DynamoStore, network: BadNetwork) -> None:
    """Two phones that sign in at once with the right password both get in."""
    counter = Counter("login", samples.unique("ada@"), RULE)
    network.spoil(Refusal(400, "TransactionConflictException"))
    assert remote.reserve_attempt(counter, NOW) == 1
    assert network.seen == ["UpdateItem"] * 2


def test_collisions_without_end_are_temporarily_unavailable(remote: DynamoStore, network: BadNetwork) -> None:
    """Three collisions are enough: the caller is told to come back, and nothing is stored."""
    user = samples.user()
    network.spoil(*[faults.CONFLICT] * 3)
    with refuses(Errors.UNAVAILABLE):
        remote.create_user(user, samples.credential(user))
    assert len(network.seen) == 3
    assert remote.find_credential(user.login) is None


def test_a_taken_login_is_told_through_a_collision(remote: DynamoStore, network: BadNetwork) -> None:
    """If one item collides and the key of the other is taken, the login is taken."""
    user = samples.user()
    network.spoil(
        Refusal(400, "TransactionCanceledException", reasons("ConditionalCheckFailed", "TransactionConflict"))
    )
    with refuses(Errors.USER_EXISTS):
        remote.create_user(user, samples.credential(user))
    assert len(network.seen) == 1


def test_a_transaction_that_is_wrong_passes(remote: DynamoStore, network: BadNetwork) -> None:
    """A cancellation for any other reason is our bug: neither a taken login nor an outage."""
    user = samples.user()
    network.spoil(Refusal(400, "TransactionCanceledException", reasons("ValidationError", "None")))
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        remote.create_user(user, samples.credential(user))


def reasons(*codes: str) -> dict[str, Any]:
    """Return the reasons of a cancelled transaction."""
    return {"CancellationReasons": [{"Code": code} for code in codes]}


def test_lost_answer_to_a_change_of_standing_is_no_conflict(remote: DynamoStore, network: BadNetwork) -> None:
    """The change is made once, is reported as made, and the count of admins moves by one."""
    first, second = samples.user(roles=("admin",)), samples.user(roles=("admin",))
    for user in (first, second):
        remote.create_user(user, samples.credential(user))
    network.spoil(LOST)
    changed = remote.set_standing(first, status=first.status, roles=("user",), epoch=first.epoch + 1)
    assert changed is not None
    assert remote.find_user(first.sub) == changed
    with refuses(Errors.LAST_ADMIN):
        remote.set_standing(second, status=second.status, roles=("user",), epoch=second.epoch)


@pytest.mark.parametrize("fault", [LOST, Fault.FORGOTTEN])
def test_lost_answer_to_a_deletion_that_begins(
    ministack_client: DynamoDBClient, network: BadNetwork, fault: Fault
) -> None:
    """The account is marked once, the caller is told so, and the count of admins moves by one."""
    store = DynamoStore(connect_to(network.address), new_table(ministack_client))
    first, second, third = (samples.user(roles=("admin",)) for _ in range(3))
    for user in (first, second, third):
        store.create_user(user, samples.credential(user))
    network.spoil(fault)
    assert store.begin_deletion(first, mail=samples.mail())
    assert store.begin_deletion(second, mail=None)
    with refuses(Errors.LAST_ADMIN):
        store.begin_deletion(third, mail=None)


def test_lost_answer_to_a_deletion_that_ends(remote: DynamoStore, network: BadNetwork) -> None:
    """The account is deleted once, and the caller is told so."""
    user = samples.user()
    remote.create_user(user, samples.credential(user))
    remote.begin_deletion(user, mail=None)
    network.spoil(LOST)
    assert remote.delete_user(user)
    assert remote.find_credential(user.login) is None


def test_lost_answer_to_the_return_of_an_admin_counts_it_once(
    ministack_client: DynamoDBClient, network: BadNetwork
) -> None:
    """The admin is counted once. Otherwise the last admin could be removed."""
    store = DynamoStore(connect_to(network.address), new_table(ministack_client))
    admin, late = samples.user(roles=("admin",)), replace(samples.user(roles=("admin",)), status=UserStatus.DISABLED)
    for user in (admin, late):
        store.create_user(user, samples.credential(user))
    network.spoil(LOST)
    back = store.set_standing(late, status=UserStatus.ACTIVE, roles=late.roles, epoch=late.epoch)
    assert back == replace(late, status=UserStatus.ACTIVE)
    assert store.begin_deletion(admin, mail=None)
    with refuses(Errors.LAST_ADMIN):
        store.begin_deletion(back, mail=None)


def test_lost_answer_to_a_charge_counts_its_mail_once(remote: DynamoStore, network: BadNetwork) -> None:
    """The repeated write sees that it has counted the mail, so the mail goes out. It is given back once, too."""
    mail, charge = samples.mail(), Counter("letter", samples.unique("ada@"), RULE)
    remote.reserve_attempt(charge, NOW)
    remote.post_mail(mail)
    network.spoil(LOST)
    assert remote.charge_mail(mail, mail.to, (charge,), NOW)
    assert remote.attempts(charge, NOW).count == 2
    network.spoil(LOST)
    assert remote.return_mail(replace(mail, charged_at=NOW), (charge,))
    assert remote.attempts(charge, NOW).count == 1


def test_lost_answer_to_what_is_given_back_gives_it_back_once(remote: DynamoStore, network: BadNetwork) -> None:
    """The repeated write sees its own effect."""
    counter = Counter("login", samples.unique("ada@"), RULE)
    for _ in range(2):
        remote.count_attempt(counter, NOW)
    network.spoil(LOST)
    remote.give_back(counter, NOW)
    assert remote.attempts(counter, NOW).count == 1


def test_lost_answer_to_a_try_counts_it_once(remote: DynamoStore, network: BadNetwork) -> None:
    """The repeated write returns the draft, and four tries are left."""
    draft = samples.draft()
    remote.save_draft(draft)
    network.spoil(LOST)
    tries = [remote.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW) for _ in range(6)]
    assert tries == [draft] * 5 + [None]


def test_lost_answer_to_a_confirmation_makes_the_account_once(remote: DynamoStore, network: BadNetwork) -> None:
    """The repeated transaction sees that it has succeeded."""
    draft = samples.draft()
    user = samples.user(draft.login)
    remote.save_draft(draft)
    network.spoil(LOST)
    assert remote.confirm_draft(user, samples.credential(user), samples.used(draft))
    assert (remote.find_draft(draft.draft_id, NOW), remote.find_user(user.sub)) == (samples.used(draft), user)


def test_lost_answer_to_a_change_of_roles_is_no_conflict(remote: DynamoStore, network: BadNetwork) -> None:
    """The roles are stored, and the caller is told so."""
    before = remote.custom_roles()
    network.spoil(LOST)
    assert remote.replace_roles(CustomRoles(before.version + 1, {"desk": "users:read"}))
    assert remote.custom_roles().roles == {"desk": "users:read"}


def test_page_that_lacks_a_part_is_asked_for_again(
    moto_client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB may return part of a batch; the store requests the rest, and no user is missing from the page."""
    store = DynamoStore(moto_client, new_table(moto_client))
    users = [samples.user() for _ in range(3)]
    for user in users:
        store.create_user(user, samples.credential(user))
    session = samples.session(users[0].sub)
    store.create_session(session)
    whole = moto_client.batch_get_item

    def one_at_a_time(RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - the SDK's name
        [(table, request)] = RequestItems.items()
        first, rest = request["Keys"][:1], request["Keys"][1:]
        answer = whole(RequestItems={table: request | {"Keys": first}})
        return answer | {"UnprocessedKeys": {table: {"Keys": rest}} if rest else {}}

    monkeypatch.setattr(moto_client, "batch_get_item", one_at_a_time)
    assert {user.sub for user in store.list_users(after="", limit=3).items} == {user.sub for user in users}
    assert store.find_user_and_session(session.sub, session.sid, NOW) == (users[0], session)


def test_a_session_that_a_batch_never_gives_is_not_taken_for_ended(
    moto_client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If DynamoDB withholds part of a batch, the response is 503: a busy table signs no phone out."""
    store = DynamoStore(moto_client, new_table(moto_client))

    def nothing(RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - the SDK's name
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(moto_client, "batch_get_item", nothing)
    with refuses(Errors.UNAVAILABLE):
        store.find_user_and_session(USER.sub, SESSION.sid, NOW)


def test_a_lost_answer_to_a_use_of_an_assertion(remote: DynamoStore, network: BadNetwork) -> None:
    """The first use is told that it was the first, and the next one that it was not."""
    digest = samples.unique("")
    network.spoil(LOST)
    assert [remote.use_assertion(digest, until=NOW) for _ in range(2)] == [True, False]


def test_a_lost_answer_to_an_account_just_in_time(remote: DynamoStore, network: BadNetwork) -> None:
    """The caller is told that it made the account, whether or not DynamoDB still knows the request."""
    for fault in (LOST, Fault.FORGOTTEN):
        user = samples.external_user()
        network.spoil(fault)
        assert remote.create_external_user(user, samples.link(user))
        assert remote.find_user(user.sub) == user


def test_a_lost_answer_to_a_seat(remote: DynamoStore, network: BadNetwork) -> None:
    """A seat whose response is lost is counted once."""
    partner_id = samples.unique("prt_")
    network.spoil(LOST)
    assert [remote.take_seat(partner_id, 2) for _ in range(3)] == [True, True, False]
