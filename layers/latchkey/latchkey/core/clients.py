"""Machines: OAuth clients, and the API keys of services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.identifiers import Entropy, checksum_holds, fingerprint, new_id, new_secret, same_fingerprint
from latchkey.core.issuing import Issuer, TokenAnswer
from latchkey.core.model import ApiKey, Client, ClientKind, Event, Grant, Session
from latchkey.core.ports import Journal, PolicySource, Store
from latchkey.core.roles import Roles
from latchkey.core.throttle import CLIENT_RULE, Counter

SERVICE_SESSION_TTL = 3600
"""Seconds that a service's refresh token lives: it holds an API key and can always begin anew."""

ISSUE_PERMISSION = "token:issue"

_KEY_PREFIX, _SECRET_PREFIX = "lk_", "lks_"
_KEY_LENGTH = len(_KEY_PREFIX) + 26 + 1 + 52 + 7  # id of 128 bits, secret of 256, checksum of 32, in base32


def new_client_secret(entropy: Entropy) -> tuple[str, str]:
    """Return a client secret, to be shown once, and what is stored of it."""
    text = new_secret(_SECRET_PREFIX, entropy)
    return text, fingerprint(text)


def new_api_key(entropy: Entropy) -> tuple[str, str, str]:
    """Return the id of a new API key, its text, to be shown once, and what is stored of it."""
    key_id = new_id("", entropy)
    text = new_secret(f"{_KEY_PREFIX}{key_id}_", entropy)
    return key_id, text, fingerprint(text)


@dataclass(frozen=True, slots=True)
class ServiceRights:
    """A proven API key, with what it may do at this moment: what it was given and its owner still has."""

    key: ApiKey
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientDirectory:
    """Knows machines by their secrets."""

    store: Store
    journal: Journal
    roles: Roles
    throttled: bool = True

    def authenticate(self, client_id: str, secret: str, *, now: int) -> Client:
        """Return the client that this secret proves, or the public client that has none (RFC 6749 section 2.3).

        Raises `INVALID_CLIENT`; `RATE_LIMITED` after many wrong secrets, which never holds up the right one.
        """
        client = self.store.find_client(client_id)
        if client is None or not client.enabled:
            raise self._refusal(Errors.INVALID_CLIENT, client_id, "unknown_or_disabled", now)
        proven = not secret if client.kind is ClientKind.PUBLIC else same_fingerprint(secret, client.secret_hashes)
        if not proven:
            raise self._refusal(Errors.INVALID_CLIENT, client_id, "wrong_secret", now)
        return client

    def api_key(self, text: str, *, now: int) -> ApiKey:
        """Return the live API key that this text is, or raise `INVALID_API_KEY`. Junk costs no read."""
        if len(text) != _KEY_LENGTH or not text.startswith(_KEY_PREFIX) or not checksum_holds(text):
            raise ServiceError(Errors.INVALID_API_KEY, "not the shape of a key")
        key_id = text[len(_KEY_PREFIX) :].partition("_")[0]
        key = self.store.find_api_key(key_id, now)
        if key is None or not key.enabled or not same_fingerprint(text, (key.secret_hash,)):
            raise self._refusal(Errors.INVALID_API_KEY, key_id, "unknown_expired_or_wrong", now)
        return key

    def service(self, text: str, *, now: int) -> ServiceRights:
        """Return what this API key may do now, and note the day. Raises `INVALID_API_KEY`."""
        key = self.api_key(text, now=now)
        owner = self.store.find_client(key.client_id)
        if owner is None or not owner.enabled:
            raise ServiceError(Errors.INVALID_API_KEY, "its owner is gone or disabled")
        self._note_use(key, now)
        return ServiceRights(key, _shared(key.roles, owner.roles), _shared(key.scopes, owner.scopes))

    def present(self, client_id: str) -> Client:
        """Return the client behind a verified token. Raises `INVALID_TOKEN` when it is gone or disabled."""
        client = self.store.find_client(client_id)
        if client is None or not client.enabled:
            raise ServiceError(Errors.INVALID_TOKEN, "the client is gone or disabled")
        return client

    def service_roles(self, api_key_id: str, *, now: int) -> tuple[str, ...] | None:
        """Return the roles of a service whose session this key opened; `None` when the key or its owner is gone."""
        key = self.store.find_api_key(api_key_id, now)
        owner = self.store.find_client(key.client_id) if key and key.enabled else None
        return _shared(key.roles, owner.roles) if key and owner and owner.enabled else None

    def _note_use(self, key: ApiKey, now: int) -> None:
        """Remember the day of use, once a day; a store that cannot is no reason to turn the service away."""
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        if key.last_used_on >= day:
            return
        try:
            self.store.note_api_key_use(key.key_id, day)
        except ServiceError as error:
            self.journal.record(Event("api_key_use_not_noted", client_id=key.client_id, reason=error.private))

    def _refusal(self, error: Errors, who: str, reason: str, now: int) -> ServiceError:
        self.journal.record(Event("client_refused", reason=reason))
        if self.throttled:
            seen = self.store.count_attempt(Counter("client", who, CLIENT_RULE), now)
            if seen.count > CLIENT_RULE.free:
                return ServiceError(Errors.RATE_LIMITED, reason, retry_after=CLIENT_RULE.wait(seen, now))
        return ServiceError(error, reason)


