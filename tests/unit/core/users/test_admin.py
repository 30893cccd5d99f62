"""Accounts as operators manage them: which operator may change which account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.model import MailKind, User, UserStatus
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, Operator, StoredRoles, registry_with
from latchkey.core.throttle import strangers_of
from latchkey.core.users.accounts import Registration
from latchkey.core.users.admin import Standing, UserAdmin
from tests.world import LOGIN, NOW, PASSWORD, World

HELP_DESK = CustomRoles(1, {"help_desk": "users:read users:write"})


class Office:
    """A service with an admin, a help desk and Ann."""

    def __init__(self, world: World) -> None:
        self.world = world
        roles = StoredRoles(lambda: registry_with(HELP_DESK))
        self.admin = UserAdmin(
            users=world.store,
            credentials=world.store,
            partner_links=world.store,
            standing=world.store,
            devices=world.store,
            accounts=world.accounts,
            sessions=world.sessions,
            roles=roles,
            journal=world.journal,
            outbox=world.outbox,
        )
        self.ann = world.register()
        self.boss = self.account("boss@example.com", "admin")
        self.operator = Operator(self.boss.sub, BUILT_IN.permissions(["admin"]), NOW)
        self.desk = Operator("usr_desk", roles.permissions(["help_desk"]), NOW)

    def account(self, login: str, *roles: str) -> User:
        """Store an account without the service."""
        return self.world.accounts.create(Registration(login, PASSWORD), roles=roles, now=NOW)

    def refuses(self, error: Errors, operator: Operator, user: User, wanted: Standing) -> bool:
        """Return whether a change is rejected with this error and has no effect."""
        before = self.admin.find(user.sub)
        with pytest.raises(ServiceError) as raised:
            self.admin.change(operator, user.sub, wanted)
        return raised.value.error is error and self.admin.find(user.sub) == before


@pytest.fixture
def office(world: World) -> Office:
    """An office at work."""
    return Office(world)


def test_role_change_acts_at_the_next_refresh(office: Office) -> None:
    """The session goes on, and its next token has the new role."""
    tokens = office.world.log_in()
    office.admin.change(office.operator, office.ann.sub, Standing(roles=("user", "help_desk")))
    roles = office.world.store.find_user(office.ann.sub)
    assert roles is not None
    assert roles.roles == ("user", "help_desk")
    assert office.world.refresh(tokens, now=NOW + 1).access_token


def test_disabling_ends_refresh_at_once(office: Office) -> None:
    """No earlier token refreshes any more, and no password signs in."""
    tokens = office.world.log_in()
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.DISABLED))
    with pytest.raises(ServiceError, match="invalid_grant"):
        office.world.refresh(tokens, now=NOW + 1)
    with pytest.raises(ServiceError, match="invalid_credentials"):
        office.world.log_in()


def test_enabled_account_signs_in_again_but_no_old_session_lives(office: Office) -> None:
    """A session that slipped past the ending is older than the account's epoch."""
    tokens = office.world.log_in()
    [session] = office.world.store.list_sessions(office.ann.sub, NOW)
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.DISABLED))
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.ACTIVE))
    office.world.store.create_session(session)
    with pytest.raises(ServiceError, match="invalid_grant"):
        office.world.refresh(tokens, now=NOW + 1)
    assert office.world.log_in().access_token


def test_operators_cannot_promote_themselves(office: Office) -> None:
    """Operators cannot give themselves a role, even one whose permissions they already have."""
    assert office.refuses(Errors.FORBIDDEN, office.operator, office.boss, Standing(roles=("admin", "help_desk")))


def test_operators_cannot_give_what_they_lack(office: Office) -> None:
    """A help desk cannot make admins, or give access to private data."""
    for role in ("admin", "privacy"):
        assert office.refuses(Errors.FORBIDDEN, office.desk, office.ann, Standing(roles=(role,)))


def test_account_with_a_role_above_the_operator_is_not_opened(office: Office) -> None:
    """Creating an account is no way around this rule."""
    with pytest.raises(ServiceError, match="forbidden"):
        office.admin.create(office.desk, Registration("eve@example.com", PASSWORD), ("admin",), now=NOW)
    assert office.admin.find_login("eve@example.com") == ()


