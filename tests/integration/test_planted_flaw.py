"""The races are a proof only if they catch a store that reads first and then writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.adapters.dynamodb import DynamoStore, items
from latchkey.core.clients.store import MAX_API_KEYS
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Advance, Rotation
from latchkey.core.mail.store import MOST_TRIES, Door
from latchkey.core.model import Draft, OneTimeCode, UsedDraft, UserStatus, is_active_admin
from latchkey.core.throttle import MOST_DEVICES, Attempts
from tests.integration import races
from tests.integration import test_refresh_storms as storms
from tests.integration.conftest import new_table
from tests.integration.contract import after
from tests.integration.phones import Phones
from tests.memory.store import MemoryStore
from tests.memory.throttle import window_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from latchkey.adapters.store import Store
    from latchkey.core.model import ApiKey, Credential, Mail, Session, User
    from latchkey.core.throttle import Counter, LoginDevice

RACES = [
    races.race_for_an_advance,
    races.race_to_count_a_repeat,
    races.race_for_a_login,
    races.race_for_a_code,
    races.race_for_tries,
    races.race_for_draft_tries,
    races.race_to_confirm,
    races.race_of_drafts,
    races.race_for_attempts,
    races.race_of_one_device,
    races.race_of_many_devices,
    races.race_for_the_last_admin,
    races.race_of_admins_who_delete_themselves,
    races.race_for_a_lease,
]
NETWORK = 0.001
"""Seconds between a read and a write: less than any database needs, and moto answers at once."""


class ReadThenWriteMemory(MemoryStore):
    """A memory store without a lock, like a store on a network between two calls."""

    def advance(self, step: Advance) -> Rotation:
        """Read where the session stands, then write where it goes."""
        session = self.find_user_and_session(step.sub, step.sid, step.now)[1]
        time.sleep(NETWORK)
        if session is None or session.generation != step.generation:
            return Rotation(advanced=False, session=session)
        self._sessions[step.sub, step.sid] = after(step, session)
        return Rotation(advanced=True, session=after(step, session))

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Read the bucket, then set it."""
        held = self._sessions[session.sub, session.sid]
        time.sleep(NETWORK)
        counted = replace(held, late_level=level, late_generation=generation)
        self._sessions[session.sub, session.sid] = counted
        return held.late_level == session.late_level

    def create_user(self, user: User, credential: Credential) -> None:
        """Look for the login, then take it."""
        if self.find_credential(credential.login):
            raise ServiceError(Errors.USER_EXISTS)
        time.sleep(NETWORK)
        self._credentials[credential.login] = credential
        self._users[user.sub] = user

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Look for an admin, then be one."""
        if any(is_active_admin(each) for each in list(self._users.values())):
            raise ServiceError(Errors.ADMIN_EXISTS)
        self.create_user(user, credential)

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Look whether another admin stays, then change the account."""
        others = [each for each in self._users.values() if is_active_admin(each) and each.sub != user.sub]
        time.sleep(NETWORK)
        if not others:
            raise ServiceError(Errors.LAST_ADMIN)
        self._users[user.sub] = replace(user, status=status, roles=roles, epoch=epoch)
        return self._users[user.sub]

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Look whether another admin stays, then mark the account."""
        return self.set_standing(user, status=UserStatus.DELETING, roles=user.roles, epoch=user.epoch + 1) is not None

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Look whether the code was used, then use it."""
        used = (code_hash, purpose) in self._used_codes
        time.sleep(NETWORK)
        self._used_codes.add((code_hash, purpose))
        return None if used else self._codes[code_hash, purpose]

    def try_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Look whether a try is left, then count it."""
        tries = self._code_tries[code_hash, purpose]
        time.sleep(NETWORK)
        self._code_tries[code_hash, purpose] += 1
        return self._codes[code_hash, purpose] if tries < MOST_TRIES else None

    def try_draft(self, draft_id: str, door: Door, secret_hash: str, now: int) -> Draft | UsedDraft | None:
        """Look whether a try is left, then count it."""
        del secret_hash
        tries = self._draft_tries[draft_id, door]
        time.sleep(NETWORK)
        self._draft_tries[draft_id, door] += 1
        return self.find_draft(draft_id, now) if tries < MOST_TRIES else None

    def confirm_draft(self, user: User, credential: Credential, used: UsedDraft) -> bool:
        """Look whether the draft is used and the login taken, then make the account."""
        if isinstance(self._drafts[used.draft_id], UsedDraft) or self.find_credential(credential.login):
            return False
        time.sleep(NETWORK)
        self._drafts[used.draft_id] = used
        self._credentials[credential.login] = credential
        self._users[user.sub] = user
        return True

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Ask the rule, then count."""
        if wait := counter.rule.wait(self.attempts(counter, now), now):
            raise ServiceError(Errors.RATE_LIMITED, retry_after=wait)
        time.sleep(NETWORK)
        return self.count_attempt(counter, now).count

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Look at the counts of the devices of the login, then count."""
        counters = self._device_attempts.setdefault(window_of(device.counter, now), {})
        held, room = counters.get(device.device_id), len(counters) < MOST_DEVICES
        time.sleep(NETWORK)
        if held is None and not room:
            return False
        if wait := device.counter.rule.wait(held or Attempts(), now):
            raise ServiceError(Errors.RATE_LIMITED, retry_after=wait)
        counters[device.device_id] = Attempts((held or Attempts()).count + 1, now)
        return True

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Look whether the lease is held, then take it."""
        _, ends_at = self._leases.get(name, ("", 0))
        time.sleep(NETWORK)
        self._leases[name] = (owner, until)
        return ends_at <= now

    def create_api_key(self, key: ApiKey) -> None:
        """Count the keys, then store one more."""
        if len(self.list_api_keys(key.client_id, after="", limit=MAX_API_KEYS).items) >= MAX_API_KEYS:
            raise ServiceError(Errors.LIMIT_REACHED)
        time.sleep(NETWORK)
        self._api_keys[key.key_id] = key

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Look for a successor, then store one."""
        if self._api_keys[key_id].successor:
            return False
        time.sleep(NETWORK)
        self._api_keys[successor.key_id] = successor
        self._api_keys[key_id] = replace(self._api_keys[key_id], successor=successor.key_id, expires_at=expires_at)
        return True


class ReadThenWriteDynamo(DynamoStore):
    """A store on DynamoDB that reads and then writes without a condition."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        super().__init__(client, name)
        self._client = client
        self._name = name

    def advance(self, step: Advance) -> Rotation:
        """Read where the session stands, then write where it goes."""
        session = self.find_user_and_session(step.sub, step.sid, step.now)[1]
        if session is None or session.generation != step.generation:
            return Rotation(advanced=False, session=session)
        time.sleep(NETWORK)
        moved = after(step, session)
        self._client.put_item(TableName=self._name, Item=items.encode(items.session(step.sub, step.sid), moved))
        return Rotation(advanced=True, session=moved)

    def count_repeat(self, session: Session, *, level: int, generation: int) -> bool:
        """Read the bucket, then set it."""
        key = items.session(session.sub, session.sid)
        held = self._table.get(key)
        time.sleep(NETWORK)
        self._table.update(
            key,
            "SET #late_level = :level, #late_generation = :late",
            {"level": level, "late": generation},
        )
        return held is not None and held["late_level"] == {"N": str(session.late_level)}

    def create_user(self, user: User, credential: Credential) -> None:
        """Look for the login, then take it."""
        if self.find_credential(credential.login):
            raise ServiceError(Errors.USER_EXISTS)
        time.sleep(NETWORK)
        for item in (items.encode(items.login(user.login), credential), items.encode(items.user(user.sub), user)):
            self._client.put_item(TableName=self._name, Item=item)
        listed = items.key_item(items.listed_user(user.sub)) | {"sub": items.attribute(user.sub)}
        self._client.put_item(TableName=self._name, Item=listed)
        if is_active_admin(user):
            self._table.update(items.ADMINS, "SET #seen = :seen ADD #n :one", {"seen": True, "one": 1})

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Look whether admins are counted, then be one."""
        if self._table.get(items.ADMINS):
            raise ServiceError(Errors.ADMIN_EXISTS)
        self.create_user(user, credential)

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Read how many admins there are, then change the account."""
        admins = self._table.get(items.ADMINS)
        time.sleep(NETWORK)
        if admins is None or admins["n"] == {"N": "1"}:
            raise ServiceError(Errors.LAST_ADMIN)
        self._table.update(items.user(user.sub), "SET #roles = :roles", {"roles": roles})
        change = -1 if is_active_admin(user) else 1
        self._table.update(items.ADMINS, "SET #seen = :seen ADD #n :change", {"seen": True, "change": change})
        return replace(user, status=status, roles=roles, epoch=epoch)

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Read how many admins there are, then mark the account."""
        self.set_standing(user, status=user.status, roles=user.roles, epoch=user.epoch)
        self._table.update(items.user(user.sub), "SET #status = :status", {"status": str(UserStatus.DELETING)})
        return True

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Look whether the code is there, then delete it."""
        key = items.code(code_hash, purpose)
        if not (item := self._table.get(key)):
            return None
        time.sleep(NETWORK)
        self._table.delete(key)
        return items.decode(OneTimeCode, item)

    def try_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Look whether a try is left, then count it."""
        key = items.code(code_hash, purpose)
        return self.find_code(code_hash, purpose, now) if self._tries(key) < MOST_TRIES else None

    def try_draft(self, draft_id: str, door: Door, secret_hash: str, now: int) -> Draft | UsedDraft | None:
        """Look whether a try is left, then count it."""
        del door, secret_hash
        return self.find_draft(draft_id, now) if self._tries(items.draft(draft_id)) < MOST_TRIES else None

    def confirm_draft(self, user: User, credential: Credential, used: UsedDraft) -> bool:
        """Look whether the draft is used and the login taken, then make the account."""
        held = self._table.get(items.draft(used.draft_id))
        if held is None or "used_at" in held or self.find_credential(credential.login):
            return False
        time.sleep(NETWORK)
        marks = "SET #used_at = :now, #proof_mac = :mac, #proof_key_id = :key"
        values: dict[str, items.Value] = {"now": used.used_at, "mac": used.proof_mac, "key": used.proof_key_id}
        self._table.update(items.draft(used.draft_id), marks, values)
        for item in (items.encode(items.login(user.login), credential), items.encode(items.user(user.sub), user)):
            self._client.put_item(TableName=self._name, Item=item)
        return True

    def _tries(self, key: items.Key) -> int:
        """Count a try, and return how many there were when it was looked up."""
        item = self._table.get(key) or {}
        time.sleep(NETWORK)
        self._table.update(key, "SET #seen = :seen ADD #tries :one", {"seen": True, "one": 1})
        return int(item["tries"]["N"]) if "tries" in item else 0

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Ask the rule, then count."""
        if wait := counter.rule.wait(self.attempts(counter, now), now):
            raise ServiceError(Errors.RATE_LIMITED, retry_after=wait)
        time.sleep(NETWORK)
        return self.count_attempt(counter, now).count

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Look at the counts of the devices of the login, then count."""
        n, last_at = f"n_{device.device_id}", f"at_{device.device_id}"
        item = self._table.get(items.throttle(device.counter, now)) or {}
        time.sleep(NETWORK)
        if n not in item and int(item.get("devices", {"N": "0"})["N"]) >= MOST_DEVICES:
            return False
        held = Attempts(int(item[n]["N"]), int(item[last_at]["N"])) if n in item else Attempts()
        if wait := device.counter.rule.wait(held, now):
            raise ServiceError(Errors.RATE_LIMITED, retry_after=wait)
        first = "" if n in item else ", #devices :one"
        change = f"SET #{last_at} = :now ADD #{n} :one{first}"
        return self._table.update(items.throttle(device.counter, now), change, {"now": now, "one": 1}).applied

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Look whether the lease is held, then take it."""
        item = self._table.get(items.lease(name))
        time.sleep(NETWORK)
        self._table.update(items.lease(name), "SET #ends_at = :until", {"until": until})
        return item is None or int(item["ends_at"]["N"]) <= now


