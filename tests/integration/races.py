"""Races: many callers request at once what only one may have. Each function is one round."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

from latchkey.core.clients.store import MAX_API_KEYS
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_TRIES, Door
from latchkey.core.model import is_active_admin
from latchkey.core.throttle import DEVICE_RULE, MOST_DEVICES, Counter, LoginDevice, ThrottleRule
from tests.integration import samples
from tests.integration.contract import after, step_from
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import ApiKey, Link, User

RACERS = 30
ROUNDS = 20
PHONES = 50
"""How many refresh one token at once."""

T = TypeVar("T")


def race(action: Callable[[int], T], racers: int = RACERS) -> list[T]:
    """Call the action from every racer, with its number, at one moment; return all answers."""
    start = Barrier(racers)

    def run(number: int) -> T:
        start.wait(timeout=30)
        return action(number)

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(run, range(racers)))


def race_for_an_advance(store: Store) -> None:
    """Assert that one of many refreshes of one token advances the session, and that all see the salt of that one."""
    session = samples.worn_session()
    store.create_session(session)
    steps = [step_from(session) for _ in range(PHONES)]
    rotations = race(lambda number: store.advance(steps[number]), PHONES)
    winners = [after(step, session) for step, rotation in zip(steps, rotations, strict=True) if rotation.advanced]
    assert len(winners) == 1
    assert [rotation.session for rotation in rotations] == winners * PHONES
    assert [store.find_user_and_session(session.sub, session.sid, NOW)[1]] == winners


def race_to_count_a_repeat(store: Store) -> None:
    """Assert that one of many who judged a repeat by the same read counts it."""
    session = samples.worn_session()
    store.create_session(session)
    counted = race(lambda number: store.count_repeat(session, level=10 + number, generation=3), PHONES)
    assert counted.count(True) == 1
    level = 10 + counted.index(True)
    expected = replace(session, late_level=level, late_generation=3)
    assert store.find_user_and_session(session.sub, session.sid, NOW)[1] == expected


def race_for_a_login(store: Store) -> None:
    """Assert that one of many registrations of one login succeeds, and that nothing is left of the others."""
    login = samples.unique("ada@")
    users = [samples.user(login) for _ in range(RACERS)]
    made = race(lambda number: _registers(store, users[number]))
    winners = [user for user, won in zip(users, made, strict=True) if won]
    assert len(winners) == 1
    assert store.find_credential(login) == samples.credential(winners[0])
    assert [user for user in users if store.find_user(user.sub)] == winners


def race_for_a_code(store: Store) -> None:
    """Assert that one of many uses of one code gets it."""
    code = samples.code()
    store.save_code(code)
    got = race(lambda _: store.consume_code(code.code_hash, code.purpose, NOW))
    assert [used for used in got if used] == [code]


def race_for_tries(store: Store) -> None:
    """Assert that many guesses at one short code get exactly its tries."""
    code = samples.code()
    store.save_code(code)
    got = race(lambda _: store.try_code(code.code_hash, code.purpose, NOW))
    assert [tried for tried in got if tried] == [code] * MOST_TRIES


def race_to_confirm(store: Store) -> None:
    """Assert that of many confirmations of one draft at once, one makes an account, and nothing else is left."""
    draft = samples.draft()
    store.save_draft(draft)
    users = [samples.user(draft.login) for _ in range(RACERS)]

    def confirm(number: int) -> bool:
        user = users[number]
        return store.confirm_draft(user, samples.credential(user), samples.used(draft, NOW + number))

    won = race(confirm)
    made = [user for user in users if store.find_user(user.sub)]
    assert [user for user, is_won in zip(users, won, strict=True) if is_won] == made
    assert len(made) == 1
    assert store.find_credential(draft.login) == samples.credential(made[0])
    assert store.find_draft(draft.draft_id, NOW) == samples.used(draft, NOW + users.index(made[0]))


def race_of_drafts(store: Store) -> None:
    """Assert that of many drafts of one login, confirmed at once, one makes an account."""
    login = samples.unique("ada@")
    drafts = [replace(samples.draft(), login=login) for _ in range(RACERS)]
    for draft in drafts:
        store.save_draft(draft)
    users = [samples.user(draft.login) for draft in drafts]

    def confirm(number: int) -> bool:
        return store.confirm_draft(users[number], samples.credential(users[number]), samples.used(drafts[number]))

    won = race(confirm)
    assert [user for user in users if store.find_user(user.sub)] == [users[won.index(True)]]
    assert won.count(True) == 1


def race_for_draft_tries(store: Store) -> None:
    """Assert that many guesses at one draft get exactly its tries."""
    draft = samples.draft()
    store.save_draft(draft)
    got = race(lambda _: store.try_draft(draft.draft_id, Door.FLOW, draft.flow_hash, NOW))
    assert [tried for tried in got if tried] == [draft] * MOST_TRIES


def race_to_charge(store: Store) -> None:
    """Assert that many deliveries of one mail count it once, and that the mails of one mailbox stay within its rule."""
    rule = ThrottleRule(free=10, waits=(3600,), window=86_400)
    counter, other = (Counter("letter", samples.unique("ada@"), rule) for _ in range(2))
    mails = [samples.mail() for _ in range(RACERS)]
    for mail in mails:
        store.post_mail(mail)
    assert all(race(lambda _: store.charge_mail(mails[0], "ada@example.com", (other,), NOW), 10))
    assert store.attempts(other, NOW).count == 1
    sent = race(lambda number: store.charge_mail(mails[number], "ada@example.com", (counter,), NOW), RACERS)
    assert (sum(sent), store.attempts(counter, NOW).count) == (11, 10)  # the first was counted before, elsewhere


def race_to_give_back(store: Store) -> None:
    """Assert that many who give back bring no counter below 0, while others reserve."""
    counter = Counter("login", samples.unique("ada@"), ThrottleRule(free=RACERS, waits=(60,), window=86_400))
    store.count_attempt(counter, NOW)
    seen = race(lambda number: _moved(store, counter, number))
    reserved = sum(number % 2 for number in range(RACERS))
    count = store.attempts(counter, NOW).count
    assert all(each >= 0 for each in seen)
    assert 0 <= count <= reserved + 1
    for _ in range(count + 2):
        store.give_back(counter, NOW)
    assert store.attempts(counter, NOW).count == 0


def _moved(store: Store, counter: Counter, number: int) -> int:
    """Reserve an attempt, or give one back; return the count that was seen then."""
    if number % 2:
        return store.reserve_attempt(counter, NOW)
    store.give_back(counter, NOW)
    return store.attempts(counter, NOW).count


def race_for_attempts(store: Store) -> None:
    """Assert that exactly the free attempts are allowed, and that each is counted once."""
    rule = ThrottleRule(free=10, waits=(30, 60), window=900)
    who = samples.unique("ada@")
    counts = race(lambda _: _attempts(store, who, rule))
    assert sorted(count for count in counts if count) == list(range(1, rule.free + 1))


def race_of_one_device(store: Store) -> None:
    """Assert that a device gets exactly its free attempts, though none of them knows that it is the first."""
    phone = LoginDevice(samples.unique("ada@"), "phone")
    assert race(lambda _: _on_device(store, phone)).count(True) == DEVICE_RULE.free


def race_of_many_devices(store: Store) -> None:
    """Assert that exactly as many devices get a count as a login has room for."""
    login = samples.unique("ada@")
    got = race(lambda number: _on_device(store, LoginDevice(login, f"device{number}")))
    assert got.count(True) == MOST_DEVICES


def race_for_the_last_admin(store: Store) -> None:
    """Assert that of thirty admins who all step down at once, exactly one stays."""
    admins = _thirty_admins(store)
    gone = race(lambda number: _is_let_go(lambda: _steps_down(store, admins[number])))
    left = [admin for admin in admins if is_active_admin(store.find_user(admin.sub) or admin)]
    assert (gone.count(False), len(left)) == (1, 1)


def race_of_admins_who_delete_themselves(store: Store) -> None:
    """Assert that of thirty admins who all delete their own accounts at once, exactly one stays."""
    admins = _thirty_admins(store)
    gone = race(lambda number: _is_let_go(lambda: _deletes_itself(store, admins[number])))
    left = [admin for admin in admins if store.find_user(admin.sub) is not None]
    assert (gone.count(False), len(left)) == (1, 1)
    assert store.list_users(after="", limit=100).items == tuple(left)


def race_for_the_first_admin(store: Store) -> None:
    """Assert that one of thirty becomes the first admin of an empty store, and that nothing is left of the others."""
    users = [samples.user(roles=("admin", "privacy")) for _ in range(RACERS)]
    made = race(lambda number: _is_first(store, users[number]))
    winners = [user for user, won in zip(users, made, strict=True) if won]
    assert len(winners) == 1
    assert store.list_users(after="", limit=100).items == tuple(winners)
    assert [user for user in users if store.find_credential(user.login)] == winners


def race_for_a_lease(store: Store) -> None:
    """Assert that one of many gets a lease, and that another gets it in the next round."""
    name = samples.unique("lease-")
    for now in (NOW, NOW + 60):
        taken = race(lambda number, now=now: store.take_lease(name, f"{now}-{number}", now=now, until=now + 60))  # type: ignore[misc]
        assert sum(taken) == 1


def race_for_the_last_key(store: Store) -> None:
    """Assert that of many keys for a client with room for one exactly one is stored."""
    client_id = samples.unique("cli_")
    for _ in range(MAX_API_KEYS - 1):
        samples.owned_key(store, client_id=client_id)
    keys = [replace(samples.api_key(), client_id=client_id) for _ in range(RACERS)]
    made = race(lambda number: _makes(lambda: store.create_api_key(keys[number])))
    stored = [key for key in keys if store.find_api_key(key.key_id, NOW)]
    assert (made.count(True), len(stored)) == (1, 1)


def race_of_a_deletion_and_new_keys(store: Store) -> None:
    """Assert that a client is deleted without a key, or stays with those that were made."""
    owner = samples.client()
    store.create_client(owner)
    keys = [replace(samples.api_key(), client_id=owner.client_id) for _ in range(RACERS)]
    made = race(lambda number: _makes(lambda: _deletes_or_makes(store, owner.client_id, keys[number], number)))
    stored = store.list_api_keys(owner.client_id, after="", limit=RACERS).items
    if store.find_client(owner.client_id) is None:
        assert stored == ()
    else:
        assert len(stored) == made.count(True)


def _deletes_or_makes(store: Store, client_id: str, key: ApiKey, number: int) -> None:
    if number:
        store.create_api_key(key)
    elif not store.delete_client(client_id):
        raise ServiceError(Errors.CONFLICT)


def race_for_a_successor(store: Store) -> None:
    """Assert that one of many rotations of one key makes its successor."""
    key = samples.owned_key(store)
    new = [replace(samples.api_key(), client_id=key.client_id) for _ in range(RACERS)]
    done = race(lambda number: _rotates(store, key, new[number]))
    stored = [each for each in new if store.find_api_key(each.key_id, NOW)]
    assert (done.count(True), len(stored)) == (1, 1)


def _makes(action: Callable[[], object]) -> bool:
    """Return whether the action succeeded. A limit, a missing client or a lasting collision means that it did not."""
    try:
        action()
    except ServiceError as error:
        if error.error not in {Errors.LIMIT_REACHED, Errors.CONFLICT, Errors.UNAVAILABLE}:
            raise
        return False
    return True


def _rotates(store: Store, key: ApiKey, new: ApiKey) -> bool:
    try:
        return store.rotate_api_key(key.key_id, new, expires_at=NOW + 60)
    except ServiceError as error:
        if error.error is not Errors.UNAVAILABLE:
            raise
        return False


def race_for_an_external_id(store: Store) -> None:
    """Assert that one of many first sign-ins of one external id makes the account, and nothing is left of the rest."""
    partner_id, external_id = samples.unique("prt_"), samples.unique("u-")
    users = [samples.external_user() for _ in range(RACERS)]
    made = race(
        lambda number: store.create_external_user(users[number], samples.link(users[number], partner_id, external_id))
    )
    winners = [user for user, won in zip(users, made, strict=True) if won]
    assert len(winners) == 1
    assert store.find_external(partner_id, external_id) == winners[0].sub
    assert [user for user in users if store.find_user(user.sub)] == winners


def race_for_an_assertion(store: Store) -> None:
    """Assert that one of many uses of one assertion is the first."""
    digest = samples.unique("")
    assert sum(race(lambda _: store.use_assertion(digest, until=NOW))) == 1


def race_to_link(store: Store) -> None:
    """Assert that one of many accounts is linked with an identity that all request."""
    partner_id, external_id = samples.unique("prt_"), samples.unique("u-")
    users = [samples.user() for _ in range(RACERS)]
    for user in users:
        store.create_user(user, samples.credential(user))
    made = race(lambda number: store.add_link(users[number], samples.link(users[number], partner_id, external_id)))
    [winner] = [user for user, won in zip(users, made, strict=True) if won]
    assert store.find_external(partner_id, external_id) == winner.sub
    assert [user for user in users if store.list_links(user.sub)] == [winner]


def race_to_part(store: Store) -> None:
    """Assert that one link is left when all are removed at once, each on condition that another exists."""
    user = samples.user()
    store.create_user(user, samples.credential(user))
    links = [replace(samples.link(user), roles=()) for _ in range(RACERS)]
    for link in links:
        assert store.add_link(user, link)
    race(lambda number: _parts(store, user, links[number], links[number - 1]))
    assert store.list_links(user.sub)


def _parts(store: Store, user: User, link: Link, other: Link) -> bool:
    try:
        return store.remove_link(user, link, besides=other)
    except ServiceError as error:
        if error.error is not Errors.UNAVAILABLE:
            raise
        return False


def race_for_an_issuer(store: Store) -> None:
    """Assert that one of many partners gets an issuer, and nothing is left of the others."""
    issuer = samples.unique("https://shop.example/")
    partners = [samples.partner(issuer) for _ in range(RACERS)]
    made = race(lambda number: store.create_partner(partners[number]))
    winners = [partner for partner, won in zip(partners, made, strict=True) if won]
    assert [store.find_issuer(issuer)] == winners
    assert [each for each in partners if store.find_partner(each.partner_id)] == winners


def race_for_seats(store: Store) -> None:
    """Assert that exactly as many callers get a seat as there are seats."""
    partner_id = samples.unique("prt_")
    assert sum(race(lambda _: store.take_seat(partner_id, 7))) == 7


def _registers(store: Store, user: User) -> bool:
    try:
        store.create_user(user, samples.credential(user))
    except ServiceError as error:
        if error.error is not Errors.USER_EXISTS:
            raise
        return False
    return True


def _is_first(store: Store, user: User) -> bool:
    """Return whether the user became the first admin. Retry while others hold the count."""
    while True:
        try:
            store.create_first_admin(user, samples.credential(user))
        except ServiceError as error:
            if error.error is Errors.ADMIN_EXISTS:
                return False
            if error.error is not Errors.UNAVAILABLE:
                raise
        else:
            return True


def _thirty_admins(store: Store) -> list[User]:
    """Make thirty admins, or promote those of the last round again: this store has no others."""
    known = store.list_users(after="", limit=100).items
    for user in known:
        if not is_active_admin(user):
            store.set_standing(user, status=user.status, roles=("admin",), epoch=user.epoch)
    for _ in range(RACERS - len(known)):
        admin = samples.user(roles=("admin",))
        store.create_user(admin, samples.credential(admin))
    return list(store.list_users(after="", limit=100).items)


def _steps_down(store: Store, admin: User) -> bool:
    return store.set_standing(admin, status=admin.status, roles=("user",), epoch=admin.epoch) is not None


def _deletes_itself(store: Store, admin: User) -> bool:
    store.begin_deletion(admin, mail=None)
    return store.delete_user(admin)


def _is_let_go(leave: Callable[[], bool]) -> bool:
    """Return whether the store let an admin go. Retry while others hold the count."""
    while True:
        try:
            return leave()
        except ServiceError as error:
            if error.error is Errors.LAST_ADMIN:
                return False
            if error.error is not Errors.UNAVAILABLE:
                raise


def _on_device(store: Store, device: LoginDevice) -> bool:
    try:
        return store.reserve_on_device(device, NOW)
    except ServiceError as error:
        if error.error is not Errors.RATE_LIMITED:
            raise
        return False


def _attempts(store: Store, who: str, rule: ThrottleRule) -> int:
    try:
        return store.reserve_attempt(Counter("login", who, rule), NOW)
    except ServiceError as error:
        if error.error is not Errors.RATE_LIMITED:
            raise
        return 0
