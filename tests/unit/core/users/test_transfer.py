"""Import and export: each account comes once, no account gains a permission, and hashes need a fresh sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from latchkey.core.authenticators.store import NewLogin
from latchkey.core.credentials.foreign_hashes import ForeignHash
from latchkey.core.credentials.hash_imports import ImportedHash, read_hash
from latchkey.core.credentials.passwords import CHEAPEST_FOR_TESTS, NO_PASSWORD, WRAPPED_PREFIX, is_hash_of
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import CodePurpose, Credential, Link, MailKind, User, UserStatus
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, Operator, StoredRoles, registry_with
from latchkey.core.users.transfer import Batch, ImportRecord, ImportReport, Refusal, UserTransfer
from tests.integration import samples
from tests.integration.contract import refuses
from tests.world import LOGIN, NOW, World
from tests.world import PASSWORD as OLD_PASSWORD

BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
HASH = read_hash(BCRYPT)
PASSWORD = "U*U"
OTHER = read_hash("pbkdf2_sha1$4096$saltsalt$SwB5AbdlSJq+rUnZJvch0GWkKcE=")
UNSALTED = read_hash("{SHA}bROMo65UVjGzq9caTwds51nFcAs=")
ANN = ImportRecord(LOGIN, HASH, name="Ann", locale="de", source="old-shop", created_at=NOW - 1000)
MOVERS = CustomRoles(1, {"mover": "users:import users:export"})


class Movers:
    """A service, an admin, and an operator who may import and export accounts and nothing else."""

    def __init__(self, world: World) -> None:
        self.world = world
        roles = StoredRoles(lambda: registry_with(MOVERS))
        self.transfer = UserTransfer(
            world.store, world.store, world.store, roles, world.journal, world.entropy, CHEAPEST_FOR_TESTS
        )
        self.boss = Operator("usr_boss", BUILT_IN.permissions(["admin"]), NOW)
        self.mover = Operator("usr_mover", roles.permissions(["mover"]), NOW)

    def bring_in(self, *records: ImportRecord, operator: Operator | None = None, dry_run: bool = False) -> ImportReport:
        """Import records in one batch."""
        batch = Batch(dict(enumerate(records)))
        return self.transfer.bring_in(operator or self.boss, batch, now=NOW, dry_run=dry_run)


@pytest.fixture
def movers(world: World) -> Movers:
    """Movers at work."""
    return Movers(world)


def outcome(report: ImportReport) -> tuple[int, int, list[Errors]]:
    """Return the counts of a report, and the reasons of the rejected records."""
    return report.imported, report.present, [refusal.error.error for refusal in report.refused]


def test_account_comes_with_everything(movers: Movers) -> None:
    """It is stored as its record says, and its owner signs in with the old password."""
    assert outcome(movers.bring_in(ANN)) == (1, 0, [])
    movers.world.log_in(password=PASSWORD)
    credential = movers.world.store.find_credential(LOGIN)
    assert credential
    user = movers.world.store.find_user(credential.sub)
    assert user
    assert (user.name, user.locale, user.source, user.created_at) == ("Ann", "de", "old-shop", NOW - 1000)
    assert (user.status, user.roles, user.sub[:4], len(user.sub)) == (UserStatus.ACTIVE, ("user",), "usr_", 30)


def test_old_hash_is_gone_after_the_first_sign_in(movers: Movers) -> None:
    """The hash is then one of our Argon2id hashes, and the old password still opens the account."""
    movers.bring_in(ANN)
    movers.world.log_in(password=PASSWORD)
    credential = movers.world.store.find_credential(LOGIN)
    assert credential
    assert credential.password_hash.startswith("$argon2id$")
    assert movers.world.log_in(password=PASSWORD).access_token


def test_old_hash_is_never_in_the_table(movers: Movers) -> None:
    """A credential has Argon2id of the old hash from the beginning: a leaked table gives no cheap guesses."""
    records = [ANN, replace(ANN, login="bob@example.com", password_hash=UNSALTED)]
    movers.bring_in(*records)
    for record in records:
        credential = movers.world.store.find_credential(record.login)
        assert credential
        assert credential.password_hash.startswith(WRAPPED_PREFIX)
    stored = str(vars(movers.world.store))
    assert not any(part in stored for part in (BCRYPT[-31:], "bROMo65UVjGzq9caTwds51nFcAs"))


@pytest.mark.parametrize("password_hash", [HASH, OTHER, UNSALTED, None])
def test_id_reveals_nothing_of_the_hash(movers: Movers, password_hash: ImportedHash) -> None:
    """Two hashes that differ in their output alone give one id, or a random one: an id is no way to try passwords."""
    record = replace(ANN, password_hash=password_hash)
    twin = replace(password_hash, output=password_hash.output[::-1]) if isinstance(password_hash, ForeignHash) else None
    ids = [
        [each.sub for each in movers.bring_in(replace(record, password_hash=of), dry_run=True).planned]
        for of in (password_hash, password_hash, twin)
    ]
    is_salted = password_hash in (HASH, OTHER)
    assert len({str(each) for each in ids}) == (1 if is_salted else 3)


def test_wrong_password_is_refused_and_counted_as_ever(movers: Movers) -> None:
    """The answer does not reveal which system made the hash."""
    movers.bring_in(ANN)
    for _ in range(10):
        with refuses(Errors.INVALID_CREDENTIALS):
            movers.world.log_in(password="not it")
    with refuses(Errors.RATE_LIMITED):
        movers.world.log_in(password=PASSWORD)
    assert {event.reason for event in movers.world.journal.events if event.name == "login_failed"} == {"wrong_password"}


@pytest.mark.parametrize("password", ["x" * 1025, "a\u0085b", "anything"])
def test_hash_of_an_empty_password_opens_nothing(movers: Movers, password: str) -> None:
    """A password that no account can have gets the answer of a wrong one, although the old system had hashed none."""
    empty = read_hash("$2b$04$LCkhjskNHV66mX/ln6e1uerNas2AkyypyAWRu.gDZjWj2HeIDJwq.")
    movers.bring_in(replace(ANN, password_hash=empty))
    with refuses(Errors.INVALID_CREDENTIALS):
        movers.world.log_in(password=password)


def test_every_account_leaves_a_line(movers: Movers) -> None:
    """The line names the account, its roles and the operator, and never a hash."""
    movers.bring_in(ANN, replace(ANN, login="bob@example.com"))
    events = [event for event in movers.world.journal.events if event.name == "user_imported"]
    assert [(event.reason, event.actor) for event in events] == [("user", "usr_boss")] * 2
    assert BCRYPT[-31:] not in str(movers.world.journal.events)


@pytest.mark.parametrize("sub", ["", "usr_" + "a" * 26])
def test_account_comes_once(movers: Movers, sub: str) -> None:
    """A repeated record counts as present, even after its owner has signed in and the hash has changed."""
    record = replace(ANN, sub=sub)
    assert outcome(movers.bring_in(record)) == (1, 0, [])
    assert outcome(movers.bring_in(record)) == (0, 1, [])
    movers.world.log_in(password=PASSWORD)
    assert outcome(movers.bring_in(record)) == (0, 1, [])
    assert movers.world.journal.names().count("user_imported") == 1


def test_record_that_stands_twice_in_a_batch_comes_once(movers: Movers) -> None:
    """The second counts as present. With another hash it is rejected."""
    other = replace(ANN, password_hash=OTHER)
    assert outcome(movers.bring_in(ANN, ANN, other)) == (1, 1, [Errors.USER_EXISTS])


def test_login_of_another_account_is_refused(movers: Movers) -> None:
    """An import cannot take over an account."""
    ann = movers.world.register()
    report = movers.bring_in(ANN, replace(ANN, login="bob@example.com"))
    assert outcome(report) == (1, 0, [Errors.USER_EXISTS])
    assert movers.world.store.find_user(ann.sub) == ann
    assert movers.world.log_in().access_token


def test_id_of_another_account_is_refused(movers: Movers) -> None:
    """An id belongs to one account."""
    ann = movers.world.register()
    report = movers.bring_in(ImportRecord("bob@example.com", HASH, sub=ann.sub))
    assert outcome(report) == (0, 0, [Errors.USER_EXISTS])
    assert report.refused[0].error.fields[0].field == "id"
    assert movers.world.store.find_credential("bob@example.com") is None


def test_account_without_a_hash_must_set_a_password(movers: Movers) -> None:
    """No password opens the account. Importing the record again changes nothing."""
    record = ImportRecord(LOGIN)
    assert outcome(movers.bring_in(record)) == (1, 0, [])
    assert outcome(movers.bring_in(record)) == (0, 1, [])
    for password in (NO_PASSWORD, "anything"):
        with refuses(Errors.INVALID_CREDENTIALS):
            movers.world.log_in(password=password)


def test_disabled_account_stays_disabled(movers: Movers) -> None:
    """A user whom the old system had disabled gets the same answer as for a wrong password."""
    movers.bring_in(replace(ANN, status=UserStatus.DISABLED))
    with refuses(Errors.INVALID_CREDENTIALS):
        movers.world.log_in(password=PASSWORD)


@pytest.mark.parametrize(
    ("roles", "error"),
    [(("admin",), Errors.FORBIDDEN), (("user", "service"), Errors.FORBIDDEN), (("wizard",), Errors.VALIDATION_FAILED)],
)
def test_operators_cannot_import_roles_above_their_own(movers: Movers, roles: tuple[str, ...], error: Errors) -> None:
    """A record with a role above the operator's, or an unknown role, is rejected. The rest of the batch is imported."""
    plain = replace(ANN, login="bob@example.com", roles=("mover",))
    report = movers.bring_in(replace(ANN, roles=roles), plain, operator=movers.mover)
    assert outcome(report) == (1, 0, [error])
    assert movers.world.store.find_credential(LOGIN) is None