@dataclass(frozen=True, slots=True)
class MachineGrants:
    """Gives tokens to machines."""

    store: Store
    clients: ClientDirectory
    policies: PolicySource
    issuer: Issuer
    roles: Roles
    journal: Journal
    entropy: Entropy

    def client_credentials(self, client: Client, scope: str | None, *, now: int) -> TokenAnswer:
        """Answer the grant of RFC 6749 section 4.4: an access token for the authenticated client itself."""
        if client.kind is ClientKind.PUBLIC or Grant.CLIENT_CREDENTIALS not in client.grants:
            raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "client_credentials is not among its grants")
        granted = _granted_scope(scope, client.scopes)
        policy = self.policies.policy()
        self.journal.record(Event("client_token", sub=client.client_id, client_id=client.client_id))
        roles = self.roles.effective_roles(client.roles)
        return self.issuer.for_client(client.client_id, roles, policy, scope=granted, now=now)

    def exchange_api_key(self, text: str, *, now: int) -> TokenAnswer:
        """Open a service's session with its API key, whose roles must permit `token:issue`."""
        rights = self.clients.service(text, now=now)
        key = rights.key
        if ISSUE_PERMISSION not in self.roles.permissions(rights.roles):
            raise ServiceError(Errors.FORBIDDEN, f"the key lacks {ISSUE_PERMISSION}")
        policy = self.policies.policy()  # before a session is stored for tokens that cannot be made
        session = self._service_session(rights, now)
        self.store.create_session(session)
        self.journal.record(Event("service_token", sub=key.client_id, sid=session.sid, client_id=key.client_id))
        roles = self.roles.effective_roles(rights.roles)
        return self.issuer.for_session(session, roles, policy, scope=session.scope, now=now)

    def _service_session(self, rights: ServiceRights, now: int) -> Session:
        key = rights.key
        ends_at = (
            now + SERVICE_SESSION_TTL if key.expires_at is None else min(now + SERVICE_SESSION_TTL, key.expires_at)
        )
        return Session(
            sub=key.client_id,
            sid=new_id("ses_", self.entropy),
            client_id=key.client_id,
            scope=" ".join(rights.scopes),
            epoch=0,
            created_at=now,
            expires_at=ends_at,
            ends_at=ends_at,
            auth_time=now,
            rotated_at=now,
            amr=("api_key",),
            device=key.name,
            api_key_id=key.key_id,
        )


def _shared(given: tuple[str, ...], owned: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a key was given and its owner has."""
    return tuple(item for item in given if item in owned)


def _granted_scope(asked: str | None, allowed: tuple[str, ...]) -> str:
    """Return the scope to grant: all that is allowed, or the part that was asked for (RFC 6749 section 3.3)."""
    if asked is None:
        return " ".join(allowed)
    wanted = set(asked.split(" "))
    if not wanted <= set(allowed):
        raise ServiceError(Errors.INVALID_SCOPE, "wider than the client's")
    return " ".join(item for item in allowed if item in wanted)
