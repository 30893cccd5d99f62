"""Import and export: each account comes once, no account gains a permission, and hashes need a fresh sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from latchkey.core.credentials.hash_imports import canonical_hash
from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, Link, MailKind, User, UserStatus
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, Operator, StoredRoles, registry_with
from latchkey.core.users.transfer import Batch, ImportRecord, ImportReport, Refusal, UserTransfer
from tests.integration.contract import refuses
from tests.world import LOGIN, NOW, World
from tests.world import PASSWORD as OLD_PASSWORD

HASH = canonical_hash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
PASSWORD = "U*U"
ANN = ImportRecord(LOGIN, HASH, name="Ann", locale="de", source="old-shop", created_at=NOW - 1000)
MOVERS = CustomRoles(1, {"mover": "users:import users:export"})


class Movers:
    """A service, an admin, and an operator who may import and export accounts and nothing else."""

    def __init__(self, world: World) -> None:
        self.world = world
        roles = StoredRoles(lambda: registry_with(MOVERS))
        self.transfer = UserTransfer(world.store, world.store, world.store, roles, world.journal, world.entropy)
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


def test_wrong_password_is_refused_and_counted_as_ever(movers: Movers) -> None:
    """The answer does not reveal which system made the hash."""
    movers.bring_in(ANN)
    for _ in range(10):
        with refuses(Errors.INVALID_CREDENTIALS):
            movers.world.log_in(password="not it")
    with refuses(Errors.RATE_LIMITED):
        movers.world.log_in(password=PASSWORD)
    assert {event.reason for event in movers.world.journal.events if event.name == "login_failed"} == {"wrong_password"}


def test_every_account_leaves_a_line(movers: Movers) -> None:
    """The line names the account, its roles and the operator, and never a hash."""
    movers.bring_in(ANN, replace(ANN, login="bob@example.com"))
    events = [event for event in movers.world.journal.events if event.name == "user_imported"]
    assert [(event.reason, event.actor) for event in events] == [("user", "usr_boss")] * 2
    assert HASH not in str(movers.world.journal.events)


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
    other = replace(ANN, password_hash=HASH.replace("$2a", "$2b"))
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
    assert (first.items[0].password_hash, rest.after) == (HASH, "")
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
    assert by_mover == {("user",): HASH, ("admin",): NO_PASSWORD}
    assert by_boss == {("user",): HASH, ("admin",): HASH}


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
    assert outcome(movers.bring_in(ImportRecord("capa", NO_PASSWORD))) == (1, 0, [])
    look_alike = ImportRecord("\u0441\u0430\u0440\u0430", NO_PASSWORD)  # Cyrillic
    assert outcome(movers.bring_in(look_alike, dry_run=dry_run)) == (0, 0, [Errors.USER_EXISTS])