def test_imported_admin_counts(movers: Movers) -> None:
    """An imported admin counts as the last one, and cannot be demoted."""
    movers.bring_in(replace(ANN, roles=("admin",)))
    [admin] = movers.world.store.list_users(after="", limit=10).items
    with refuses(Errors.LAST_ADMIN):
        movers.world.store.set_standing(admin, status=admin.status, roles=("user",), epoch=0)


def test_account_of_the_future_is_refused(movers: Movers) -> None:
    """A time of registration cannot lie in the future."""
    assert outcome(movers.bring_in(replace(ANN, created_at=NOW + 1))) == (0, 0, [Errors.INVALID_REQUEST])


def test_dry_run_says_the_same_and_changes_nothing(movers: Movers) -> None:
    """A dry run counts new, present and rejected records without a write."""
    movers.world.register("bob@example.com")
    before = movers.bring_in(replace(ANN, login="eve@example.com"))
    records = (ANN, replace(ANN, login="bob@example.com"), replace(ANN, login="eve@example.com"))
    report = movers.bring_in(*records, dry_run=True)
    assert (before.imported, outcome(report)) == (1, (1, 1, [Errors.USER_EXISTS]))
    assert movers.world.store.find_credential(LOGIN) is None
    assert movers.world.journal.names().count("user_imported") == 1