@pytest.mark.parametrize("wanted", [Standing(UserStatus.DISABLED), Standing(roles=("user",))])
def test_admins_account_is_out_of_reach_below(office: Office, wanted: Standing) -> None:
    """An operator who lacks an admin's permissions cannot disable or demote one, or end an admin's sessions."""
    office.account("second@example.com", "admin")
    assert office.refuses(Errors.FORBIDDEN, office.desk, office.boss, wanted)
    with pytest.raises(ServiceError, match="forbidden"):
        office.admin.end_sessions(office.desk, office.boss.sub)
    with pytest.raises(ServiceError, match="forbidden"):
        office.admin.forget_devices(office.desk, office.boss.sub, now=NOW)


def test_operator_forgets_the_devices_of_an_account(office: Office) -> None:
    """The log names the operator, sessions go on, and the device pays as a stranger."""
    world, token = office.world, office.world.log_in().device_token
    office.admin.forget_devices(office.desk, office.ann.sub, now=NOW)
    event = world.journal.events[-1]
    assert (event.name, event.sub, event.actor) == ("devices_forgotten", office.ann.sub, office.desk.sub)
    assert len(world.store.list_sessions(office.ann.sub, NOW)) == 1
    with pytest.raises(ServiceError, match="invalid_credentials"):
        world.log_in(password="not the right one", device_token=token)
    assert world.store.attempts(strangers_of(office.ann.login), NOW).count == 1


def test_account_of_a_partner_alone_has_no_devices(office: Office) -> None:
    """There is nothing to forget, and nothing to report."""
    before = list(office.world.journal.events)
    office.world.put_user(replace(office.ann, sub="usr_partners", login="", can_sign_in=False))
    office.admin.forget_devices(office.operator, "usr_partners", now=NOW)
    assert office.world.journal.events == before


def test_log_names_the_operator_who_ends_sessions(office: Office) -> None:
    """Sessions end when an operator ends all of them or disables the account."""
    office.admin.end_sessions(office.operator, office.ann.sub)
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.DISABLED))
    ended = [event for event in office.world.journal.events if event.name == "sessions_ended"]
    assert [(event.reason, event.actor) for event in ended] == [
        ("ended_by_operator", office.boss.sub),
        ("account_disabled", office.boss.sub),
    ]


def test_last_admin_stays(office: Office) -> None:
    """No operator can disable or demote the last admin, not even that admin."""
    for wanted in (Standing(UserStatus.DISABLED), Standing(roles=("user",))):
        assert office.refuses(Errors.LAST_ADMIN, office.operator, office.boss, wanted)


@pytest.mark.parametrize("wanted", [Standing(UserStatus.ACTIVE), Standing(roles=("user", "help_desk"))])
def test_account_that_its_owner_deletes_is_not_called_back(office: Office, wanted: Standing) -> None:
    """Its owner has been told that it is deleted, however long the sweep takes."""
    office.world.store.begin_deletion(office.ann, mail=None)
    assert office.refuses(Errors.CONFLICT, office.operator, office.ann, wanted)


def test_unknown_role_is_refused_by_name(office: Office) -> None:
    """A typing error grants nothing silently."""
    with pytest.raises(ServiceError, match="validation_failed") as raised:
        office.admin.change(office.operator, office.ann.sub, Standing(roles=("user", "Admin")))
    assert [fault.message for fault in raised.value.fields] == ["Admin is not known."]


def test_role_that_went_out_of_use_may_stay_and_go(office: Office) -> None:
    """An operator can change an account that still has a deleted role, and keep or remove that role."""
    office.world.put_user(replace(office.ann, roles=("user", "gone")))
    kept = office.admin.change(office.operator, office.ann.sub, Standing(roles=("user", "gone", "help_desk")))
    assert "gone" in kept.roles
    assert office.admin.change(office.operator, office.ann.sub, Standing(roles=("user",))).roles == ("user",)


