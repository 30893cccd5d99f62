"""OAuth clients, and the API keys of services: finds them, and verifies their secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from latchkey.core.clients.store import ClientStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, checksum_holds, fingerprint, new_id, new_secret, same_fingerprint
from latchkey.core.model import ApiKey, Client, ClientKind, Status
from latchkey.core.roles.scopes import Rights
from latchkey.core.throttle import CLIENT_RULE, ThrottleStore, from_address, reserve_all

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
class ServiceRights(Rights):
    """The present rights of a proven API key: those that it was given and its client still has."""

    key: ApiKey


@dataclass(frozen=True, slots=True)
class ClientDirectory:
    """Authenticates machines by their secrets."""

    store: ClientStore
    attempts: ThrottleStore
    journal: Journal

    def authenticate(self, client_id: str, secret: str, *, address: str, now: int) -> Client:
        """Return the active client that this secret proves, as `identify` does."""
        client = self.identify(client_id, secret, address=address, now=now)
        if client.status is not Status.ACTIVE:
            raise self._refusal(Errors.INVALID_CLIENT, "disabled", address, now, client.client_id)
        return client

    def identify(self, client_id: str, secret: str, *, address: str, now: int) -> Client:
        """Return the client that this secret proves, or the public client that has none (RFC 6749 section 2.3).

        It may be disabled. Raises `INVALID_CLIENT`, and `RATE_LIMITED` after many wrong secrets from one address; the
        right secret is never rejected.
        """
        client = self.store.find_client(client_id)
        if client is None:
            raise self._refusal(Errors.INVALID_CLIENT, "unknown", address, now)
        proven = not secret if client.kind is ClientKind.PUBLIC else same_fingerprint(secret, client.secret_hashes)
        if not proven:
            raise self._refusal(Errors.INVALID_CLIENT, "wrong_secret", address, now, client.client_id)
        return client

    def api_key(self, text: str, *, address: str, now: int) -> ApiKey:
        """Return the live API key of this text, or raise `INVALID_API_KEY`. A malformed key costs no read."""
        if len(text) != _KEY_LENGTH or not text.startswith(_KEY_PREFIX) or not checksum_holds(text):
            raise ServiceError(Errors.INVALID_API_KEY, "not the shape of a key")
        key_id = text[len(_KEY_PREFIX) :].partition("_")[0]
        key = self.store.find_api_key(key_id, now)
        if key is None or key.status is not Status.ACTIVE or not same_fingerprint(text, (key.secret_hash,)):
            owner = key.client_id if key else ""
            raise self._refusal(Errors.INVALID_API_KEY, "unknown_expired_or_wrong", address, now, owner)
        return key

    def service(self, text: str, *, address: str, now: int) -> ServiceRights:
        """Return the present rights of this API key, and record the day of use. Raises `INVALID_API_KEY`."""
        key = self.api_key(text, address=address, now=now)
        owner = self.store.find_client(key.client_id)
        if owner is None or owner.status is not Status.ACTIVE:
            raise ServiceError(Errors.INVALID_API_KEY, "its owner is gone or disabled")
        self._note_use(key, now)
        return _shared_rights(key, owner)

    def session_rights(self, api_key_id: str, owner: Client, *, now: int) -> ServiceRights | None:
        """Return the present rights of a session that this key of the client opened.

        Returns `None` if the key is gone, expired or disabled, or belongs to another client.
        """
        key = self.store.find_api_key(api_key_id, now)
        if key is None or key.status is not Status.ACTIVE or key.client_id != owner.client_id:
            return None
        return _shared_rights(key, owner)

    def _note_use(self, key: ApiKey, now: int) -> None:
        """Record the day of use, once a day. If the store fails, the key is accepted all the same."""
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        if key.last_used_on >= day:
            return
        try:
            self.store.note_api_key_use(key.key_id, day)
        except ServiceError as error:
            self.journal.record(Event("api_key_use_not_noted", client_id=key.client_id, reason=error.private))

    def _refusal(self, error: Errors, reason: str, address: str, now: int, client_id: str = "") -> ServiceError:
        """Charge the address with a refusal, and report it. Raise `RATE_LIMITED` in its place beyond the limit.

        The right secret costs no write. A wrong one costs one, before it is answered, so that parallel junk gets no
        more answers than the limit. No counter belongs to a client: a stranger could fill it. The report names only
        clients that exist, never the text that a caller sent.
        """
        reserve_all(self.attempts, from_address("client_from", address, CLIENT_RULE), now)
        self.journal.record(Event("client_refused", client_id=client_id, reason=reason))
        return ServiceError(error, reason)


def _shared_rights(key: ApiKey, owner: Client) -> ServiceRights:
    """Return the rights that the key was given and its client has."""
    return ServiceRights(
        key=key,
        roles=tuple(role for role in key.roles if role in owner.roles),
        scopes=tuple(scope for scope in key.scopes if scope in owner.scopes),
    )
