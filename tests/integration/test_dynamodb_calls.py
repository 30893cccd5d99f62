"""The store's use of DynamoDB: the permissions it needs, the calls it makes, the shape of its items."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.adapters.dynamodb import DynamoStore, items
from latchkey.adapters.store import Store
from latchkey.core.clients.store import ApiKeyChanges, ClientChanges
from latchkey.core.mail.store import Door
from latchkey.core.model import CodePurpose, UserStatus
from latchkey.core.roles.roles import CustomRoles
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.core.throttle import DEVICE_RULE, Counter, LoginDevice
from tests.integration import samples
from tests.integration.conftest import new_table
from tests.integration.contract import RULE, count_repeat, step_from
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FIRST = samples.user("first@example.com", roles=("admin", "privacy"))
USER = samples.user("ada@example.com")
ADMIN = samples.user(roles=("admin",))
SESSION = samples.session(USER.sub)
CODE = samples.code(purpose=CodePurpose.CONFIRM)
DRAFT, DECOY = samples.draft(), samples.draft()
NEWCOMER = samples.user(DRAFT.login)
CHARGE = Counter("letter", "ada", RULE)
MAIL = samples.mail()
RETURNED = samples.mail()
MOVE = samples.new_login(USER)
MOVED = replace(MOVE.held, login=MOVE.login)
CLIENT = samples.client()
PHONE = LoginDevice("ada", "phone")
KEY = replace(samples.api_key(expires_at=NOW + 60), client_id=CLIENT.client_id)
SUCCESSOR = replace(samples.api_key(), client_id=KEY.client_id)
EVENT = samples.event()
PARTNER = samples.partner("https://shop.example")
GUEST = samples.external_user()
LINK = samples.link(GUEST, PARTNER.partner_id, "u-1")
OTHER_LINK = samples.link(USER, PARTNER.partner_id, "u-2")
GONE = samples.partner()
DAY = 86_400

OPERATIONS: dict[str, tuple[Callable[[Store], object], list[str]]] = {
    "create_first_admin": (
        lambda store: store.create_first_admin(FIRST, samples.credential(FIRST)),
        ["TransactWriteItems"],
    ),
    "create_user": (lambda store: store.create_user(USER, samples.credential(USER)), ["TransactWriteItems"]),
    "find_credential": (lambda store: store.find_credential(USER.login), ["GetItem"]),
    "find_credentials": (lambda store: store.find_credentials([USER.login, "unknown"]), ["BatchGetItem"]),
    "find_user": (lambda store: store.find_user(USER.sub), ["GetItem"]),
    "replace_password_hash": (lambda store: store.replace_password_hash(USER.login, "a", "b"), ["UpdateItem"]),
    "update_profile": (lambda store: store.update_profile(USER.sub, {"name": "Grace"}), ["UpdateItem"]),
    "list_users": (lambda store: store.list_users(after="", limit=9), ["Query", "BatchGetItem"]),
    "set_standing": (
        lambda store: store.set_standing(USER, status=UserStatus.ACTIVE, roles=("admin",), epoch=3),
        ["TransactWriteItems"],
    ),
    "create_session": (lambda store: store.create_session(SESSION), ["PutItem"]),
    "find_user_and_session": (lambda store: store.find_user_and_session(USER.sub, SESSION.sid, NOW), ["BatchGetItem"]),
    "find_user_and_client": (lambda store: store.find_user_and_client(USER.sub, CLIENT.client_id), ["BatchGetItem"]),
    "find_user_client_and_session": (
        lambda store: store.find_user_client_and_session(USER.sub, CLIENT.client_id, SESSION.sid, NOW),
        ["BatchGetItem"],
    ),
    "find_partner_and_link": (lambda store: store.find_partner_and_link(USER.sub, "prt_a"), ["BatchGetItem"]),
    "list_sessions": (lambda store: store.list_sessions(SESSION.sub, NOW), ["Query"]),
    "count_repeat": (lambda store: count_repeat(store, SESSION), ["UpdateItem"]),
    "advance": (lambda store: store.advance(step_from(SESSION)), ["UpdateItem"]),
    "end_sessions": (lambda store: store.end_sessions(SESSION.sub), ["Query", "DeleteItem"]),
    "end_session": (lambda store: store.end_session(SESSION.sub, SESSION.sid), ["DeleteItem"]),
    "save_code": (lambda store: store.save_code(CODE), ["PutItem"]),
    "consume_code": (lambda store: store.consume_code(CODE.code_hash, CODE.purpose, NOW), ["UpdateItem"]),
    "try_code": (lambda store: store.try_code(CODE.code_hash, CODE.purpose, NOW), ["UpdateItem"]),
    "find_code": (lambda store: store.find_code(CODE.code_hash, CODE.purpose, NOW), ["GetItem"]),
    "post_mail": (lambda store: store.post_mail(MAIL), ["PutItem"]),
    "find_mail": (lambda store: store.find_mail(MAIL.mail_id, NOW), ["GetItem"]),
    "verify_login": (lambda store: store.verify_login(USER.sub, USER.login, NOW), ["UpdateItem"]),
    "forget_devices": (lambda store: store.forget_devices(samples.credential(USER), NOW), ["UpdateItem"]),
    "change_password": (lambda store: store.change_password(samples.new_password(USER)), ["TransactWriteItems"]),
    "begin_change": (lambda store: store.begin_change(CODE), ["PutItem"]),
    "change_login": (lambda store: store.change_login(MOVE), ["TransactWriteItems"]),
    "find_reservation": (lambda store: store.find_reservation(USER.login, NOW), ["GetItem"]),
    "undo_change": (
        lambda store: store.undo_change(samples.undone_change(MOVE, MOVE.changed, MOVED, CODE)),
        ["TransactWriteItems"],
    ),
    "charge_mail": (lambda store: store.charge_mail(MAIL, MAIL.to, (CHARGE,), NOW), ["TransactWriteItems"]),
    "charge_mail again": (
        lambda store: store.charge_mail(MAIL, MAIL.to, (CHARGE,), NOW),
        ["TransactWriteItems", "GetItem"],
    ),
    "save_draft": (lambda store: store.save_draft(DRAFT), ["PutItem"]),
    "save_draft, a decoy": (lambda store: store.save_draft(DECOY), ["PutItem"]),
    "renew_draft": (lambda store: store.renew_draft(DRAFT, samples.renewed(DRAFT), NOW), ["UpdateItem"]),
    "find_draft": (lambda store: store.find_draft(DRAFT.draft_id, NOW), ["GetItem"]),
    "try_draft": (lambda store: store.try_draft(DRAFT.draft_id, Door.LINK, DRAFT.link_hash, NOW), ["UpdateItem"]),
    "confirm_draft": (
        lambda store: store.confirm_draft(NEWCOMER, samples.credential(NEWCOMER), samples.used(DRAFT)),
        ["TransactWriteItems"],
    ),
    "begin_deletion": (lambda store: store.begin_deletion(replace(USER, epoch=99), mail=None), ["TransactWriteItems"]),
    "delete_user": (lambda store: store.delete_user(USER), ["TransactWriteItems"]),
    "return_mail": (
        lambda store: store.return_mail(replace(RETURNED, charged_at=NOW), (CHARGE,)),
        ["TransactWriteItems"],
    ),
    "remove_mail": (lambda store: store.remove_mail(MAIL.mail_id), ["DeleteItem"]),
    "create_client": (lambda store: store.create_client(CLIENT), ["TransactWriteItems"]),
    "find_client": (lambda store: store.find_client(CLIENT.client_id), ["GetItem"]),
    "create_api_key": (lambda store: store.create_api_key(KEY), ["TransactWriteItems"]),
    "find_api_key": (lambda store: store.find_api_key(KEY.key_id, NOW), ["GetItem"]),
    "list_clients": (lambda store: store.list_clients(after="", limit=10), ["Query", "BatchGetItem"]),
    "update_client": (lambda store: store.update_client(CLIENT.client_id, ClientChanges(name="x")), ["UpdateItem"]),
    "update_api_key": (lambda store: store.update_api_key(KEY.key_id, ApiKeyChanges(name="x")), ["UpdateItem"]),
    "replace_secrets": (lambda store: store.replace_secrets(CLIENT.client_id, (), ("x",)), ["UpdateItem"]),
    "list_api_keys": (lambda store: store.list_api_keys("", after="", limit=10), ["Query", "BatchGetItem"]),
    "note_api_key_use": (lambda store: store.note_api_key_use(KEY.key_id, "2026-02-01"), ["UpdateItem"]),
    "rotate_api_key": (
        lambda store: store.rotate_api_key(KEY.key_id, SUCCESSOR, expires_at=NOW + 60),
        ["TransactWriteItems"],
    ),
    "delete_api_key, the successor": (lambda store: store.delete_api_key(SUCCESSOR), ["TransactWriteItems"]),
    "delete_client, another": (lambda store: store.delete_client("cli_other"), ["TransactWriteItems", "GetItem"]),
    "reserve_attempt": (lambda store: store.reserve_attempt(Counter("login", "ada", RULE), NOW), ["UpdateItem"]),
    "count_attempt": (lambda store: store.count_attempt(Counter("login", "ada", RULE), NOW), ["UpdateItem"]),
    "attempts": (lambda store: store.attempts(Counter("login", "ada", RULE), NOW), ["GetItem"]),
    "give_back": (lambda store: store.give_back(Counter("login", "ada", RULE), NOW), ["UpdateItem"]),
    "clear": (lambda store: store.clear(Counter("login", "ada", RULE), NOW), ["UpdateItem"]),
    "reserve_on_device, the first": (lambda store: store.reserve_on_device(PHONE, NOW), ["UpdateItem", "UpdateItem"]),
    "reserve_on_device, again": (lambda store: store.reserve_on_device(PHONE, NOW), ["UpdateItem"]),
    "clear_device": (lambda store: store.clear_device(PHONE, NOW), ["UpdateItem"]),
    "publish_keys": (
        lambda store: store.publish_keys(PublishedKeys(1, "https://i.example", "RS256", "{}")),
        ["PutItem"],
    ),
    "replace_roles": (lambda store: store.replace_roles(CustomRoles(1, {"help": "users:read"})), ["UpdateItem"]),
    "custom_roles": (lambda store: store.custom_roles(), ["GetItem"]),
    "published_keys": (lambda store: store.published_keys(), ["GetItem"]),
    "take_lease": (lambda store: store.take_lease("signing", "ann", now=NOW, until=NOW + 60), ["UpdateItem"]),
    "return_lease": (lambda store: store.return_lease("signing", "ann"), ["UpdateItem"]),
    "record_events": (lambda store: store.record_events([EVENT]), ["BatchWriteItem"]),
    "events_of_day": (lambda store: store.events_of_day(EVENT.day, after="", limit=9, now=NOW), ["Query"]),
    "events_of": (lambda store: store.events_of(EVENT.subject, after="", limit=9, now=NOW), ["Query"]),
    "create_partner": (lambda store: store.create_partner(PARTNER), ["TransactWriteItems"]),
    "create_partner that goes": (lambda store: store.create_partner(GONE), ["TransactWriteItems"]),
    "find_partner": (lambda store: store.find_partner(PARTNER.partner_id), ["GetItem"]),
    "find_issuer": (lambda store: store.find_issuer(PARTNER.issuer), ["GetItem", "GetItem"]),
    "list_partners": (lambda store: store.list_partners(after="", limit=9), ["Query", "BatchGetItem"]),
    "replace_partner": (lambda store: store.replace_partner(replace(PARTNER, version=2)), ["UpdateItem"]),
    "delete_partner": (lambda store: store.delete_partner(GONE), ["TransactWriteItems"]),
    "use_assertion": (lambda store: store.use_assertion("d" * 64, until=NOW + 330), ["PutItem"]),
    "was_used": (lambda store: store.was_used("d" * 64), ["GetItem"]),
    "take_seat": (lambda store: store.take_seat(PARTNER.partner_id, 9), ["UpdateItem"]),
    "return_seat": (lambda store: store.return_seat(PARTNER.partner_id), ["UpdateItem"]),
    "create_external_user": (lambda store: store.create_external_user(GUEST, LINK), ["TransactWriteItems"]),
    "find_external": (lambda store: store.find_external(PARTNER.partner_id, "u-1"), ["GetItem"]),
    "find_link": (lambda store: store.find_link(GUEST.sub, PARTNER.partner_id), ["GetItem"]),
    "list_links": (lambda store: store.list_links(GUEST.sub), ["Query"]),
    "list_links_and_partners": (lambda store: store.list_links_and_partners(GUEST.sub), ["Query", "BatchGetItem"]),
    "renew_link": (lambda store: store.renew_link(GUEST, replace(GUEST, name="Eve"), LINK), ["TransactWriteItems"]),
    "add_link": (lambda store: store.add_link(USER, OTHER_LINK), ["TransactWriteItems"]),
    "confirm_link": (lambda store: store.confirm_link(USER, OTHER_LINK), ["TransactWriteItems"]),
    "remove_link": (lambda store: store.remove_link(USER, OTHER_LINK), ["TransactWriteItems"]),
    "forget_links": (lambda store: store.forget_links(GUEST.sub), ["Query", "DeleteItem"]),
}
"""Every operation of the port, in an order in which each has something to do, and the calls that it may cost."""


class Recorder:
    """The calls to DynamoDB, in order: operation and parameters."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Note one call."""
        self.calls.append((model.name, dict(params)))

    @property
    def operations(self) -> list[str]:
        """The names of the operations."""
        return [operation for operation, _ in self.calls]


