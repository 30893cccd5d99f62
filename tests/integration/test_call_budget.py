"""The calls to DynamoDB that each grant makes. Every user pays for an extra call each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.adapters.dynamodb import DynamoStore
from latchkey.adapters.dynamodb.mail import mail_of
from latchkey.adapters.published_policy import PolicyKeys
from latchkey.core.clients.directory import new_api_key, new_client_secret
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.revocation import Revocation
from latchkey.core.grants.sessions import require_live_app, require_live_session
from latchkey.core.grants.validation import TokenCheck
from latchkey.core.model import ApiKey, Client, ClientKind, Grant, Mail, MailKind, UserStatus
from latchkey.core.throttle import ADDRESS_RULE, MOST_FAILURES, STRANGERS_RULE, sign_ins_from, strangers_of
from latchkey.core.users.accounts import Registration
from latchkey.signing.refresh import LINK_BYTES, mint_refresh, verify_refresh
from tests.integration.conftest import new_table
from tests.integration.contract import refuses
from tests.partner_world import PartnerWorld
from tests.world import ADDRESS, AUDIENCE, NOW, PASSWORD, World, small_policy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.core.grants.issuing import TokenAnswer

EVENT = "provide-client-params.dynamodb"
READS = {"GetItem", "BatchGetItem", "Query"}
READ, WRITE, END, POST = "BatchGetItem", "UpdateItem", "DeleteItem", "PutItem"
"""The calls of a refresh: account, client and session at once, the session, its end, the mail to its owner."""


class Meter:
    """A list of the operations asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Note one call."""
        self.calls.append(model.name)

    def cost(self) -> list[str]:
        """Return the operations since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def reads_and_writes(self) -> tuple[int, int]:
        """Return how many reads and how many writes there were since the last time."""
        calls = self.cost()
        reads = sum(call in READS for call in calls)
        return reads, len(calls) - reads


class Counted(World):
    """The services over DynamoDB, and the calls that they make."""

    def __init__(self, client: DynamoDBClient, meter: Meter) -> None:
        self._client, self._table = client, new_table(client)
        super().__init__(small_policy(), DynamoStore(client, self._table))
        self.cost = meter.cost
        self.reads_and_writes = meter.reads_and_writes

    def set_status(self, login: str, status: UserStatus) -> None:
        """Disable or enable an account."""
        credential = self.store.find_credential(login)
        user = self.store.find_user(credential.sub) if credential else None
        assert user is not None
        assert self.store.set_standing(user, status=status, roles=user.roles, epoch=user.epoch)

    def waiting(self) -> list[Mail]:
        """Return the mails in the outbox of the table."""
        found = self._client.scan(TableName=self._table)["Items"]
        return [mail_of(item) for item in found if item["sk"] == {"S": "OUTBOX"}]


@pytest.fixture
def meter(moto_client: DynamoDBClient) -> Iterator[Meter]:
    """A meter of the calls of moto's client."""
    meter = Meter()
    moto_client.meta.events.register(EVENT, meter)
    yield meter
    moto_client.meta.events.unregister(EVENT, meter)


@pytest.fixture
def counted(moto_client: DynamoDBClient, meter: Meter) -> Counted:
    """A service in which Ann has an account, and nothing has been counted yet."""
    world = Counted(moto_client, meter)
    world.register()
    meter.cost()
    return world


def test_a_registration_is_a_counter_and_one_transaction(counted: Counted) -> None:
    """The account and its login are stored together or not at all, once the address may hash a password."""
    counted.register("bob@example.com")
    assert counted.cost() == ["UpdateItem", "TransactWriteItems"]


def test_a_mailed_registration_makes_the_same_two_calls_for_every_login(counted: Counted) -> None:
    """One counter and one put, for a free login and for a taken one: neither time nor cost tells which it is."""
    costs = []
    for login in ("free@example.com", "ann@example.com"):
        counted.signup.register(Registration(login, "a lantern in the fog"), address=ADDRESS, now=NOW)
        costs.append(counted.cost())
    assert costs == [["UpdateItem", "PutItem"]] * 2