def test_refusals_come_in_the_order_of_the_batch(movers: Movers) -> None:
    """The report lists unreadable records and records that could not be stored in one sequence."""
    unread = (Refusal(1, ServiceError(Errors.INVALID_REQUEST)),)
    future = replace(ANN, created_at=NOW + 1)
    batch = Batch({0: future, 2: future, 3: ANN}, unread)
    report = movers.transfer.bring_in(movers.boss, batch, now=NOW, dry_run=False)
    assert ([refusal.index for refusal in report.refused], report.imported, report.present) == ([0, 1, 2], 1, 0)


def test_store_that_is_away_ends_the_batch(movers: Movers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller repeats the whole batch, since no record was rejected permanently."""

    def away(*_: object, **__: object) -> None:
        raise ServiceError(Errors.UNAVAILABLE)

    monkeypatch.setattr(movers.world.store, "create_user", away)
    with refuses(Errors.UNAVAILABLE):
        movers.bring_in(ANN)


def test_accounts_go_out_with_their_hashes(movers: Movers) -> None:
    """The export returns page after page, oldest account first. The log has the operator and the number of accounts."""
    movers.bring_in(ANN, replace(ANN, login="bob@example.com", created_at=NOW - 5))
    first = movers.transfer.hand_out(movers.mover, after="", limit=1, now=NOW)
    rest = movers.transfer.hand_out(movers.mover, after=first.after, limit=9, now=NOW)
    assert [each.user.login for each in (*first.items, *rest.items)] == [LOGIN, "bob@example.com"]
    assert isinstance(HASH, ForeignHash)
    assert (is_hash_of(first.items[0].password_hash, HASH), rest.after) == (True, "")
    assert [(e.actor, e.reason) for e in movers.world.journal.events[-2:]] == [("usr_mover", "1 accounts")] * 2


def test_accounts_without_a_login_are_not_looked_up(movers: Movers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two partners' users on one page would be one key twice, which DynamoDB refuses for the whole page."""
    movers.bring_in(ANN)
    store, asked = movers.world.store, list[Sequence[str]]()
    for number in range(2):
        guest = User(f"usr_guest{number}", "", UserStatus.ACTIVE, ("user",), 0, NOW)
        assert store.create_external_user(guest, Link(guest.sub, "prt_shop", f"u-{number}", NOW))
    find = store.find_credentials

    def watched(logins: Sequence[str]) -> Mapping[str, Credential]:
        asked.append(logins)
        return find(logins)

    monkeypatch.setattr(store, "find_credentials", watched)
    page = movers.transfer.hand_out(movers.boss, after="", limit=9, now=NOW)
    assert (sorted(each.user.login for each in page.items), asked) == (["", "", LOGIN], [[LOGIN]])


def test_links_with_partners_go_out(movers: Movers) -> None:
    """A partner's user goes out with its link and without a hash, and so does the link of an account with a login."""
    store = movers.world.store
    guest = User("usr_guest", "", UserStatus.ACTIVE, ("user",), 0, NOW)
    gone = User("usr_gone", "", UserStatus.DELETING, ("user",), 0, NOW)
    link = Link(guest.sub, "prt_shop", "u-1", NOW, roles=("user",), attributes='{"plan":3}')
    assert store.create_external_user(guest, link)
    assert store.create_external_user(gone, Link(gone.sub, "prt_shop", "u-2", NOW))
    ann = movers.world.register()
    own = Link(ann.sub, "prt_shop", "u-3", NOW, confirmed_at=NOW)
    assert store.add_link(ann, own)
    page = movers.transfer.hand_out(movers.mover, after="", limit=9, now=NOW)
    by_sub = {each.user.sub: each for each in page.items}
    assert by_sub.keys() == {guest.sub, ann.sub}
    assert (by_sub[guest.sub].links, by_sub[guest.sub].password_hash) == ((link,), NO_PASSWORD)
    assert by_sub[ann.sub].links == (own,)


def test_reserved_login_is_refused(movers: Movers) -> None:
    """A login that another account had until lately is taken, and the report does not count it as imported."""
    world = movers.world
    world.register()
    claims = world.claims(world.log_in())
    who = claims.sub, claims.sid or ""
    world.emails.request(*who, "ann@elsewhere.example", OLD_PASSWORD, now=NOW)
    world.emails.confirm(*who, world.code(MailKind.CHANGE_EMAIL), now=NOW)
    report = movers.bring_in(ANN)
    assert outcome(report) == (0, 0, [Errors.USER_EXISTS])
    assert report.refused[0].error.fields[0].field == "login"


@pytest.mark.parametrize(("age", "allowed"), [(0, True), (599, True), (600, False)])
def test_hashes_go_out_soon_after_a_sign_in_alone(movers: Movers, age: int, allowed: bool) -> None:
    """A token from a sign-in of more than ten minutes ago exports nothing."""
    operator = replace(movers.mover, auth_time=NOW - age)
    if allowed:
        movers.transfer.hand_out(operator, after="", limit=1, now=NOW)
    else:
        with refuses(Errors.RECENT_SIGN_IN_REQUIRED):
            movers.transfer.hand_out(operator, after="", limit=1, now=NOW)


def test_account_that_is_being_deleted_stays_behind(movers: Movers) -> None:
    """An export does not undo a deletion that its owner has been told of."""
    ann = movers.world.register()
    movers.world.store.begin_deletion(ann, mail=None)
    assert movers.transfer.hand_out(movers.boss, after="", limit=9, now=NOW).items == ()


def test_hash_of_who_may_do_more_is_not_handed_out(movers: Movers) -> None:
    """An operator who may only export gets no admin's hash to guess at. An admin gets it."""
    movers.bring_in(ANN, replace(ANN, login="boss2@example.com", roles=("admin",)))
    by_mover, by_boss = (
        {
            each.user.roles: each.password_hash
            for each in movers.transfer.hand_out(operator, after="", limit=10, now=NOW).items
        }
        for operator in (movers.mover, movers.boss)
    )
    assert (by_mover[("admin",)], by_mover[("user",)][:15]) == (NO_PASSWORD, WRAPPED_PREFIX)
    assert {text[:15] for text in by_boss.values()} == {WRAPPED_PREFIX}


def test_sessions_of_a_deleted_account_stay_dead(movers: Movers) -> None:
    """An account imported again under its old id revives no session that a sign-in left during the sweep."""
    world = movers.world
    ann = world.register()
    tokens = world.log_in()
    [session] = world.store.list_sessions(ann.sub, NOW)
    world.erasure(ann.sub, session.sid, OLD_PASSWORD, now=NOW)
    world.store.create_session(session)
    assert outcome(movers.bring_in(replace(ANN, sub=ann.sub))) == (1, 0, [])
    with refuses(Errors.INVALID_GRANT):
        world.refresh(tokens, now=NOW + 1)


@pytest.mark.parametrize("dry_run", [False, True])
def test_record_whose_login_looks_like_another_is_refused(movers: Movers, dry_run: bool) -> None:
    """It is neither imported nor the same account, though neither record has a password."""
    assert outcome(movers.bring_in(ImportRecord("capa"))) == (1, 0, [])
    look_alike = ImportRecord("\u0441\u0430\u0440\u0430")  # Cyrillic
    assert outcome(movers.bring_in(look_alike, dry_run=dry_run)) == (0, 0, [Errors.USER_EXISTS])


# What a repeated record meets


@pytest.mark.parametrize("password_hash", [UNSALTED, None])
@pytest.mark.parametrize("username", ["", "ann"])
def test_account_without_a_lasting_id_comes_once(movers: Movers, password_hash: ImportedHash, username: str) -> None:
    """A record whose hash gives no id is found again by its login and hash, as long as the hash stands."""
    record = replace(ANN, password_hash=password_hash, username=username)
    assert outcome(movers.bring_in(record)) == (1, 0, [])
    assert outcome(movers.bring_in(record)) == (0, 1, [])
    assert outcome(movers.bring_in(replace(record, password_hash=HASH))) == (0, 0, [Errors.USER_EXISTS])


def test_present_account_is_not_hashed_again(movers: Movers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeating an import costs no hash: the id says that the account is there."""
    movers.bring_in(ANN)
    monkeypatch.setattr("latchkey.core.users.transfer.protect", lambda *_: pytest.fail("hashed"))
    monkeypatch.setattr("latchkey.core.users.transfer.is_hash_of", lambda *_: pytest.fail("hashed"))
    assert outcome(movers.bring_in(ANN)) == (0, 1, [])
    assert outcome(movers.bring_in(replace(ANN, login="bob@example.com"), dry_run=True)) == (1, 0, [])


BATCHES: dict[str, tuple[ImportRecord, ...]] = {
    "the same twice": (ANN, ANN),
    "another hash": (ANN, replace(ANN, password_hash=OTHER)),
    "no hash, twice": (ImportRecord(LOGIN), ImportRecord(LOGIN)),
    "one id, two logins": (replace(ANN, sub="usr_a"), replace(ANN, sub="usr_a", login="bob@example.com")),
    "a user name that is taken": (replace(ANN, username="ann"), ImportRecord("bob@example.com", OTHER, "ann")),
    "a login that is a user name": (replace(ANN, username="ann"), ImportRecord("ann", OTHER)),
    "a user name that is a login": (ImportRecord("ann", OTHER), replace(ANN, username="ann")),
    "a look-alike": (ImportRecord("capa"), ImportRecord("\u0441\u0430\u0440\u0430")),
    "a look-alike as a user name": (ImportRecord("capa"), ImportRecord(LOGIN, None, "\u0441\u0430\u0440\u0430")),
    "one user name for two without hashes": (
        ImportRecord("a@b.example", None, "ann"),
        ImportRecord("b@b.example", None, "ann"),
    ),
    "both logins again": (ImportRecord(LOGIN, None, "ann"), ImportRecord(LOGIN, None, "ann")),
    "a refused one first": (replace(ANN, roles=("wizard",)), ANN),
    "three": (ANN, replace(ANN, password_hash=OTHER), ANN),
}


@pytest.mark.parametrize("records", BATCHES.values(), ids=BATCHES)
def test_dry_run_counts_what_the_batch_itself_takes(movers: Movers, records: tuple[ImportRecord, ...]) -> None:
    """Records of one batch can take each other's logins and ids, and a dry run knows."""
    planned, done = movers.bring_in(*records, dry_run=True), movers.bring_in(*records)
    assert outcome(planned) == outcome(done)
    assert [(r.index, r.error.fields) for r in planned.refused] == [(r.index, r.error.fields) for r in done.refused]


# Two logins of one account


BOTH = replace(ANN, username="ann")


def test_both_logins_open_the_account(movers: Movers) -> None:
    """An account with an address and a user name signs in with either, before and after the hash is renewed."""
    assert outcome(movers.bring_in(BOTH)) == (1, 0, [])
    for _ in range(2):
        for login in ("ann", LOGIN):
            assert movers.world.log_in(login, PASSWORD).access_token
    with refuses(Errors.INVALID_CREDENTIALS):
        movers.world.log_in("ann", "not it")


def test_each_login_is_claimed_once(movers: Movers) -> None:
    """Neither registers again, and a record whose logins belong to two accounts is rejected."""
    movers.bring_in(BOTH, ImportRecord("bob@example.com", OTHER, "bob"))
    for login in ("ann", LOGIN, "bob"):
        with refuses(Errors.USER_EXISTS):
            movers.world.register(login)
    report = movers.bring_in(replace(BOTH, username="bob"), ImportRecord("eve@example.com", OTHER, "ann"))
    assert [refusal.error.fields[0].field for refusal in report.refused] == ["username", "username"]
    assert outcome(movers.bring_in(BOTH)) == (0, 1, [])


def test_export_has_both_logins(movers: Movers) -> None:
    """What an export has of the account makes the same account elsewhere."""
    movers.bring_in(BOTH)
    [account] = movers.transfer.hand_out(movers.boss, after="", limit=9, now=NOW).items
    assert (account.user.login, account.user.username) == (LOGIN, "ann")


def test_export_follows_a_login_that_changes(movers: Movers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that has moved between the reads of the list and of the hashes is read again, through its account."""
    movers.bring_in(ANN)
    store = movers.world.store
    listed = store.find_user(movers.world.claims(movers.world.log_in(password=PASSWORD)).sub)
    assert listed
    monkeypatch.setattr(store, "find_credentials", lambda logins: {})
    [account] = movers.transfer.hand_out(movers.boss, after="", limit=9, now=NOW).items
    held = store.find_credential(listed.login)
    assert held
    assert (account.user.sub, account.password_hash) == (listed.sub, held.password_hash)


def test_change_and_reset_of_the_password_hold_for_both_logins(movers: Movers) -> None:
    """There is one password: the new one opens the account by both logins, and the old one by neither."""
    movers.bring_in(BOTH)
    world = movers.world
    claims = world.claims(world.log_in("ann", PASSWORD))
    world.passwords.change(claims.sub, claims.sid or "", PASSWORD, "a new horse battery", now=NOW)
    require_password(world, "a new horse battery", PASSWORD)
    world.mail_requests(MailKind.RESET, "ann", address="192.0.2.9", now=NOW)
    world.passwords.reset(world.code(MailKind.RESET), "another horse battery", now=NOW)
    require_password(world, "another horse battery", "a new horse battery")


def require_password(world: World, right: str, wrong: str) -> None:
    """Check that one password opens the account by both of its logins, and another by neither."""
    for login in ("ann", LOGIN):
        assert world.log_in(login, right).access_token
        with refuses(Errors.INVALID_CREDENTIALS):
            world.log_in(login, wrong)


def test_reset_by_user_name_goes_to_the_address(movers: Movers) -> None:
    """The mail goes to the address of the account, whichever login asked, and never to a second address."""
    movers.bring_in(BOTH, ImportRecord("bob@example.com", OTHER, "old-bob@example.com"))
    world = movers.world
    for login in ("ann", "old-bob@example.com", "nobody"):
        world.mail_requests(MailKind.RESET, login, address="192.0.2.9", now=NOW)
    assert [sent.to for sent in world.deliver()] == [LOGIN, "bob@example.com"]


def test_new_address_keeps_the_user_name(movers: Movers) -> None:
    """The second login leads to the account, so a change of the address leaves it as it is."""
    movers.bring_in(BOTH)
    world = movers.world
    credential = world.store.find_credential("ann")
    assert credential
    user = world.store.find_user(credential.sub)
    assert user
    code = samples.code(purpose=CodePurpose.CHANGE_EMAIL)
    world.store.save_code(code)
    assert world.store.change_login(NewLogin(credential, user, "new@example.com", NOW, code))
    for login in ("ann", "new@example.com"):
        assert world.log_in(login, PASSWORD).access_token


def test_deleted_account_frees_both_logins(movers: Movers) -> None:
    """Both can be registered again, by anyone."""
    movers.bring_in(BOTH)
    world = movers.world
    claims = world.claims(world.log_in("ann", PASSWORD))
    world.erasure(claims.sub, claims.sid or "", PASSWORD, now=NOW)
    for login in ("ann", LOGIN):
        assert world.register(login)


# What an account may do


@pytest.mark.parametrize(("password_hash", "can"), [(HASH, True), (UNSALTED, True), (None, False)])
def test_account_with_a_hash_can_sign_in(movers: Movers, password_hash: ImportedHash, can: bool) -> None:
    """An account without a hash has no authenticator of its own."""
    movers.bring_in(replace(ANN, password_hash=password_hash))
    [user] = movers.world.store.list_users(after="", limit=9).items
    assert user.can_sign_in is can


@pytest.mark.parametrize(
    ("record", "verified_at"),
    [
        (ANN, 0),
        (replace(ANN, verified_at=NOW), NOW),
        (ImportRecord("ann", HASH, verified_at=NOW), 0),
    ],
)
def test_only_an_address_is_verified(movers: Movers, record: ImportRecord, verified_at: int) -> None:
    """The time comes along for an address, and means nothing for a user name."""
    movers.bring_in(record)
    [user] = movers.world.store.list_users(after="", limit=9).items
    assert user.verified_at == verified_at


def test_address_verified_in_the_future_is_refused(movers: Movers) -> None:
    """A time of confirmation cannot lie in the future."""
    assert outcome(movers.bring_in(replace(ANN, verified_at=NOW + 1))) == (0, 0, [Errors.INVALID_REQUEST])
