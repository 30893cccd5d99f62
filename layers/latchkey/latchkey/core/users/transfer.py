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

from latchkey.core.credentials.foreign_hashes import ForeignHash
from latchkey.core.credentials.hash_imports import ImportedHash, WrappedHash
from latchkey.core.credentials.logins import is_email, look_of
from latchkey.core.credentials.passwords import NO_PASSWORD, SALT_BYTES, Argon2Cost, is_hash_of, protect
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

MAX_BATCH = 25
"""Records of one request: each takes an Argon2id hash and a transaction, and all must fit into Lambda's time."""

_LONG_SALT = 8
"""Bytes of a salt that cannot be guessed."""


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An account to import: a canonical login, perhaps a second one in `username`, and a password hash.

    An empty `sub` means that it has no id. `verified_at` is that of the account, and 0 if its address was never
    confirmed.
    """

    login: str
    password_hash: ImportedHash = None
    username: str = ""
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
class Planned:
    """An account that a dry run would open: a record, by its place in the batch, and the id of the account."""

    index: int
    record: ImportRecord
    sub: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of a batch: the number of new accounts and of existing ones, and the rejected records.

    `planned` has the new accounts of a dry run.
    """

    imported: int
    present: int
    refused: tuple[Refusal, ...]
    planned: tuple[Planned, ...] = ()


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
class _Holder:
    """The account that has a login, or one that looks like it: in the store, or planned by a dry run."""

    login: str
    sub: str
    password_hash: str | ImportedHash

    def is_of(self, planned: Planned) -> bool:
        """Say whether this is the account of a record."""
        return self.sub == planned.sub or (
            self.login == planned.record.login and self._has(planned.record.password_hash)
        )

    def _has(self, wanted: ImportedHash) -> bool:
        if not isinstance(self.password_hash, str):
            return self.password_hash == wanted
        if wanted is None or isinstance(wanted, WrappedHash):
            return self.password_hash == (wanted.text if wanted else NO_PASSWORD)
        return is_hash_of(self.password_hash, wanted)


@dataclass(slots=True)
class _Claims:
    """The logins and ids that are taken, as far as a batch is concerned. `holders` are by the looks of their logins."""

    holders: dict[str, _Holder]
    planned: list[Planned] = field(default_factory=list)

    def of(self, record: ImportRecord) -> dict[str, _Holder]:
        """Return the accounts that have the logins of a record, by the names of the members."""
        found = {name: self.holders.get(look_of(login)) for name, login in _logins(record).items()}
        return {name: holder for name, holder in found.items() if holder}

    def has_id(self, sub: str) -> bool:
        """Say whether a dry run has planned this id."""
        return any(each.sub == sub for each in self.planned)

    def plan(self, planned: Planned) -> None:
        """Note an account that a dry run would open, as the store would have it."""
        self.planned.append(planned)
        record = planned.record
        self.holders[look_of(record.login)] = _Holder(record.login, planned.sub, record.password_hash)
        if record.username:
            self.holders[look_of(record.username)] = _Holder(record.username, planned.sub, "")


