"""Accounts on the move: in from another system, out to another stack.

An account is imported once, even if its record is sent repeatedly: the import is one conditional transaction, and a
record without an id gets one derived from the record itself. So a client can safely repeat a request whose response was
lost.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import RECENT_SIGN_IN, Credential, Link, User, UserStatus
from latchkey.core.paging import Page
from latchkey.core.partners.store import LinkStore
from latchkey.core.roles.authority import Act, Authority, require_known_roles
from latchkey.core.roles.roles import Operator, Roles
from latchkey.core.users.store import UserStore

MAX_BATCH = 100
"""Records of one request: their credentials are read at once."""


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An account to import: a canonical login, and a hash in its canonical text.

    An empty `sub` means that it has no id.
    """

    login: str
    password_hash: str = NO_PASSWORD
    sub: str = ""
    name: str = ""
    locale: str = ""
    source: str = ""
    roles: tuple[str, ...] = ("user",)
    status: UserStatus = UserStatus.ACTIVE
    created_at: int | None = None
    verified_at: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not imported, by its place in the batch."""

    index: int
    error: ServiceError


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of a batch: the number of new accounts and of existing ones, and the rejected records."""

    imported: int
    present: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """An account with its credential and its links with partners. Users of partners have links alone."""

    user: User
    password_hash: str
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one request by their places, and the errors of those that could not be read."""

    records: Mapping[int, ImportRecord]
    refused: tuple[Refusal, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class UserTransfer:
    """Brings accounts in and hands them out, for operators. `roles` are those of this moment."""

    users: UserStore
    credentials: CredentialStore
    links: LinkStore
    roles: Roles
    journal: Journal
    entropy: Entropy

    def bring_in(self, operator: Operator, batch: Batch, *, now: int, dry_run: bool) -> ImportReport:
        """Import the accounts of a batch. A rejected record does not affect the others.

        A dry run returns the same results, and changes nothing. After `UNAVAILABLE`, send the whole batch again.
        """
        authority = Authority(operator, self.roles.registry())
        held = self.users.find_credentials([record.login for record in batch.records.values()])
        fresh = 0
        refused = list(batch.refused)
        for index, record in batch.records.items():
            try:
                fresh += self._bring_in(authority, record, held.get(record.login), now=now, dry_run=dry_run)
            except ServiceError as error:
                if error.error is Errors.UNAVAILABLE:
                    raise
                refused.append(Refusal(index, error))
        present = len(batch.records) + len(batch.refused) - len(refused) - fresh
        return ImportReport(fresh, present, tuple(sorted(refused, key=lambda refusal: refusal.index)))

    def hand_out(self, operator: Operator, *, after: str, limit: int, now: int) -> Page[Exported]:
        """Return some of all accounts with their hashes and links, oldest first.

        Anyone who guesses a password can use that account. So the export omits the hash of a user with permissions that
        the operator lacks. Raises `RECENT_SIGN_IN_REQUIRED` long after a sign-in, and for a machine.
        """
        if now - operator.auth_time >= RECENT_SIGN_IN:
            raise ServiceError(Errors.RECENT_SIGN_IN_REQUIRED)
        page = self.users.list_users(after=after, limit=limit)
        accounts = tuple(self._guarded(each, operator) for each in self._with_credentials(page.items))
        self.journal.record(Event("users_exported", actor=operator.sub, reason=f"{len(accounts)} accounts"))
        return Page(accounts, page.after)

    def _guarded(self, account: Exported, operator: Operator) -> Exported:
        if operator.holds(self.roles.permissions(account.user.roles)):
            return account
        return replace(account, password_hash=NO_PASSWORD)

    def _bring_in(
        self, authority: Authority, record: ImportRecord, held: Credential | None, *, now: int, dry_run: bool
    ) -> bool:
        """Say whether the account is new; raise if it can neither be imported nor equal the existing one."""
        require_known_roles(record.roles, authority.registry)
        authority.require_for_account(Act.GIVE, after=authority.registry.permissions(record.roles))
        for name, moment in (("created_at", record.created_at or 0), ("verified_at", record.verified_at)):
            if moment > now:
                raise invalid_field(name, "bad_value", "This time is in the future.")
        user = self._user(record, now)
        credential = Credential(record.login, user.sub, record.password_hash, user.epoch)
        if held is not None or dry_run:
            return not self._is_present(record, credential, held)
        try:
            self.users.create_user(user, credential)
        except ServiceError as error:
            if error.error is not Errors.USER_EXISTS:
                raise
            held = self.credentials.find_credential(record.login)
            if held is None and self.credentials.find_user(user.sub) is None:  # reserved, or it looks like another's
                raise ServiceError(Errors.USER_EXISTS, "the login is not free", fields=(_TAKEN_LOGIN,)) from None
            return not self._is_present(record, credential, held)
        self.journal.record(
            Event("user_imported", sub=user.sub, reason=" ".join(user.roles), actor=authority.operator.sub)
        )
        return True

    def _is_present(self, record: ImportRecord, wanted: Credential, held: Credential | None) -> bool:
        """Say whether the record's account exists; raise `USER_EXISTS` if another account has its login or its id."""
        if held is not None:
            same_hash = held.login == wanted.login and held.password_hash == wanted.password_hash
            if held.sub == wanted.sub or same_hash:
                return True
            raise ServiceError(Errors.USER_EXISTS, "the login is another's", fields=(_TAKEN_LOGIN,))
        if self.credentials.find_user(wanted.sub) is None:
            return False
        if record.sub:
            raise ServiceError(Errors.USER_EXISTS, "the id is another's", fields=(_TAKEN_ID,))
        return True  # imported once, and has changed its login since

    def _user(self, record: ImportRecord, now: int) -> User:
        return User(
            sub=record.sub or self._new_sub(record),
            login=record.login,
            status=record.status,
            roles=record.roles,
            epoch=now,  # later than any session or code of a deleted account that had this id
            created_at=now if record.created_at is None else record.created_at,
            name=record.name,
            locale=record.locale,
            source=record.source,
            can_sign_in=record.password_hash != NO_PASSWORD,
            verified_at=record.verified_at,
        )

    def _new_sub(self, record: ImportRecord) -> str:
        """Return an id for a record without one: always the same for a login and hash.

        The salt makes it unguessable.
        """
        if record.password_hash == NO_PASSWORD:
            return new_id("usr_", self.entropy)
        digest = hashlib.sha256(f"latchkey import\n{record.login}\n{record.password_hash}".encode()).digest()
        return "usr_" + b32encode(digest[:16]).decode().rstrip("=").lower()

    def _with_credentials(self, users: Sequence[User]) -> Iterator[Exported]:
        held = self.users.find_credentials([user.login for user in users if user.login])
        for listed in users:
            if not listed.login:  # a partner's user has no hash to take along
                if listed.status is not UserStatus.DELETING:
                    yield Exported(listed, NO_PASSWORD, self.links.list_links(listed.sub))
                continue
            user: User | None = listed
            credential = held.get(listed.login)
            if credential is None or credential.sub != listed.sub:  # the login has changed between the two reads
                user = self.credentials.find_user(listed.sub)
                credential = self.credentials.find_credential(user.login) if user else None
            if user and credential and credential.sub == user.sub and user.status is not UserStatus.DELETING:
                links = self.links.list_links(user.sub) if user.linked_at else ()
                yield Exported(user, credential.password_hash, links)


_TAKEN_LOGIN = FieldError("login", "user_exists", "Another account has this login.")
_TAKEN_ID = FieldError("id", "user_exists", "Another account has this id.")