def test_what_changes_nothing_reports_nothing(office: Office) -> None:
    """Setting the same status and roles again reports no event and ends no session."""
    tokens = office.world.log_in()
    events = len(office.world.journal.events)
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.ACTIVE, ("user",)))
    assert len(office.world.journal.events) == events
    assert office.world.refresh(tokens, now=NOW + 1).access_token


def test_events_name_the_operator(office: Office) -> None:
    """The event names the operator and the account."""
    office.admin.change(office.operator, office.ann.sub, Standing(UserStatus.DISABLED, ("user", "help_desk")))
    found = [(each.name, each.sub, each.actor) for each in office.world.journal.events if each.actor]
    assert found == [
        (name, office.ann.sub, office.boss.sub) for name in ("user_disabled", "roles_changed", "sessions_ended")
    ]


def test_account_without_a_password_rejects_every_password(office: Office) -> None:
    """The account waits for a password, and an empty one is not a password."""
    user = office.admin.create(office.operator, Registration("new@example.com", None), (), now=NOW)
    assert user.roles == ("user",)
    with pytest.raises(ServiceError, match="invalid_credentials"):
        office.world.log_in("new@example.com", "")


@pytest.mark.parametrize("typed", [LOGIN, "Ann@Example.COM"])
def test_login_is_found_as_it_is_typed(office: Office, typed: str) -> None:
    """The search uses the canonical form."""
    assert office.admin.find_login(typed) == (office.ann,)


def test_unknown_login_finds_no_account(office: Office) -> None:
    """The answer is empty and not an error."""
    assert office.admin.find_login("nobody@example.com") == ()


def test_operator_sends_the_mail_that_its_owner_could_ask_for(office: Office) -> None:
    """The code in the mail sets a new password, and the journal names the operator who sent it."""
    office.admin.send_reset(office.desk, office.ann.sub, now=NOW)
    code = office.world.code(MailKind.RESET)
    office.world.passwords.reset(code, "a walk in the rain", now=NOW)
    assert office.world.log_in(password="a walk in the rain")
    assert Event("password_reset_sent", sub=office.ann.sub, actor="usr_desk") in office.world.journal.events


def no_mail(admin: UserAdmin, operator: Operator, user: User) -> Errors:
    """Return the error with which a mail to an account is rejected."""
    with pytest.raises(ServiceError) as raised:
        admin.send_reset(operator, user.sub, now=NOW)
    return raised.value.error


def test_no_mail_goes_where_none_could_arrive(office: Office) -> None:
    """For a user name, a disabled account or a stack without mail, the operator gets an error, and no mail waits."""
    admin, name = office.admin, office.account("annie", "user")
    silent = replace(admin, outbox=replace(office.world.outbox, sends=False))
    refused = [no_mail(admin, office.operator, name), no_mail(silent, office.operator, office.ann)]
    admin.change(office.operator, office.ann.sub, Standing(status=UserStatus.DISABLED))
    refused.append(no_mail(admin, office.operator, office.ann))
    assert refused == [Errors.NO_MAIL] * 3
    assert office.world.waiting() == []


def test_mail_to_an_admin_is_an_admins_to_send(office: Office) -> None:
    """The help desk cannot mail the account of an admin, or an account that does not exist."""
    missing = replace(office.ann, sub="usr_missing")
    refused = [no_mail(office.admin, office.desk, user) for user in (office.boss, missing)]
    assert refused == [Errors.FORBIDDEN, Errors.NOT_FOUND]


def test_admin_without_a_password_does_not_stand_in_for_the_last_one(office: Office) -> None:
    """Until that admin has set a password, the other one can be neither disabled nor demoted."""
    ghost = Registration("ghost@example.com", None)
    made = office.admin.create(office.operator, ghost, ("admin",), now=NOW)
    for wanted in (Standing(status=UserStatus.DISABLED), Standing(roles=("user",))):
        assert office.refuses(Errors.LAST_ADMIN, office.operator, office.boss, wanted)
    office.admin.send_reset(office.operator, made.sub, now=NOW)
    office.world.passwords.reset(office.world.code(MailKind.RESET), PASSWORD, now=NOW)
    assert office.admin.change(office.operator, office.boss.sub, Standing(status=UserStatus.DISABLED))