@dataclass(frozen=True, slots=True)
class UserTransfer:
    """Brings accounts in and hands them out, for operators. `roles` are those of this moment."""

    users: UserStore
    credentials: CredentialStore
    links: LinkStore
    roles: Roles
    journal: Journal
    entropy: Entropy
    cost: Argon2Cost

    def bring_in(self, operator: Operator, batch: Batch, *, now: int, dry_run: bool) -> ImportReport:
        """Import the accounts of a batch. A rejected record does not affect the others.

        A dry run returns the same results, and changes nothing. After `UNAVAILABLE`, send the whole batch again.
        """
        authority = Authority(operator, self.roles.registry())
        claims = self._claims(*batch.records.values())
        fresh = 0
        refused = list(batch.refused)
        for index, record in batch.records.items():
            try:
                _require_allowed(authority, record, now)
                planned = Planned(index, record, record.sub or self._new_sub(record))
                if dry_run:
                    fresh += self._plan(planned, claims)
                else:
                    fresh += self._bring_in(operator, planned, claims, now)
            except ServiceError as error:
                if error.error is Errors.UNAVAILABLE:
                    raise
                refused.append(Refusal(index, error))
        present = len(batch.records) + len(batch.refused) - len(refused) - fresh
        in_order = tuple(sorted(refused, key=lambda refusal: refusal.index))
        return ImportReport(fresh, present, in_order, tuple(claims.planned))

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

    def _plan(self, planned: Planned, claims: _Claims) -> bool:
        """Say whether a dry run would open the account."""
        is_new = not self._is_present(planned, claims.of(planned.record), claims)
        if is_new:
            claims.plan(planned)
        return is_new

    def _bring_in(self, operator: Operator, planned: Planned, claims: _Claims, now: int) -> bool:
        """Say whether the account is new; raise if it can neither be imported nor equal the existing one."""
        record = planned.record
        holders = claims.of(record)
        if holders:
            return not self._is_present(planned, holders, claims)
        user = self._user(planned, now)
        credential = Credential(record.login, user.sub, self._stored(record.password_hash), user.epoch)
        try:
            self.users.create_user(user, credential)
        except ServiceError as error:
            if error.error is not Errors.USER_EXISTS:
                raise
            # Another request, or an earlier record of this batch, has just taken a login or the id, or the login is
            # reserved.
            if not self._is_present(planned, self._claims(record).of(record), claims):
                taken = _taken("login", "login")
                raise ServiceError(Errors.USER_EXISTS, "the login is not free", fields=(taken,)) from None
            return False
        self.journal.record(Event("user_imported", sub=user.sub, reason=" ".join(user.roles), actor=operator.sub))
        return True

    def _claims(self, *records: ImportRecord) -> _Claims:
        """Return the holders of the logins of some records: one read."""
        logins = [login for record in records for login in _logins(record).values()]
        held = self.users.find_credentials(logins)
        return _Claims(
            {look_of(login): _Holder(each.login, each.sub, each.password_hash) for login, each in held.items()}
        )

    def _is_present(self, planned: Planned, holders: Mapping[str, _Holder], claims: _Claims) -> bool:
        """Say whether the record's account exists; raise `USER_EXISTS` if another account has a login or the id."""
        if holders:
            own = [name for name, holder in holders.items() if holder.is_of(planned)]
            if own and len({holder.sub for holder in holders.values()}) == 1:
                return True
            name = next((name for name in holders if name not in own), "login")
            raise ServiceError(Errors.USER_EXISTS, "a login is another's", fields=(_taken(name, "login"),))
        if not claims.has_id(planned.sub) and self.credentials.find_user(planned.sub) is None:
            return False
        if planned.record.sub:
            raise ServiceError(Errors.USER_EXISTS, "the id is another's", fields=(_taken("id", "id"),))
        return True  # imported once, and has changed its login since

    def _stored(self, password_hash: ImportedHash) -> str:
        """Return the text that a credential stores."""
        if password_hash is None:
            return NO_PASSWORD
        if isinstance(password_hash, ForeignHash):
            return protect(password_hash, self.cost, self.entropy(SALT_BYTES))
        return password_hash.text

    def _user(self, planned: Planned, now: int) -> User:
        record = planned.record
        return User(
            sub=planned.sub,
            login=record.login,
            username=record.username,
            status=record.status,
            roles=record.roles,
            epoch=now,  # later than any session or code of a deleted account that had this id
            created_at=now if record.created_at is None else record.created_at,
            name=record.name,
            locale=record.locale,
            source=record.source,
            verified_at=record.verified_at if is_email(record.login) else 0,
            can_sign_in=record.password_hash is not None,
        )

    def _new_sub(self, record: ImportRecord) -> str:
        """Return an id for a record without one: always the same for a login and the recipe of its hash.

        The salt makes it unguessable, so a hash without a long one gets a random id. What the recipe gave for the
        password has no part in it: an id is known to many, and it would let them try passwords without our Argon2id.
        """
        recipe = record.password_hash.recipe if record.password_hash else None
        if recipe is None or len(recipe.salt) < _LONG_SALT:
            return new_id("usr_", self.entropy)
        digest = hashlib.sha256(f"latchkey import\n{record.login}\n{recipe.text}".encode()).digest()
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


def _require_allowed(authority: Authority, record: ImportRecord, now: int) -> None:
    """Raise for a role that is unknown, for one that the operator may not give, and for a time in the future."""
    require_known_roles(record.roles, authority.registry)
    authority.require_for_account(Act.GIVE, after=authority.registry.permissions(record.roles))
    for name, time in (("created_at", record.created_at or 0), ("verified_at", record.verified_at)):
        if time > now:
            raise invalid_field(name, "bad_value", "This time is in the future.")


def _logins(record: ImportRecord) -> dict[str, str]:
    """Return the logins of a record by the names of its members."""
    both = {"login": record.login, "username": record.username}
    return {name: login for name, login in both.items() if login}


def _taken(name: str, what: str) -> FieldError:
    return FieldError(name, "user_exists", f"Another account has this {what}.")
