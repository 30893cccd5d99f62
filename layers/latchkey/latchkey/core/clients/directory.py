"""OAuth clients, and the API keys of services: finds them, and verifies their secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from latchkey.core.clients.store import ClientStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, checksum_holds, fingerprint, new_id, new_secret, same_fingerprint
from latchkey.core.model import ApiKey, Client, ClientKind, Status
from latchkey.core.throttle import CLIENT_RULE, Counter, ThrottleStore

_KEY_PREFIX, _SECRET_PREFIX = "lk_", "lks_"
_KEY_LENGTH = len(_KEY_PREFIX) + 26 + 1 + 52 + 7  # id of 128 bits, secret of 256, checksum of 32, in base32


def new_client_secret(entropy: Entropy) -> tuple[str, str]:
    """Return a client secret, to be shown once, and its hash, to be stored."""
    text = new_secret(_SECRET_PREFIX, entropy)
    return text, fingerprint(text)


def new_api_key(entropy: Entropy) -> tuple[str, str, str]:
    """Return the id of a new API key, its text, to be shown once, and its hash, to be stored."""
    key_id = new_id("", entropy)
    text = new_secret(f"{_KEY_PREFIX}{key_id}_", entropy)
    return key_id, text, fingerprint(text)


@dataclass(frozen=True, slots=True)
class ServiceRights:
    """A proven API key, with its present rights: those that it was given and its client still has."""

    key: ApiKey
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientDirectory:
    """Authenticates machines by their secrets."""

    store: ClientStore
    attempts: ThrottleStore
    journal: Journal

    def authenticate(self, client_id: str, secret: str, *, now: int) -> Client:
        """Return the client that this secret proves, or the public client that has none (RFC 6749 section 2.3).

        Raises `INVALID_CLIENT`, and `RATE_LIMITED` after many wrong secrets; the right secret is never rejected.
        """
        client = self.store.find_client(client_id)
        if client is None or client.status is not Status.ACTIVE:
            known = client.client_id if client else ""
            raise self._refusal(Errors.INVALID_CLIENT, client_id, "unknown_or_disabled", now, known)
        proven = not secret if client.kind is ClientKind.PUBLIC else same_fingerprint(secret, client.secret_hashes)
        if not proven:
            raise self._refusal(Errors.INVALID_CLIENT, client_id, "wrong_secret", now, client.client_id)
        return client

    def api_key(self, text: str, *, now: int) -> ApiKey:
        """Return the live API key of this text, or raise `INVALID_API_KEY`. A malformed key costs no read."""
        if len(text) != _KEY_LENGTH or not text.startswith(_KEY_PREFIX) or not checksum_holds(text):
            raise ServiceError(Errors.INVALID_API_KEY, "not the shape of a key")
        key_id = text[len(_KEY_PREFIX) :].partition("_")[0]
        key = self.store.find_api_key(key_id, now)
        if key is None or key.status is not Status.ACTIVE or not same_fingerprint(text, (key.secret_hash,)):
            owner = key.client_id if key else ""
            raise self._refusal(Errors.INVALID_API_KEY, key_id, "unknown_expired_or_wrong", now, owner)
        return key

    def service(self, text: str, *, now: int) -> ServiceRights:
        """Return the present rights of this API key, and record the day of use. Raises `INVALID_API_KEY`."""
        key = self.api_key(text, now=now)
        owner = self.store.find_client(key.client_id)
        if owner is None or owner.status is not Status.ACTIVE:
            raise ServiceError(Errors.INVALID_API_KEY, "its owner is gone or disabled")
        self._note_use(key, now)
        return ServiceRights(key, _shared(key.roles, owner.roles), _shared(key.scopes, owner.scopes))

    def service_roles(self, api_key_id: str, client_id: str, *, now: int) -> tuple[str, ...] | None:
        """Return the roles of a service whose session this key opened; `None` when the key or its client is gone."""
        key, owner = self.store.find_api_key_and_client(api_key_id, client_id, now)
        if key is None or key.status is not Status.ACTIVE:
            return None
        return _shared(key.roles, owner.roles) if owner and owner.status is Status.ACTIVE else None

    def _note_use(self, key: ApiKey, now: int) -> None:
        """Record the day of use, once a day. If the store fails, the key is accepted all the same."""
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        if key.last_used_on >= day:
            return
        try:
            self.store.note_api_key_use(key.key_id, day)
        except ServiceError as error:
            self.journal.record(Event("api_key_use_not_noted", client_id=key.client_id, reason=error.private))

    def _refusal(self, error: Errors, who: str, reason: str, now: int, client_id: str = "") -> ServiceError:
        """Count and report an attempt. The report names only clients that exist, never the text that a caller sent."""
        self.journal.record(Event("client_refused", client_id=client_id, reason=reason))
        seen = self.attempts.count_attempt(Counter("client", who, CLIENT_RULE), now)
        if seen.count > CLIENT_RULE.free:
            return ServiceError(Errors.RATE_LIMITED, reason, retry_after=CLIENT_RULE.wait(seen, now))
        return ServiceError(error, reason)


def _shared(given: tuple[str, ...], owned: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rights that the key was given and its client has."""
    return tuple(item for item in given if item in owned)
