"""The store without a table: complete, thread-safe, and held to the same contract as the real one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import TypeVar

from latchkey.core.authenticators.store import NewLogin, NewPassword
from latchkey.core.clients.store import MAX_API_KEYS, ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import RecordedEvent
from latchkey.core.grants.store import Advance, Rotation
from latchkey.core.model import (
    ApiKey,
    Client,
    Credential,
    Link,
    Mail,
    OneTimeCode,
    Partner,
    Session,
    User,
    UserStatus,
    given,
    is_active_admin,
)
from latchkey.core.paging import Page
from latchkey.core.roles.roles import CustomRoles
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.core.throttle import Attempts, Counter

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})

T = TypeVar("T")


class MemoryStore:
    """Implements `latchkey.adapters.store.Store`. Every operation happens under one lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._users: dict[str, User] = {}
        self._credentials: dict[str, Credential] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._codes: dict[tuple[str, str], OneTimeCode] = {}
        self._used_codes: set[tuple[str, str]] = set()
        self._mails: dict[str, Mail] = {}
        self._clients: dict[str, Client] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._attempts: dict[tuple[str, str, int], Attempts] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._published: PublishedKeys | None = None
        self._roles = CustomRoles()
        self._events: dict[str, RecordedEvent] = {}
        self._partners: dict[str, Partner] = {}
        self._used_assertions: set[str] = set()
        self._seats: dict[str, int] = {}
        self._externals: dict[tuple[str, str], str] = {}
        self._links: dict[tuple[str, str], Link] = {}

    def create_user(self, user: User, credential: Credential, *, mail: Mail | None = None) -> None:
        """Store both or neither; raise `USER_EXISTS` when the login is taken."""
        with self._lock:
            if credential.login in self._credentials or user.sub in self._users:
                raise ServiceError(Errors.USER_EXISTS, "the login is taken")
            self._credentials[credential.login] = credential
            self._users[user.sub] = user
            self._post(mail)

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store the first admin; raise `ADMIN_EXISTS` or `USER_EXISTS`."""
        with self._lock:
            if any(is_active_admin(each) for each in self._users.values()):  # the last one never goes
                raise ServiceError(Errors.ADMIN_EXISTS, "there is an admin")
            self.create_user(user, credential)

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Put another account in the place of a pending one."""
        with self._lock:
            held, standing = self._credentials.get(credential.login), self._users.get(old.sub)
            if held is None or held.sub != old.sub or standing is None or standing.status is not UserStatus.PENDING:
                return False
            del self._users[old.sub]
            self._credentials[credential.login] = credential
            self._users[user.sub] = user
            self._post(mail)
            return True

    def activate_user(self, sub: str) -> User | None:
        """Make a pending account active."""
        with self._lock:
            user = self._users.get(sub)
            if user is not None and user.status is UserStatus.PENDING:
                user = self._users[sub] = replace(user, status=UserStatus.ACTIVE)
            return user

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and epoch with all that belongs to it, or nothing."""
        with self._lock:
            kept = (change.user.sub, change.keep)
            if not self._stands(change.held, change.user) or (change.keep and kept not in self._sessions):
                return False
            if change.code and not self.consume_code(change.code.code_hash, change.code.purpose, change.now):
                return False
            self._credentials[change.held.login] = replace(
                change.held, password_hash=change.password_hash, epoch=change.epoch
            )
            active = change.user.status in {UserStatus.ACTIVE, UserStatus.PENDING}
            status = UserStatus.ACTIVE if active else change.user.status
            standing = self._users[change.user.sub]
            self._users[change.user.sub] = replace(standing, epoch=change.epoch, status=status)
            if change.keep:
                self._sessions[kept] = replace(self._sessions[kept], epoch=change.epoch)
            self._post(change.mail)
            return True

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login with all that belongs to it, or nothing."""
        with self._lock:
            if change.login in self._credentials or not self._stands(change.held, change.user):
                return False
            if not self.consume_code(change.code.code_hash, change.code.purpose, change.now):
                return False
            del self._credentials[change.held.login]
            self._credentials[change.login] = replace(change.held, login=change.login)
            self._users[change.user.sub] = replace(self._users[change.user.sub], login=change.login)
            self._post(change.mail)
            return True

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`."""
        with self._lock:
            standing = self._users.get(user.sub)
            if standing is None or _standing(standing) != _standing(user):
                return False
            self._restand(replace(standing, status=UserStatus.DELETING, epoch=user.epoch + 1))
            self._post(mail)
            return True

    def delete_user(self, user: User) -> bool:
        """Delete an account that is marked, with its login."""
        with self._lock:
            standing, held = self._users.get(user.sub), self._credentials.get(user.login)
            if standing is None or standing.status is not UserStatus.DELETING:
                return False
            if user.login and (held is None or held.sub != user.sub):
                return False
            del self._users[user.sub]
            self._credentials.pop(user.login, None)
            return True

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login."""
        with self._lock:
            return self._credentials.get(login)

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those logins that are taken."""
        with self._lock:
            return {login: self._credentials[login] for login in logins if login in self._credentials}

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        with self._lock:
            return self._users.get(sub)

    def find_user_and_session(self, sub: str, sid: str, now: int) -> tuple[User | None, Session | None]:
        """Return the account, and the session if it is alive."""
        with self._lock:
            return self._users.get(sub), self.find_session(sub, sid, now)

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`."""
        with self._lock:
            held = self._credentials.get(login)
            if held is None or held.password_hash != old_hash:
                return False
            self._credentials[login] = replace(held, password_hash=new_hash)
            return True

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members; any other raises `ValueError`."""
        if not changes.keys() <= _OWNERS_TO_CHANGE:
            raise ValueError(f"not members of a profile: {sorted(changes.keys() - _OWNERS_TO_CHANGE)}")
        with self._lock:
            user = self._users.get(sub)
            if user is not None:
                name, locale = changes.get("name", user.name), changes.get("locale", user.locale)
                user = self._users[sub] = replace(user, name=name, locale=locale)
            return user

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first."""
        with self._lock:
            return _page({f"{user.created_at:011d}#{user.sub}": user for user in self._users.values()}, after, limit)

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change what an account may do if it still stands as it was read, and some admin stays."""
        with self._lock:
            held = self._users.get(user.sub)
            if held is None or _standing(held) != _standing(user):
                return None
            changed = self._restand(replace(held, status=status, roles=roles, epoch=epoch))
            if epoch != held.epoch and held.login:
                self._credentials[held.login] = replace(self._credentials[held.login], epoch=epoch)
            return changed

    def create_session(self, session: Session, *, clears: Counter | None = None) -> None:
        """Store a new session and forget attempts, or neither; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if (session.sub, session.sid) in self._sessions:
                raise ServiceError(Errors.CONFLICT, "the session id is taken")
            self._sessions[session.sub, session.sid] = _capped(session)
            if clears is not None:
                self._attempts.pop(_window(clears, session.created_at), None)

    def find_session(self, sub: str, sid: str, now: int) -> Session | None:
        """Return the session if it is alive."""
        with self._lock:
            session = self._sessions.get((sub, sid))
            return session if session and now < session.expires_at else None

    def list_sessions(self, sub: str, now: int) -> tuple[Session, ...]:
        """Return the live sessions of a subject, oldest first."""
        with self._lock:
            mine = [session for session in self._sessions.values() if session.sub == sub and now < session.expires_at]
        return tuple(sorted(mine, key=lambda session: (session.created_at, session.sid)))

    def advance(self, step: Advance) -> Rotation:
        """Advance the chain if the session is still where the spent token was made, and client and epoch are right."""
        with self._lock:
            session = self.find_session(step.sub, step.sid, step.now)
            if session is None or not _is_at(session, step):
                return Rotation(advanced=False, session=session)
            moved = replace(
                session,
                generation=step.generation + 1,
                link_hash=step.next_link_hash,
                salt=step.salt,
                rotated_before=session.rotated_at,
                rotated_at=step.now,
                expires_at=step.expires_at,
                network_mark=step.network_mark,
                key_mark_before=session.key_mark,
                key_mark=step.key_mark,
                keys_seen=step.keys_seen,
            )
            self._sessions[step.sub, step.sid] = _capped(moved)
            return Rotation(advanced=True, session=self.find_session(step.sub, step.sid, step.now))

    def count_repeat(self, session: Session, *, level: int, generation: int, weight: int) -> bool:
        """Set the bucket if neither it nor the generation has moved since the session was read."""
        with self._lock:
            held = self._sessions.get((session.sub, session.sid))
            if held is None or _bucket(held) != _bucket(session):
                return False
            counted = replace(held, late_level=level, late_generation=generation, late_weight=weight)
            self._sessions[session.sub, session.sid] = counted
            return True

    def end_session(self, sub: str, sid: str) -> bool:
        """End a session; say whether this call ended it."""
        with self._lock:
            return self._sessions.pop((sub, sid), None) is not None

    def end_sessions(self, sub: str, *, keep: str = "") -> int:
        """End all sessions of a subject but the one named `keep`; return how many ended."""
        with self._lock:
            ending = [key for key in self._sessions if key[0] == sub and key[1] != keep]
            return sum(self.end_session(*key) for key in ending)

    def save_code(self, code: OneTimeCode) -> None:
        """Store a code; raise `CONFLICT` when it has been stored before, used or not."""
        with self._lock:
            if (code.code_hash, code.purpose) in self._codes:
                raise ServiceError(Errors.CONFLICT, "the code is taken")
            self._codes[code.code_hash, code.purpose] = code

    def find_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Return a live code that nobody has used."""
        with self._lock:
            code = self._codes.get((code_hash, purpose))
            return code if code and code.expires_at > now and (code_hash, purpose) not in self._used_codes else None

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Use a code, if it lives and nobody has."""
        with self._lock:
            code = self._codes.get((code_hash, purpose))
            if code is None or code.expires_at <= now or (code_hash, purpose) in self._used_codes:
                return None
            self._used_codes.add((code_hash, purpose))
            return code

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if mail.mail_id in self._mails:
                raise ServiceError(Errors.CONFLICT, "the mail id is taken")
            self._mails[mail.mail_id] = mail

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""
        with self._lock:
            mail = self._mails.get(mail_id)
            return mail if mail and now < mail.expires_at else None

    def remove_mail(self, mail_id: str) -> bool:
        """Take a mail out; say whether this call did."""
        with self._lock:
            return self._mails.pop(mail_id, None) is not None

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if client.client_id in self._clients:
                raise ServiceError(Errors.CONFLICT, "the client id is taken")
            self._clients[client.client_id] = client

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, enabled or not."""
        with self._lock:
            return self._clients.get(client_id)

    def list_clients(self, *, after: str, limit: int) -> Page[Client]:
        """Return the clients in the order of their ids, from behind `after`."""
        with self._lock:
            return _page(self._clients, after, limit)

    def update_client(self, client_id: str, changes: ClientChanges) -> Client | None:
        """Set what an operator changes."""
        with self._lock:
            if client_id in self._clients:
                self._clients[client_id] = replace(self._clients[client_id], **given(changes))
            return self._clients.get(client_id)

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`."""
        with self._lock:
            held = self._clients.get(client_id)
            if held is None or held.secret_hashes != old:
                return False
            self._clients[client_id] = replace(held, secret_hashes=new)
            return True

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left; say whether it was there."""
        with self._lock:
            if any(key.client_id == client_id for key in self._api_keys.values()):
                raise ServiceError(Errors.CONFLICT, "it has an API key")
            return self._clients.pop(client_id, None) is not None

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key; raise `CONFLICT` or `LIMIT_REACHED`."""
        with self._lock:
            if key.key_id in self._api_keys:
                raise ServiceError(Errors.CONFLICT, "the key id is taken")
            if key.client_id not in self._clients:
                raise ServiceError(Errors.CONFLICT, "its client is gone")
            if sum(other.client_id == key.client_id for other in self._api_keys.values()) >= MAX_API_KEYS:
                raise ServiceError(Errors.LIMIT_REACHED, "API keys of one client")
            self._api_keys[key.key_id] = key

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, enabled or not."""
        with self._lock:
            key = self._api_keys.get(key_id)
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key

    def list_api_keys(self, client_id: str, *, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all, expired ones too."""
        with self._lock:
            wanted = [key for key in self._api_keys.values() if client_id in {"", key.client_id}]
            return _page({f"{key.client_id}#{key.key_id}": key for key in wanted}, after, limit)

    def update_api_key(self, key_id: str, changes: ApiKeyChanges) -> ApiKey | None:
        """Set what an operator changes."""
        with self._lock:
            if key_id in self._api_keys:
                self._api_keys[key_id] = replace(self._api_keys[key_id], **given(changes))
            return self._api_keys.get(key_id)

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end, both or neither."""
        with self._lock:
            key = self._api_keys.get(key_id)
            if key is None or key.successor:
                return False
            self.create_api_key(successor)
            self._api_keys[key_id] = replace(key, expires_at=expires_at, successor=successor.key_id)
            return True

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key, expired or not."""
        with self._lock:
            return self._api_keys.pop(key.key_id, None) is not None

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember the day of the last use."""
        with self._lock:
            key = self._api_keys.get(key_id)
            if key is not None and key.last_used_on < day:
                self._api_keys[key_id] = replace(key, last_used_on=day)

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one; return how many this window has seen with it."""
        with self._lock:
            attempts = self.attempts(counter, now)
            wait = counter.rule.wait(attempts, now)
            if wait:
                raise ServiceError(
                    Errors.RATE_LIMITED, f"{attempts.count} attempts at {counter.what}", retry_after=wait
                )
            return self.count_attempt(counter, now).count

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Count an attempt whatever the rule says."""
        with self._lock:
            counted = Attempts(self.attempts(counter, now).count + 1, now)
            self._attempts[_window(counter, now)] = counted
            return counted

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return the state of this window."""
        with self._lock:
            return self._attempts.get(_window(counter, now), Attempts())

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Take the lease if nobody holds it."""
        with self._lock:
            holder, ends_at = self._leases.get(name, (owner, until))
            if holder != owner and now < ends_at:
                return False
            self._leases[name] = (owner, until)
            return True

    def return_lease(self, name: str, owner: str) -> None:
        """Give the lease back if `owner` still holds it."""
        with self._lock:
            if self._leases.get(name, ("", 0))[0] == owner:
                del self._leases[name]

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored."""
        with self._lock:
            if self._published is not None and self._published.version > keys.version:
                return False
            self._published = keys
            return True

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""
        with self._lock:
            return self._published

    def custom_roles(self) -> CustomRoles:
        """Return the roles of the stack's own."""
        with self._lock:
            return self._roles

    def replace_roles(self, roles: CustomRoles) -> bool:
        """Store if the version stored is the one before."""
        with self._lock:
            if self._roles.version != roles.version - 1:
                return False
            self._roles = roles
            return True

    def record_events(self, events: Sequence[RecordedEvent]) -> None:
        """Keep security events, each once."""
        with self._lock:
            self._events |= {each.position: each for each in events}

    def events_of_day(self, day: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a day, newest first."""
        with self._lock:
            return _newest({at: each for at, each in self._events.items() if each.day == day}, after, limit, now)

    def events_of(self, subject: str, *, after: str, limit: int, now: int) -> Page[RecordedEvent]:
        """Return the events of a subject, newest first."""
        with self._lock:
            mine = {at: each for at, each in self._events.items() if each.subject == subject}
            return _newest(mine, after, limit, now)

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner if its issuer is free."""
        with self._lock:
            if partner.partner_id in self._partners or self.find_issuer(partner.issuer):
                return False
            self._partners[partner.partner_id] = partner
            return True

    def find_partner(self, partner_id: str) -> Partner | None:
        """Return the partner, enabled or not."""
        with self._lock:
            return self._partners.get(partner_id)

    def find_issuer(self, issuer: str) -> Partner | None:
        """Return the partner of an issuer, enabled or not."""
        with self._lock:
            return next((each for each in self._partners.values() if each.issuer == issuer), None)

    def list_partners(self, *, after: str, limit: int) -> Page[Partner]:
        """Return the partners behind a position, oldest first."""
        with self._lock:
            positions = {f"{each.created_at:011d}#{each.partner_id}": each for each in self._partners.values()}
        behind = sorted(position for position in positions if position > after)
        page = behind[:limit]
        return Page(tuple(positions[each] for each in page), page[-1] if len(behind) > limit else "")

    def replace_partner(self, partner: Partner) -> bool:
        """Store if the version stored is the one before."""
        with self._lock:
            held = self._partners.get(partner.partner_id)
            if held is None or held.version != partner.version - 1:
                return False
            self._partners[partner.partner_id] = replace(partner, issuer=held.issuer)
            return True

    def delete_partner(self, partner: Partner) -> bool:
        """Delete a partner of this version."""
        with self._lock:
            held = self._partners.get(partner.partner_id)
            if held is None or held.version != partner.version:
                return False
            del self._partners[partner.partner_id]
            self._seats.pop(partner.partner_id, None)
            return True

    def use_assertion(self, digest: str, *, until: int) -> bool:  # noqa: ARG002 - memory is never swept
        """Remember an assertion; say whether this was the first time."""
        with self._lock:
            if digest in self._used_assertions:
                return False
            self._used_assertions.add(digest)
            return True

    def was_used(self, digest: str) -> bool:
        """Say whether an assertion is remembered as used."""
        with self._lock:
            return digest in self._used_assertions

    def take_seat(self, partner_id: str, most: int) -> bool:
        """Count one more user of a partner, if there is room."""
        with self._lock:
            taken = self._seats.get(partner_id, 0)
            if most and taken >= most:
                return False
            self._seats[partner_id] = taken + 1
            return True

    def return_seat(self, partner_id: str) -> None:
        """Count one user less."""
        with self._lock:
            self._seats[partner_id] = self._seats.get(partner_id, 0) - 1

    def find_external(self, partner_id: str, external_id: str) -> str | None:
        """Return the `sub` that an external id leads to."""
        with self._lock:
            return self._externals.get((partner_id, external_id))

    def create_external_user(self, user: User, link: Link) -> bool:
        """Store an account without a login, and its link, or neither."""
        with self._lock:
            if (link.partner_id, link.external_id) in self._externals or user.sub in self._users:
                return False
            self._users[user.sub] = user
            return self.add_link(user, link)

    def add_link(self, user: User, link: Link) -> bool:
        """Link an external id to an account that stands as it was read."""
        with self._lock:
            standing, place = self._users.get(user.sub), (link.sub, link.partner_id)
            if standing is None or _standing(standing) != _standing(user) or place in self._links:
                return False
            if (link.partner_id, link.external_id) in self._externals:
                return False
            self._externals[link.partner_id, link.external_id] = link.sub
            self._links[place] = link
            return True

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner."""
        with self._lock:
            return self._links.get((sub, partner_id))

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""
        with self._lock:
            return tuple(self._links[place] for place in sorted(self._links) if place[0] == sub)

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store what a partner says anew, if the account still stands as it was read."""
        with self._lock:
            standing = self._users.get(user.sub)
            if (
                standing is None
                or _standing(standing) != _standing(user)
                or self.find_link(link.sub, link.partner_id) is None
            ):
                return False
            self._users[user.sub] = replace(standing, roles=renewed.roles, name=renewed.name, locale=renewed.locale)
            self._links[link.sub, link.partner_id] = link
            return True

    def remove_link(self, link: Link, *, besides: Link | None = None) -> bool:
        """Take a link away and set its external id free."""
        with self._lock:
            if any((each.sub, each.partner_id) not in self._links for each in (link, besides) if each):
                return False
            del self._links[link.sub, link.partner_id]
            self._externals.pop((link.partner_id, link.external_id), None)
            return True

    def forget_links(self, sub: str) -> int:
        """Delete the links of an account, all but where its external ids lead."""
        with self._lock:
            gone = [place for place in self._links if place[0] == sub]
            for place in gone:
                del self._links[place]
            return len(gone)

    def _post(self, mail: Mail | None) -> None:
        if mail is not None:
            self.post_mail(mail)

    def _restand(self, changed: User) -> User:
        """Store an account that stands anew; raise `LAST_ADMIN` when no active admin would be left."""
        others = any(is_active_admin(each) for each in self._users.values() if each.sub != changed.sub)
        if is_active_admin(self._users[changed.sub]) and not is_active_admin(changed) and not others:
            raise ServiceError(Errors.LAST_ADMIN, "the last active admin")
        self._users[changed.sub] = changed
        return changed

    def _stands(self, held: Credential, user: User) -> bool:
        """Say whether credential and account are still what a change was decided on."""
        credential, standing = self._credentials.get(held.login), self._users.get(user.sub)
        if credential is None or standing is None:
            return False
        return credential == replace(held, sub=user.sub) and _standing(standing) == _standing(user)


def _newest(records: Mapping[str, RecordedEvent], after: str, limit: int, now: int) -> Page[RecordedEvent]:
    names = sorted((name for name in records if not after or name < after), reverse=True)
    more = names[limit - 1] if len(names) > limit else ""
    return Page(tuple(records[name] for name in names[:limit] if now < records[name].expires_at), more)


def _standing(user: User) -> tuple[object, ...]:
    return user.login, user.status, user.roles, user.epoch


def _is_at(session: Session, step: Advance) -> bool:
    stands = (session.generation, session.link_hash, session.family_hash, session.client_id)
    return stands == (step.generation, step.link_hash, step.family_hash, step.client_id) and session.epoch >= step.epoch


def _bucket(session: Session) -> tuple[int, ...]:
    return session.generation, session.late_level, session.late_generation, session.late_weight


def _capped(session: Session) -> Session:
    return replace(session, expires_at=min(session.expires_at, session.ends_at))


def _page(records: Mapping[str, T], after: str, limit: int) -> Page[T]:
    names = sorted(name for name in records if name > after)
    more = names[limit - 1] if len(names) > limit else ""
    return Page(tuple(records[name] for name in names[:limit]), more)


def _window(counter: Counter, now: int) -> tuple[str, str, int]:
    return counter.what, hashlib.sha256(counter.who.encode()).hexdigest(), counter.rule.window_index(now)