@pytest.fixture
def recorder(moto_client: DynamoDBClient) -> Iterator[Recorder]:
    """A record of what moto's client is asked to do from here on."""
    recorder = Recorder()
    event = "provide-client-params.dynamodb"
    moto_client.meta.events.register(event, recorder)
    yield recorder
    moto_client.meta.events.unregister(event, recorder)


@pytest.fixture
def table(moto_client: DynamoDBClient) -> str:
    """An empty table."""
    return new_table(moto_client)


def test_every_operation_of_the_port_is_looked_at() -> None:
    """A new operation of the port must have its calls listed here."""
    port = {name for part in Store.__mro__ for name in vars(part) if not name.startswith("_")}
    assert {operation.partition(" ")[0].rstrip(",") for operation in OPERATIONS} == port


def test_each_operation_costs_its_calls(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """An act that must happen once is one write, and a consistent view is one read."""
    store: Store = DynamoStore(moto_client, table)
    for operation, (call, expected) in OPERATIONS.items():
        recorder.calls.clear()
        call(store)
        assert (operation, recorder.operations) == (operation, expected)


def test_what_concerns_an_admin_costs_no_call_more(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """The count of admins changes in a write that is made anyway."""
    store: Store = DynamoStore(moto_client, table)
    for user in (ADMIN, samples.user(roles=("admin",))):
        store.create_user(user, samples.credential(user))
    recorder.calls.clear()
    begun = store.begin_deletion(ADMIN, mail=MAIL)
    deleted = store.delete_user(ADMIN)
    assert (begun, deleted) == (True, True)
    assert recorder.operations == ["TransactWriteItems"] * 2


def test_seven_permissions_are_enough(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """The whole port needs these actions, each of them, and no Scan; a transaction needs those of its members."""
    store: Store = DynamoStore(moto_client, table)
    recorder.calls.clear()
    for call, _ in OPERATIONS.values():
        call(store)
    actions = {action for call in recorder.calls for action in iam_actions(*call)}
    assert actions == {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem"}


def test_reserved_login_is_swept_and_the_login_in_its_place_never(moto_client: DynamoDBClient, table: str) -> None:
    """An expiry that stayed at a login when its account returns, or another takes it, would delete that credential."""
    store: Store = DynamoStore(moto_client, table)
    store.create_user(USER, samples.credential(USER))
    store.save_code(CODE)
    assert store.change_login(replace(MOVE, code=CODE))
    reserved = item_of(moto_client, table, items.login(USER.login))
    assert (reserved["ttl"], "password_hash" in reserved) == ({"N": str(MOVE.reserved_until + DAY)}, False)
    undo = samples.code(purpose=CodePurpose.UNDO_EMAIL)
    store.save_code(undo)
    assert store.undo_change(samples.undone_change(MOVE, MOVE.changed, MOVED, undo))
    assert {"ttl", "reserved_until"} & item_of(moto_client, table, items.login(USER.login)).keys() == set()


def item_of(client: DynamoDBClient, table: str, key: items.Key) -> Any:
    return client.get_item(TableName=table, Key=items.key_item(key))["Item"]


def test_every_read_is_consistent(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """Every read is strongly consistent, except for that of the index, which holds events alone."""
    store: Store = DynamoStore(moto_client, table)
    recorder.calls.clear()
    for call, _ in OPERATIONS.values():
        call(store)
    reads = [parameters for operation, parameters in recorder.calls if operation in {"GetItem", "Query"}]
    batches = [parameters for operation, parameters in recorder.calls if operation == "BatchGetItem"]
    reads += [batch["RequestItems"][table] for batch in batches]
    assert [parameters for parameters in reads if "IndexName" not in parameters]
    assert batches
    assert all((parameters.get("ConsistentRead") is True) != ("IndexName" in parameters) for parameters in reads)


def test_a_query_follows_every_page(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """A partition over a megabyte is read to its end."""
    store: Store = DynamoStore(moto_client, table)
    sessions = [replace(samples.session(USER.sub), device="x" * 300_000) for _ in range(5)]
    for session in sessions:
        store.create_session(session)
    recorder.calls.clear()
    assert len(store.list_sessions(USER.sub, NOW)) == 5
    assert recorder.operations == ["Query", "Query"]


def test_an_account_and_its_session_are_one_batch(moto_client: DynamoDBClient, table: str, recorder: Recorder) -> None:
    """Our own routes read two items, whatever the number and size of the account's other sessions."""
    store: Store = DynamoStore(moto_client, table)
    store.create_user(USER, samples.credential(USER))
    sessions = [replace(samples.session(USER.sub), device="x" * 300_000) for _ in range(5)]
    for session in (SESSION, *sessions):
        store.create_session(session)
    recorder.calls.clear()
    assert store.find_user_and_session(USER.sub, SESSION.sid, NOW) == (USER, SESSION)
    [(operation, parameters)] = recorder.calls
    keys = [(key["pk"]["S"], key["sk"]["S"]) for key in parameters["RequestItems"][table]["Keys"]]
    assert operation == "BatchGetItem"
    assert keys == [(f"USER#{USER.sub}", "PROFILE"), (f"SESSIONS#{USER.sub}", f"SESSION#{SESSION.sid}")]


def test_sessions_are_written_in_a_partition_of_their_own(
    moto_client: DynamoDBClient, table: str, recorder: Recorder
) -> None:
    """Sign-in and refresh write no item beside the account, so they need no right to write there."""
    store: Store = DynamoStore(moto_client, table)
    written = set()
    for operation in ("create_session", "advance", "count_repeat", "end_sessions"):
        recorder.calls.clear()
        OPERATIONS[operation][0](store)
        written |= {key.partition("#")[0] for call in recorder.calls for key in written_partitions(*call)}
    assert written == {"SESSIONS"}


# What stands in the table


@pytest.fixture
def stored(moto_client: DynamoDBClient, table: str) -> dict[str, dict[str, Any]]:
    """The items of a table in which everything has happened once but the deletions, by partition key."""
    store: Store = DynamoStore(moto_client, table)
    for operation, (call, _) in OPERATIONS.items():
        if not operation.startswith(("end_", "remove_", "forget_")) and not operation.endswith("clears"):
            call(store)
    return {f"{item['pk']['S']}|{item['sk']['S']}": item for item in moto_client.scan(TableName=table)["Items"]}


def test_keys_are_those_of_the_design(stored: dict[str, dict[str, Any]]) -> None:
    """Each kind of item has its own keys; text from a stranger is in a key only as a hash."""
    assert set(stored) == {
        f"USER#{FIRST.sub}|PROFILE",
        f"LOGIN#{sha256('first@example.com')}|LOGIN",
        f"USERS|0{NOW}#{FIRST.sub}",
        f"USER#{USER.sub}|PROFILE",
        f"SESSIONS#{USER.sub}|SESSION#{SESSION.sid}",
        f"LOGIN#{sha256('ada@example.com')}|LOGIN",
        f"CODE#{CODE.code_hash}|confirm",
        f"OUTBOX#{MAIL.mail_id}|OUTBOX",
        f"CLIENT#{CLIENT.client_id}|CLIENT",
        f"APIKEY#{KEY.key_id}|APIKEY",
        f"CLIENTS|{CLIENT.client_id}",
        f"APIKEYS|{KEY.client_id}#{KEY.key_id}",
        f"DRAFT#{DRAFT.draft_id}|DRAFT",
        f"DRAFT#{DECOY.draft_id}|DRAFT",
        f"USER#{NEWCOMER.sub}|PROFILE",
        f"LOGIN#{sha256(NEWCOMER.login)}|LOGIN",
        f"USERS|0{NOW}#{NEWCOMER.sub}",
        f"THROTTLE#login#{sha256('ada')}#{NOW // RULE.window}|THROTTLE",
        f"THROTTLE#devices#{sha256('ada')}#{NOW // DEVICE_RULE.window}|THROTTLE",
        f"THROTTLE#letter#{sha256('ada')}#{NOW // RULE.window}|THROTTLE",
        "CONFIG|JWKS",
        "CONFIG|ROLES",
        "ADMINS|ADMINS",
        f"USERS|0{NOW}#{USER.sub}",
        "CONFIG|LEASE#signing",
        f"AUDIT#2033-05-18|{NOW}000#{EVENT.event_id}",
        f"PARTNER#{PARTNER.partner_id}|PARTNER",
        f"ISSUER#{sha256('https://shop.example')}|ISSUER",
        f"PARTNERS|0{NOW}#{PARTNER.partner_id}",
        f"SEATS#{PARTNER.partner_id}|SEATS",
        f"EXTERNAL#{PARTNER.partner_id}#{sha256('u-1')}|EXTERNAL",
        f"USER#{GUEST.sub}|PROFILE",
        f"USER#{GUEST.sub}|LINK#{PARTNER.partner_id}",
        f"USERS|0{NOW}#{GUEST.sub}",
        f"JTI#{'d' * 64}|JTI",
    }


@pytest.mark.parametrize(
    ("prefix", "expiry"),
    [
        ("SESSIONS#", NOW + 7200),
        ("CODE#", CODE.expires_at),
        ("OUTBOX#", MAIL.expires_at),
        ("THROTTLE#login#", NOW + RULE.window),
        ("THROTTLE#letter#", NOW + RULE.window),
        ("THROTTLE#devices#", NOW - NOW % DEVICE_RULE.window + DEVICE_RULE.window),
        (f"DRAFT#{DRAFT.draft_id}", DRAFT.expires_at),
        (f"DRAFT#{DECOY.draft_id}", DECOY.expires_at),
        ("CONFIG|LEASE#", NOW + 60),
        ("AUDIT#", EVENT.expires_at),
        ("JTI#", NOW + 330),
    ],
    ids=[
        "session",
        "code",
        "mail",
        "throttle",
        "charge",
        "devices",
        "used draft",
        "draft",
        "lease",
        "event",
        "assertion",
    ],
)
def test_what_expires_is_swept_a_day_later(stored: dict[str, dict[str, Any]], prefix: str, expiry: int) -> None:
    """DynamoDB may delete an item a day after it expires, when every clock agrees that it has."""
    [item] = [item for key, item in stored.items() if key.startswith(prefix)]
    assert item["ttl"] == {"N": str(expiry + DAY)}


@pytest.mark.parametrize(
    "prefix",
    [
        *["LOGIN#", "CLIENT#", "APIKEY#", "CONFIG|JWKS", "CONFIG|ROLES", "ADMINS|ADMINS", f"USERS|0{NOW}#{USER.sub}"],
        *["PARTNER#", "ISSUER#", "PARTNERS|", "SEATS#", "EXTERNAL#", f"USER#{GUEST.sub}|LINK#"],
    ],
    ids=lambda prefix: prefix.replace(USER.sub, "user").replace(GUEST.sub, "guest"),
)
def test_what_does_not_expire_is_never_swept(stored: dict[str, dict[str, Any]], prefix: str) -> None:
    """An item that must stay has no time to live."""
    found = [item for key, item in stored.items() if key.startswith(prefix)]
    assert found
    assert not any("ttl" in item for item in found)


def test_events_alone_are_in_the_index_of_subjects(stored: dict[str, dict[str, Any]]) -> None:
    """A role that may read the index reads events alone."""
    assert [key.partition("#")[0] for key, item in stored.items() if "subject" in item] == ["AUDIT"]


def test_an_attribute_of_a_newer_release_is_ignored(moto_client: DynamoDBClient, table: str) -> None:
    """A function of the release before reads what the next has written."""
    store: Store = DynamoStore(moto_client, table)
    store.create_user(USER, samples.credential(USER))
    moto_client.update_item(
        TableName=table,
        Key={"pk": {"S": f"USER#{USER.sub}"}, "sk": {"S": "PROFILE"}},
        UpdateExpression="SET telephone = :telephone",
        ExpressionAttributeValues={":telephone": {"S": "+1"}},
    )
    assert store.find_user(USER.sub) == USER


def iam_actions(operation: str, parameters: dict[str, Any]) -> set[str]:
    """Return the actions that IAM asks for."""
    if operation != "TransactWriteItems":
        return {operation}
    return {f"{action}Item" for member in parameters["TransactItems"] for action in member}


def written_partitions(operation: str, parameters: dict[str, Any]) -> list[str]:
    """Return the partition keys of the items that a call writes."""
    if operation in {"Query", "GetItem", "BatchGetItem"}:
        return []
    members = [parameters]
    if operation == "TransactWriteItems":
        members = [each for member in parameters["TransactItems"] for each in member.values()]
    return [(member.get("Key") or member["Item"])["pk"]["S"] for member in members]


def sha256(text: str) -> str:
    """Return the hash in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_credential_that_lost_its_hash_has_an_empty_one(moto_client: DynamoDBClient) -> None:
    """A damaged item is read as one with an empty hash, so its login is rejected without a crash."""
    table = new_table(moto_client)
    store, user = DynamoStore(moto_client, table), samples.user()
    store.create_user(user, samples.credential(user))
    key = items.key_item(items.login(user.login))
    moto_client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE password_hash")
    damaged = replace(samples.credential(user), password_hash="")
    assert store.find_credential(user.login) == damaged
    assert store.find_credentials([user.login]) == {user.login: damaged}


def test_used_draft_is_stripped_in_the_table(moto_client: DynamoDBClient, table: str) -> None:
    """Nothing of the person or of a secret is left: no login, no hash of a password, no hash of a code."""
    store, draft = DynamoStore(moto_client, table), samples.draft()
    user = samples.user(draft.login)
    store.save_draft(draft)
    store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW)
    assert store.confirm_draft(user, samples.credential(user), samples.used(draft))
    pk = {"S": f"DRAFT#{draft.draft_id}"}
    item = moto_client.get_item(TableName=table, Key={"pk": pk, "sk": {"S": "DRAFT"}})["Item"]
    marks = {"draft_id", "expires_at", "used_at", "proof_mac", "proof_key_id"}
    assert item.keys() - {"pk", "sk", "ttl", "attempt", "tries", "tried_at"} == marks