def test_a_confirmation_is_a_try_and_a_transaction(counted: Counted) -> None:
    """A wrong code costs the try alone, and so does the right one once it is used."""
    flow = counted.signup.register(Registration("bob@example.com", PASSWORD), address=ADDRESS, now=NOW)
    code = counted.code(MailKind.CONFIRM)
    counted.cost()
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        counted.draft_confirmations.on_device(flow, f"{(int(code) + 1) % 10**6:06}", now=NOW)
    assert counted.cost() == ["UpdateItem"]
    counted.draft_confirmations.on_device(flow, code, now=NOW)
    assert counted.cost() == ["UpdateItem", "TransactWriteItems"]
    counted.draft_confirmations.on_device(flow, code, now=NOW)
    assert counted.cost() == ["UpdateItem"]


def test_a_login_from_a_strangers_device_costs_three_reads_and_five_writes(counted: Counted) -> None:
    """The credential; address and login; account and client at once, the sessions, the session; both given back."""
    counted.log_in()
    taken, given = [WRITE, WRITE], [WRITE, WRITE]
    assert counted.cost() == ["GetItem", *taken, READ, "Query", POST, *given]


def test_a_login_from_a_known_device_costs_three_reads_and_three_writes(counted: Counted) -> None:
    """The device is counted and given back; its first attempt of the day is one write more. No address is counted."""
    token = counted.log_in().device_token
    counted.cost()
    for tries in (2, 1, 1):
        counted.log_in(device_token=token)
        assert counted.cost() == ["GetItem", *[WRITE] * tries, READ, "Query", POST, WRITE]


def test_a_failed_login_costs_the_same_for_every_login(counted: Counted) -> None:
    """An unknown login, a wrong password and a disabled account make the same calls in the same order."""
    counted.register("gone@example.com")
    counted.set_status("gone@example.com", UserStatus.DISABLED)
    costs = []
    for login, password in (
        ("ann@example.com", "not the right one"),
        ("nobody@example.com", "not the right one"),
        ("gone@example.com", PASSWORD),
    ):
        counted.cost()
        with refuses(Errors.INVALID_CREDENTIALS):
            counted.log_in(login, password)
        costs.append(counted.cost())
    assert costs == [["GetItem", WRITE, WRITE, READ]] * 3


def test_a_failed_login_from_a_known_device_costs_the_same_for_every_login(counted: Counted) -> None:
    """A device token of a login that has no account any more makes the calls of one that has."""
    costs = []
    for login in ("ann@example.com", "nobody@example.com"):
        token = counted.devices.issue(login, now=NOW, since=0)
        for _ in range(2):
            counted.cost()
            with refuses(Errors.INVALID_CREDENTIALS):
                counted.log_in(login, "not the right one", device_token=token)
        costs.append(counted.cost())
    assert costs == [["GetItem", WRITE, READ]] * 2


def test_a_refused_login_costs_the_same_for_every_login(counted: Counted) -> None:
    """Where an attempt has to wait, nothing is read but the credential; a full address costs one write."""
    costs = []
    for login in ("ann@example.com", "nobody@example.com"):
        for _ in range(STRANGERS_RULE.free):
            counted.store.count_attempt(strangers_of(login), NOW)
        counted.cost()
        with refuses(Errors.RATE_LIMITED):
            counted.log_in(login)
        costs.append(counted.cost())
    assert costs == [["GetItem", WRITE, WRITE]] * 2
    for _ in range(ADDRESS_RULE.free):
        counted.store.count_attempt(sign_ins_from(ADDRESS)[0], NOW)
    counted.cost()
    with refuses(Errors.RATE_LIMITED):
        counted.log_in()
    assert counted.cost() == ["GetItem", WRITE]


def test_a_closed_password_costs_the_same_as_an_unknown_login(counted: Counted) -> None:
    """After a hundred failures in a row, the calls do not tell whether the login has an account that mail can open."""
    user = counted.store.find_credential("ann@example.com")
    assert user is not None
    assert counted.store.verify_login(user.sub, user.login, NOW)
    costs = []
    for login in ("ann@example.com", "nobody@example.com"):
        for _ in range(MOST_FAILURES):
            counted.store.count_attempt(strangers_of(login), NOW)
        counted.cost()
        with refuses(Errors.INVALID_CREDENTIALS):
            counted.log_in(login, now=NOW + 900)
        costs.append(counted.cost())
    assert costs == [["GetItem", WRITE, WRITE, READ]] * 2


