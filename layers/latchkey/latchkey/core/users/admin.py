"""Administration of accounts.

Operators cannot give permissions that they lack, except those of customer roles, or add a role to their own account.
They can only disable an account with an operator's permission that they lack, and end its sessions. Only an admin can
touch an admin's account. At least one active admin must remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.store import DeviceStore, StandingStore
from latchkey.core.credentials.logins import parse_login
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import Sessions
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.postage import by_operator
from latchkey.core.model import Link, MailKind, User, UserStatus
from latchkey.core.paging import Page
from latchkey.core.partners.store import LinkStore
from latchkey.core.roles.authority import Act, Authority, require_known_roles
from latchkey.core.roles.roles import Operator, Roles
from latchkey.core.users.accounts import Accounts, Registration
from latchkey.core.users.store import UserStore


@dataclass(frozen=True, slots=True)
class Standing:
    """The changes of an account; `None` leaves a member unchanged."""

    status: UserStatus | None = None
    roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class UserAdmin:
    """Shows, opens and changes accounts for operators. `roles` are those of this moment."""

    users: UserStore
    credentials: CredentialStore
    partner_links: LinkStore
    standing: StandingStore
    devices: DeviceStore
    accounts: Accounts
    sessions: Sessions
    roles: Roles
    journal: Journal
    outbox: Outbox

    def find(self, sub: str) -> User:
        """Return an account. Raises `NOT_FOUND`."""
        user = self.credentials.find_user(sub)
        if user is None:
            raise ServiceError(Errors.NOT_FOUND, "no such user")
        return user

    def links(self, user: User) -> tuple[Link, ...]:
        """Return the links of an account with partners, with all that is kept of them."""
        return self.partner_links.list_links(user.sub)

    def find_login(self, login: str) -> tuple[User, ...]:
        """Return the account of a login as typed, or `None`. Raises `INVALID_REQUEST` for a malformed login."""
        credential = self.credentials.find_credential(parse_login(login))
        user = self.credentials.find_user(credential.sub) if credential else None
        return (user,) if user else ()

    def page(self, *, after: str, limit: int) -> Page[User]:
        """Return some of all accounts, oldest first."""
        return self.users.list_users(after=after, limit=limit)

    def create(self, operator: Operator, registration: Registration, roles: tuple[str, ...], *, now: int) -> User:
        """Open an account. Without a password, its owner can sign in only after one is set.

        Raises `VALIDATION_FAILED` for an unknown role, `FORBIDDEN` for permissions that the operator lacks, and the
        errors of a registration.
        """
        roles = roles or ("user",)
        registry = self.roles.registry()
        require_known_roles(roles, registry)
        Authority(operator, registry).require_for_account(Act.GIVE, after=registry.permissions(roles))
        user = self.accounts.create(registration, roles=roles, now=now)
        self.journal.record(Event("user_created", sub=user.sub, reason=" ".join(roles), actor=operator.sub))
        return user

    def change(self, operator: Operator, sub: str, wanted: Standing) -> User:
        """Disable or enable an account, or give it other roles; return the changed account.

        A disabled account's sessions end at once. New roles take effect at the next refresh, and on our own routes at
        once. Raises `NOT_FOUND`, `FORBIDDEN`, `LAST_ADMIN`, and `CONFLICT` if another request changed the account
        first, or its owner has deleted it.
        """
        user = self.find(sub)
        roles = user.roles if wanted.roles is None else wanted.roles
        status = wanted.status or user.status
        self._require_allowed(operator, user, status, roles)
        if user.status is UserStatus.DELETING:  # its owner was told that the account is deleted
            raise ServiceError(Errors.CONFLICT, "the account is being deleted")
        disabling = status is UserStatus.DISABLED and user.status is not UserStatus.DISABLED
        if (status, roles) == (user.status, user.roles):
            return user
        changed = self.standing.set_standing(user, status=status, roles=roles, epoch=user.epoch + disabling)
        if changed is None:
            raise ServiceError(Errors.CONFLICT, "the account has changed meanwhile")
        self._report(operator, user, changed)
        if disabling:
            self.sessions.end_all(sub, reason="account_disabled", actor=operator.sub)
        return changed

    def end_sessions(self, operator: Operator, sub: str) -> None:
        """End every session of an account. Raises `NOT_FOUND`, and `FORBIDDEN` for an admin's."""
        self._require(operator, Act.STOP, self.find(sub))
        self.sessions.end_all(sub, reason="ended_by_operator", actor=operator.sub)

    def forget_devices(self, operator: Operator, sub: str, *, now: int) -> None:
        """Let every device that is known to the login of an account count as an unknown one.

        Raises `NOT_FOUND`, `CONFLICT`, and `FORBIDDEN` for an account with an operator's permission that this operator
        lacks. An account that only partners open has no known devices.
        """
        user = self.find(sub)
        self._require(operator, Act.KEEP, user)
        held = self.credentials.find_credential(user.login) if user.login else None
        if held is None:
            return
        if held.sub != sub or not self.devices.forget_devices(held, now):
            raise ServiceError(Errors.CONFLICT, "the account has changed meanwhile")
        self.journal.record(Event("devices_forgotten", sub=sub, actor=operator.sub))

    def send_reset(self, operator: Operator, sub: str, *, now: int) -> None:
        """Mail the owner of an account a code for a new password, as if the owner had asked for it.

        Raises `NOT_FOUND`, `FORBIDDEN` for an account with an operator's permission that this operator lacks, and
        `NO_MAIL` if the account cannot receive mail.
        """
        user = self.find(sub)
        self._require(operator, Act.KEEP, user)
        if user.status is not UserStatus.ACTIVE:
            raise ServiceError(Errors.NO_MAIL, f"an account that is {user.status}")
        if not self.outbox.post(MailKind.RESET, to=user.login, asked_by=by_operator(operator.sub), now=now):
            raise ServiceError(Errors.NO_MAIL, "nowhere to send to")
        self.journal.record(Event("password_reset_sent", sub=sub, actor=operator.sub))

    def _require_allowed(self, operator: Operator, user: User, status: UserStatus, roles: tuple[str, ...]) -> None:
        registry = self.roles.registry()
        added = set(roles) - {*user.roles, *registry.effective_roles(user.roles)}  # `user` comes with any other
        require_known_roles(added, registry)
        if added and operator.sub == user.sub:
            raise ServiceError(Errors.FORBIDDEN, "operators cannot grant themselves roles")
        before, after = registry.permissions(user.roles), registry.permissions(roles)
        act = _act(user, status, roles, grows=not set(after) <= set(before))
        Authority(operator, registry).require_for_account(act, before=before, after=after)

    def _require(self, operator: Operator, act: Act, user: User) -> None:
        registry = self.roles.registry()
        Authority(operator, registry).require_for_account(act, before=registry.permissions(user.roles))

    def _report(self, operator: Operator, before: User, after: User) -> None:
        if before.status is not after.status:
            name = "user_disabled" if after.status is UserStatus.DISABLED else "user_enabled"
            self.journal.record(Event(name, sub=after.sub, actor=operator.sub))
        if before.roles != after.roles:
            reason = f"{' '.join(before.roles)} -> {' '.join(after.roles)}"
            self.journal.record(Event("roles_changed", sub=after.sub, reason=reason, actor=operator.sub))


def _act(user: User, status: UserStatus, roles: tuple[str, ...], *, grows: bool) -> Act:
    if grows or (status is UserStatus.ACTIVE and user.status is not UserStatus.ACTIVE):
        return Act.GIVE
    return Act.STOP if status is UserStatus.DISABLED and set(roles) == set(user.roles) else Act.KEEP