@pytest.mark.parametrize("race", [*RACES, races.race_for_the_last_key, races.race_for_a_successor])
def test_a_flawed_memory_store_is_caught(race: Callable[[Store], None]) -> None:
    """Twenty rounds find the flaw in a memory store."""
    with pytest.raises(AssertionError):
        run(race, ReadThenWriteMemory())


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("backend", ["moto", "ministack"])
def test_a_flawed_dynamo_store_is_caught(
    backend: str, race: Callable[[Store], None], request: pytest.FixtureRequest
) -> None:
    """Twenty rounds find the flaw in a store on DynamoDB, behind a lock round each call or not."""
    client: DynamoDBClient = request.getfixturevalue(f"{backend}_client")
    store = ReadThenWriteDynamo(client, new_table(client))
    with pytest.raises(AssertionError):
        run(race, store)


@pytest.mark.parametrize("backend", ["memory", "ministack"])
def test_a_flawed_store_is_caught_by_the_storm_of_phones(backend: str, request: pytest.FixtureRequest) -> None:
    """The storm of refreshes finds the flaw too, through the whole grant: two phones get two successors."""
    store: Store = ReadThenWriteMemory()
    if backend == "ministack":
        client: DynamoDBClient = request.getfixturevalue("ministack_client")
        store = ReadThenWriteDynamo(client, new_table(client))
    with pytest.raises(AssertionError):
        storms.test_parallel_refreshes_agree(Phones(store))


@pytest.mark.parametrize("backend", ["moto", "ministack"])
def test_a_flawed_first_admin_is_caught(backend: str, request: pytest.FixtureRequest) -> None:
    """One round finds the flaw, because a store has a first admin once. It runs on memory and on both databases."""
    client: DynamoDBClient = request.getfixturevalue(f"{backend}_client")
    for store in (ReadThenWriteMemory(), ReadThenWriteDynamo(client, new_table(client))):
        with pytest.raises(AssertionError):
            races.race_for_the_first_admin(store)


def run(race: Callable[[Store], None], store: Store) -> None:
    """Run all rounds of a race, as the tests of the real stores do."""
    for _ in range(races.ROUNDS):
        race(store)
