"""What the core needs from outside, said as what must hold.

Every method that changes something once is *one* conditional write. Every expiry is checked against `now` on read:
an item whose time has passed is absent, whether or not the store has swept it. A store that cannot answer raises
`ServiceError(Errors.UNAVAILABLE)`, and then the change has happened wholly or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from latchkey.core.audit import RecordedEvent
from latchkey.core.model import (
    ApiKey,
    Client,
    Credential,
    Event,
    Link,
    Mail,
    MailKind,
    OneTimeCode,
    Partner,
    Session,
    User,
    UserStatus,
)
from latchkey.core.roles import CustomRoles
from latchkey.core.throttle import Attempts, Counter
from latchkey.signing.assertionkeys import AssertionKey
from latchkey.signing.policy import SigningPolicy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `after` says where the next part begins; it is empty when there is none."""

    items: tuple[T, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The outcome of `rotate`: whether this call advanced the session, and the session as it stands now.

    `session` is `None` when it is gone or expired.
    """

    advanced: bool
    session: Session | None


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A change of password, as one write makes it.

    `held` and `user` are the credential and the account as they were read. `code` is what allows the change, where a
    mail did; `keep` names the session that goes on, `mail` the notice that goes out.
    """

    held: Credential
    user: User
    password_hash: str
    now: int
    code: OneTimeCode | None = None
    keep: str = ""
    mail: Mail | None = None

    @property
    def epoch(self) -> int:
        """The epoch of the account from then on: sessions of an earlier one have ended."""
        return max(self.held.epoch, self.user.epoch) + 1


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A change of login, as one write makes it. The members are those of `NewPassword`; `code` is always needed."""

    held: Credential
    user: User
    login: str
    now: int
    code: OneTimeCode
    mail: Mail | None = None


class UserStore(Protocol):
    """Accounts and what they sign in with."""

    def create_user(self, user: User, credential: Credential, *, mail: Mail | None = None) -> None:
        """Store both or neither. Raise `USER_EXISTS` when the login is taken, however many try at once.

        With `mail`, that is posted in the same write.
        """

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store both and begin the count of active admins, or nothing, however many try at once.

        Raise `ADMIN_EXISTS` when there has ever been an active admin, and `USER_EXISTS` when the login is taken. `user`
        is an active admin.
        """

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Put another account in the place of one that is still pending and has the same login; say whether it was."""

    def activate_user(self, sub: str) -> User | None:
        """Make a pending account active; return the account as it then stands, whatever its status, or `None`."""

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and epoch, use the code, carry the kept session over and post the mail: all or nothing.

        A pending account becomes active, since its code came by mail. Say whether it happened: not when anything that
        was read has changed, or the code is used or expired.
        """

    def change_login(self, change: NewLogin) -> bool:
        """Free the old login, claim the new, use the code and post the mail: all or nothing. Say whether it happened.

        It does not when the new login is taken, anything that was read has changed, or the code is used or expired.
        """

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`, raise its epoch and post the mail, if it still stands as it was read.

        Say whether it did. Raise `LAST_ADMIN` as `set_standing` does.
        """

    def delete_user(self, user: User) -> bool:
        """Delete an account marked as `deleting`, its login and its line in the list; say whether this call did."""

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login, read consistently."""

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those of at most 100 canonical logins that are taken, read consistently."""

    def find_user(self, sub: str) -> User | None:
        """Return the account, read consistently."""

    def find_user_with_sessions(self, sub: str, now: int) -> tuple[User | None, tuple[Session, ...]]:
        """Return the account and its live sessions, oldest first, in one consistent read."""

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`; say whether it was."""

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members of an existing account; return it as it stands, or `None`."""

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first; an empty position is the beginning."""

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change what an account may do if it still stands as it was read; return it as it then is, or `None`.

        Its credential gets the epoch with it. Raise `LAST_ADMIN` when no active admin would be left, however many
        admins go at once: one write, or one transaction with the credential and the count of active admins.
        """


class SessionStore(Protocol):
    """Sessions, and the one state that makes refresh tokens single-use."""

    def create_session(self, session: Session, *, clears: Counter | None = None) -> None:
        """Store a new session; raise `CONFLICT` when its id is taken.

        With `clears`, the attempts counted in the window of its creation are forgotten in the same write.
        """

    def find_session(self, sub: str, sid: str, now: int) -> Session | None:
        """Return the session if it is alive, read consistently."""

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""

    def rotate(  # noqa: PLR0913 - one write needs to be told all its conditions
        self, sub: str, sid: str, generation: int, *, client_id: str, epoch: int, now: int, expires_at: int
    ) -> Rotation:
        """Advance the generation by one if it is still `generation` and the session lives.

        It must also belong to `client_id` and be of `epoch` or later; if not, nothing changes and the session is
        returned as it stands. `rotated_at` becomes `now`; the session then lives until `expires_at`, or its `ends_at`
        if that is earlier.
        """

    def mark_late(self, session: Session, *, late: int, streak: int) -> bool:
        """Remember a late retry if the session still stands exactly as it was read; say whether it did."""

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session; say whether this call ended it."""

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`; return how many ended."""


class CodeStore(Protocol):
    """One-time codes."""

    def save_code(self, code: OneTimeCode) -> None:
        """Store a code that nobody has used."""

    def find_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Return a live code of that purpose that nobody has used, and leave it so."""

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Take a live code of that purpose out of the store; of many callers at most one gets it."""


class OutboxStore(Protocol):
    """Mails that wait to be sent. Each one that is stored is handed to the mailer, once or more often."""

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""

    def remove_mail(self, mail_id: str) -> bool:
        """Take a mail out; say whether this call did."""


MAX_API_KEYS = 100
"""API keys that one client may have, expired ones that nobody has deleted included."""


class ClientStore(Protocol):
    """OAuth clients and API keys."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, enabled or not."""

    def list_clients(self, *, after: str, limit: int) -> Page[Client]:
        """Return the clients in the order of their ids, `limit` at most, from behind `after`."""

    def update_client(self, client_id: str, changes: Mapping[str, str | bool | tuple[str, ...]]) -> Client | None:
        """Set `name`, `redirect_uris`, `scopes`, `grants`, `roles`, `enabled` of an existing client; return it so."""

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`; say whether they were."""

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left; say whether it was there. Raise `CONFLICT` when it has one."""

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key, and count it for its client.

        Raise `CONFLICT` when its id is taken or its client is gone, and `LIMIT_REACHED` when its client has
        `MAX_API_KEYS`, however many are created at once.
        """

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, enabled or not."""

    def list_api_keys(self, client_id: str, *, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all for an empty `client_id`, expired ones too, `limit` at most."""

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end at `expires_at`, both or neither; say whether it is done.

        A key is rotated once: of many callers one succeeds. Raise `LIMIT_REACHED` as `create_api_key` does.
        """

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key, expired or not, and count it no more; of many callers one is told that it did."""

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember that the key was used on that day, unless the same day or a later one is remembered."""


class ThrottleStore(Protocol):
    """Counted attempts, per counter and window of its rule."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one; return how many this window has seen with it.

        One conditional write, so that N parallel callers never get more than the rule gives. Raise `RATE_LIMITED` with
        `retry_after` when refused; a refused attempt is not counted.
        """

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Count an attempt whatever the rule says; return the state with it."""

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return the state of this window without counting."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What verifiers may know: the policy's version, the issuer, the signing algorithm and a JWKS (RFC 7517), as JSON.

    `retire_at` says of the keys that have an end when that is.
    """

    version: int
    issuer: str
    algorithm: str
    jwks: str
    retire_at: Mapping[str, int] = field(default_factory=dict)


class PublicKeyStore(Protocol):
    """The public half of the signing policy."""

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored; say whether these keys are what is published now."""

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""


class LeaseStore(Protocol):
    """Leases: what only one may do at a time, for a time that ends by itself."""

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Take the lease if nobody holds it; say whether `owner` holds it now. It ends at `until`."""

    def return_lease(self, name: str, owner: str) -> None:
        """Give the lease back if `owner` still holds it."""


class RoleStore(Protocol):
    """The roles that a stack has of its own."""

    def custom_roles(self) -> CustomRoles:
        """Return them, read consistently; version 0 before the first change."""

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before; say whether these roles are stored now."""


class AuditStore(Protocol):
    """The audit log."""

    def record_events(self, events: Sequence[RecordedEvent]) -> None:
        """Keep all; to keep one again changes nothing. Where it fails, some may be kept, and it is to be repeated."""

    def events_of_day(self, day: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a day (UTC, ISO 8601) behind a position, newest first; an empty one is the beginning.

        A page may have fewer than `limit`, or none, where more follow: those whose time has passed are left out.
        """

    def events_of(self, subject: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of an account, a client or an operator in the same way, as they stood a moment ago."""


class PartnerStore(Protocol):
    """Partners. An issuer belongs to one of them at a time."""

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner and claim its issuer, or neither; say whether the issuer was free, whoever else tries."""

    def find_partner(self, partner_id: str) -> Partner | None:
        """Return the partner, enabled or not, read consistently."""

    def find_issuer(self, issuer: str) -> Partner | None:
        """Return the partner of an issuer, enabled or not, read consistently."""

    def list_partners(self, *, after: str, limit: int) -> Page[Partner]:
        """Return the partners behind a position, oldest first; an empty position is the beginning."""

    def replace_partner(self, partner: Partner) -> bool:
        """Store if the version stored is the one before; say whether it was. Its issuer never changes."""

    def delete_partner(self, partner: Partner) -> bool:
        """Delete a partner of this version, and free its issuer, in one write; say whether this call did."""


class LinkStore(Protocol):
    """Which account is whose with a partner. An external id leads to one account, and an account has one per partner.

    Where an external id leads stays when its account is deleted, so that nobody comes back under it.
    """

    def use_assertion(self, digest: str, *, until: int) -> bool:
        """Remember an assertion until at least that second; of many callers one is told that it was the first."""

    def was_used(self, digest: str) -> bool:
        """Say whether an assertion is remembered as used, read consistently. `use_assertion` alone decides."""

    def take_seat(self, partner_id: str, most: int) -> bool:
        """Count one more user of a partner, if there are fewer than `most` or that is 0; say whether it was counted."""

    def return_seat(self, partner_id: str) -> None:
        """Count one user less."""

    def find_external(self, partner_id: str, external_id: str) -> str | None:
        """Return the `sub` that an external id leads to, though its account may be gone."""

    def create_external_user(self, user: User, link: Link) -> bool:
        """Store an account without a login, and its link, or neither; say whether the external id was free."""

    def add_link(self, user: User, link: Link) -> bool:
        """Link an external id to an account that stands as it was read; say whether both id and place were free."""

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner, read consistently."""

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store name, locale and roles of `renewed` and what the link now says, if `user` still stands as it was read.

        Say whether both were stored.
        """

    def remove_link(self, link: Link, *, besides: Link | None = None) -> bool:
        """Take a link away and set its external id free, in one write; say whether this call did.

        With `besides`, only while that link of the account is there: of two that are removed at once one stays.
        """

    def forget_links(self, sub: str) -> int:
        """Delete what is kept of an account's links, all but where its external ids lead; return how many it had."""


class Store(
    UserStore,
    SessionStore,
    CodeStore,
    OutboxStore,
    ClientStore,
    ThrottleStore,
    PublicKeyStore,
    LeaseStore,
    RoleStore,
    AuditStore,
    PartnerStore,
    LinkStore,
    Protocol,
):
    """One table."""


class SigningSecret(Protocol):
    """The secret that holds the signing policy, as its rotation sees it (AWS's contract of four steps)."""

    def current(self) -> str:
        """Return the text in force; `{}` before the first rotation."""

    def pending(self, token: str) -> str | None:
        """Return the text that the rotation called `token` has staged, or `None`."""

    def put_pending(self, token: str, text: str) -> None:
        """Stage a text for the rotation called `token`; staging the same again changes nothing."""

    def promote(self, token: str) -> None:
        """Put the staged text in force; harmless when it already is."""

    def unstage(self, token: str) -> None:
        """Drop the staged text, so that the next rotation begins anew; harmless when it is not staged."""


class PolicySource(Protocol):
    """Where the signing policy comes from."""

    def policy(self) -> SigningPolicy:
        """Return the policy in force, at most 60 s old, or up to 60 min old while its store fails.

        Raise `UNAVAILABLE` when there is none.
        """


class KeysUnreachable(Exception):
    """A partner's keys cannot be had. The message is for the log."""


class PartnerKeys(Protocol):
    """The keys that partners publish."""

    def find(self, jwks_uri: str, kid: str) -> AssertionKey | None:
        """Return the key of this id. Raise `KeysUnreachable` when there are none, not even old ones."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is read: a subject, and one text in two forms."""

    subject: str
    text: str
    html: str


class LetterWriter(Protocol):
    """Puts mails into words."""

    def write(self, about: MailKind, locale: str, values: Mapping[str, str]) -> Letter:
        """Return the letter in the language of `locale`, or in English."""


class Undeliverable(Exception):
    """A mail that will never be taken, however often it is sent. The message is for the log."""


class Postman(Protocol):
    """Sends mail."""

    def send(self, to: str, letter: Letter) -> None:
        """Hand a letter over. Raise `Undeliverable`, or `UNAVAILABLE` when a later try may succeed."""


class Journal(Protocol):
    """Where security events go."""

    def record(self, event: Event) -> None:
        """Write one event. Never raises."""