def test_an_owner_who_gives_the_password_pays_two_writes(counted: Counted) -> None:
    """The session is counted, and given back: the login's own counters stay as they are."""
    claims = counted.claims(counted.log_in())
    user, session = require_live_session(counted.store, claims.sub, claims.sid or "", now=NOW)
    counted.cost()
    counted.ownership.prove(user, session, PASSWORD, now=NOW)
    assert counted.cost() == [WRITE, "GetItem", WRITE]


# Refresh: each answer to a token with a good MAC


@pytest.fixture
def chain(counted: Counted) -> list[TokenAnswer]:
    """The answers to a phone that has refreshed three times, a minute apart: the last token is not spent yet."""
    answers = [counted.log_in()]
    for step in (1, 2, 3):
        answers.append(counted.refresh(answers[-1], now=NOW + step * 60))
    counted.cost()
    return answers


def test_a_refresh_costs_one_read_and_one_write(counted: Counted, chain: list[TokenAnswer]) -> None:
    """Account, client and session are read at once, and one write advances the session."""
    counted.refresh(chain[3], now=NOW + 240)
    assert counted.cost() == [READ, WRITE]


def test_a_repeat_costs_one_read_and_one_write(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The write is refused, and returns all that the answer needs."""
    counted.refresh(chain[2], now=NOW + 181)
    assert counted.cost() == [READ, WRITE]


def test_a_counted_repeat_costs_one_write_more(counted: Counted, chain: list[TokenAnswer]) -> None:
    """Counting a repeat is a separate write. A second repeat of the same token is not counted and costs none."""
    counted.refresh(chain[2], now=NOW + 3600)
    assert counted.cost() == [READ, WRITE, WRITE]
    counted.refresh(chain[2], now=NOW + 3601)
    assert counted.cost() == [READ, WRITE]


def test_a_delayed_duplicate_costs_one_read_and_one_write(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The caller is told to retry, and nothing is written."""
    counted.refresh(chain[3], now=NOW + 240)
    counted.cost()
    refused(Errors.UNAVAILABLE, lambda: counted.refresh(chain[2], now=NOW + 241))
    assert counted.cost() == [READ, WRITE]


def test_reuse_costs_two_writes_more(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The session ends, and a mail to its owner waits; later callers find no session."""
    refused(Errors.INVALID_GRANT, lambda: counted.refresh(chain[0], now=NOW + 3600))
    assert counted.cost() == [READ, WRITE, END, POST]
    refused(Errors.INVALID_GRANT, lambda: counted.refresh(chain[0], now=NOW + 3600))
    assert counted.cost() == [READ]


def test_the_repeat_that_fills_the_bucket_costs_as_reuse(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The repeat ends the session, so it is not counted."""
    counted.set_retry_limit(1)
    counted.refresh(chain[2], now=NOW + 3600)
    counted.refresh(chain[3], now=NOW + 3600)
    counted.cost()
    refused(Errors.INVALID_GRANT, lambda: counted.refresh(chain[3], now=NOW + 7200))
    assert counted.cost() == [READ, WRITE, END, POST]


def test_a_stale_token_costs_one_read_and_one_write(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The write is refused by its condition, and nothing is ended."""
    keys = counted.source.held.refresh_keys
    token = verify_refresh(chain[3].refresh_token, keys, NOW)
    for stale in (replace(token, generation=9), replace(token, link=bytes(LINK_BYTES))):
        text = mint_refresh(stale, keys)
        refused(Errors.INVALID_GRANT, lambda text=text: counted.refresh(replace(chain[3], refresh_token=text), now=NOW))  # type: ignore[misc]
        assert counted.cost() == [READ, WRITE]
    assert counted.journal.names()[-2:] == ["refresh_stale"] * 2


def test_a_token_of_another_family_costs_one_read(counted: Counted, chain: list[TokenAnswer]) -> None:
    """The read is enough to reject it, so nothing is written: a leaked key causes no cost for writes."""
    keys = counted.source.held.refresh_keys
    token = verify_refresh(chain[3].refresh_token, keys, NOW)
    text = mint_refresh(replace(token, family=bytes(LINK_BYTES)), keys)
    refused(Errors.INVALID_GRANT, lambda: counted.refresh(replace(chain[3], refresh_token=text), now=NOW))
    assert counted.cost() == [READ]
    assert counted.journal.names()[-1] == "refresh_forged"


def test_a_refresh_costs_the_same_however_many_sessions_there_are(counted: Counted, chain: list[TokenAnswer]) -> None:
    """Fifty other phones of the account are not read."""
    session = counted.store.list_sessions(counted.claims(chain[0]).sub, NOW)[0]
    for number in range(50):
        counted.store.create_session(replace(session, sid=f"ses_{number}"))
    counted.cost()
    counted.refresh(chain[3], now=NOW + 240)
    assert counted.cost() == [READ, WRITE]


def test_a_bearer_token_costs_one_batch_at_our_own_routes(counted: Counted, chain: list[TokenAnswer]) -> None:
    """One read checks that account and session are still active."""
    claims = counted.claims(chain[3], now=NOW + 180)
    require_live_session(counted.store, claims.sub, claims.sid or "", now=NOW + 180)
    assert require_live_app(counted.clients, claims.client_id)
    assert counted.cost() == [READ]


def test_a_partners_session_costs_one_batch_more(moto_client: DynamoDBClient, meter: Meter) -> None:
    """The partner and the link, read at once, also for a repeat."""
    world = PartnerWorld(DynamoStore(moto_client, new_table(moto_client)))
    first = world.come(world.partner()).tokens
    for now in (NOW + 60, NOW + 61):
        meter.cost()
        world.refresh(first, now=now)
        assert meter.reads_and_writes() == (2, 1)


def test_a_services_session_costs_one_batch_more(counted: Counted) -> None:
    """The session with its client, then the API key that the session names, also for a repeat."""
    owner = Client("cli_service", ClientKind.SERVICE, "Billing", NOW, roles=("service",))
    counted.store.create_client(owner)
    key_id, text, stored = new_api_key(counted.entropy)
    counted.store.create_api_key(ApiKey(key_id, owner.client_id, "nightly", stored, NOW, roles=("service",)))
    first = counted.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    for now in (NOW + 60, NOW + 61):
        counted.cost()
        counted.refresh(first, now=now)
        assert counted.reads_and_writes() == (2, 1)


def test_a_forged_refresh_token_costs_nothing(counted: Counted, chain: list[TokenAnswer]) -> None:
    """Its MAC is wrong, so nothing is looked up."""
    forged = replace(chain[3], refresh_token=chain[3].refresh_token[:-4] + "AAAA")
    refused(Errors.INVALID_GRANT, lambda: counted.refresh(forged, now=NOW))
    assert counted.cost() == []


# The end of a session by its token


def test_a_sign_out_by_refresh_token_costs_one_read_and_one_write(counted: Counted, chain: list[TokenAnswer]) -> None:
    """A token that no key of ours has made costs nothing."""
    keys = PolicyKeys(counted.source, lambda: NOW)
    revocation = Revocation(counted.store, counted.source, keys, counted.sessions, counted.journal, AUDIENCE)
    refused(Errors.INVALID_GRANT, lambda: revocation.end(chain[3].refresh_token[:-4] + "AAAA", now=NOW))
    assert counted.cost() == []
    revocation.end(chain[3].refresh_token, now=NOW)
    assert counted.cost() == [READ, END]


# Machines


def test_client_credentials_cost_one_read(counted: Counted) -> None:
    """The client; the token is signed and nothing is stored."""
    secret, stored = new_client_secret(counted.entropy)
    grants = (Grant.CLIENT_CREDENTIALS,)
    counted.store.create_client(Client("cli_a", ClientKind.SERVICE, "A", NOW, (stored,), grants=grants))
    counted.cost()
    client = counted.clients.authenticate("cli_a", secret, address=ADDRESS, now=NOW)
    counted.machines.client_credentials(client, None, now=NOW)
    assert counted.cost() == ["GetItem"]


def test_junk_of_machines_costs_one_read_and_one_write(counted: Counted) -> None:
    """An unknown client, a wrong secret and an unknown key: the item, and the counter of the address, full or not."""
    _, stored = new_client_secret(counted.entropy)
    counted.store.create_client(Client("cli_a", ClientKind.SERVICE, "A", NOW, (stored,)))
    _, key, _ = new_api_key(counted.entropy)
    counted.cost()
    for _ in range(40):
        for junk in (
            lambda: counted.clients.authenticate("cli_unknown", "x", address=ADDRESS, now=NOW),
            lambda: counted.clients.authenticate("cli_a", "x", address=ADDRESS, now=NOW),
            lambda: counted.machines.exchange_api_key(key, address=ADDRESS, now=NOW),
        ):
            with pytest.raises(ServiceError):
                junk()
            assert counted.cost() == ["GetItem", "UpdateItem"]


def test_validation_costs_reads_for_good_tokens_and_one_write_for_bad_ones(counted: Counted) -> None:
    """A good token pays for no counter. A bad one costs no read, and the same beyond the limit."""
    token = counted.log_in().access_token
    keys = PolicyKeys(counted.source, lambda: NOW)
    check = TokenCheck(keys, counted.store, counted.clients, counted.store, AUDIENCE)
    counted.cost()
    check(token, address=ADDRESS, now=NOW)
    assert counted.cost() == [READ]
    for _ in range(120):
        with pytest.raises(ServiceError):
            check("bad", address=ADDRESS, now=NOW)
        assert counted.cost() == ["UpdateItem"]


def test_request_for_mail_costs_a_counter_and_a_put(counted: Counted) -> None:
    """For a known login and for an unknown one. The mailer makes the other calls, where no caller waits."""
    costs = []
    for login in ("ann@example.com", "nobody@example.com"):
        counted.mail_requests(MailKind.RESET, login, address=ADDRESS, now=NOW)
        costs.append(counted.cost())
    assert costs == [["UpdateItem", "PutItem"]] * 2


def test_mail_is_counted_in_one_transaction(counted: Counted) -> None:
    """Asker, mailbox and the mark on the mail are one write; a mail for no account is not counted."""
    counted.mail_requests(MailKind.RESET, "ann@example.com", address=ADDRESS, now=NOW)
    [mail] = counted.waiting()
    counted.cost()
    counted.mailroom.deliver(mail, now=NOW)
    assert counted.cost() == ["GetItem"] * 3 + ["TransactWriteItems", "PutItem", "DeleteItem"]
    counted.mail_requests(MailKind.RESET, "unknown@example.com", address=ADDRESS, now=NOW)
    [mail] = counted.waiting()
    counted.cost()
    counted.mailroom.deliver(mail, now=NOW)
    assert counted.cost() == ["GetItem"] * 3 + ["DeleteItem"]


def test_a_mistyped_api_key_costs_nothing(counted: Counted) -> None:
    """The checksum of the key is wrong, so nothing is read."""
    with pytest.raises(Exception, match="invalid_api_key"):
        counted.machines.exchange_api_key("lk_" + "a" * 86, address=ADDRESS, now=NOW)
    assert counted.cost() == []


def test_an_api_key_costs_two_reads_and_once_a_day_a_write(counted: Counted) -> None:
    """The key and its client. Nothing caches the answer, so each call behind the authorizer of keys costs this."""
    owner = Client("cli_service", ClientKind.SERVICE, "Billing", NOW, roles=("service",))
    counted.store.create_client(owner)
    key_id, text, stored = new_api_key(counted.entropy)
    counted.store.create_api_key(ApiKey(key_id, owner.client_id, "nightly", stored, NOW, roles=("service",)))
    counted.cost()
    costs = []
    for _ in range(2):
        counted.clients.service(text, address=ADDRESS, now=NOW)
        costs.append(counted.cost())
    assert costs == [["GetItem", "GetItem", "UpdateItem"], ["GetItem", "GetItem"]]


def refused(error: Errors, action: Callable[[], object]) -> None:
    """Assert that an action is refused with this error."""
    with refuses(error):
        action()
