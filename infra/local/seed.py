"""Seed the twin with an admin, two permissions, three clients and a service's API key.

Their secrets are made at the first start.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from latchkey.core.clients.directory import new_api_key, new_client_secret
from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import fingerprint, new_id
from latchkey.core.model import FIRST_PARTY_CLIENT, ApiKey, Client, ClientKind, Grant
from latchkey.core.users import first_admin
from latchkey.core.users.accounts import Accounts, Registration

if TYPE_CHECKING:
    from latchkey.adapters.store import Store

ADMIN_LOGIN = "admin@example.com"

Credentials = dict[str, Any]
"""`admin`, `clients` and `api_key` as in `.latchkey/dev.json`, and `service`: the client that owns the API key."""

_APP_GRANTS = list(BUILT_IN_APP.grants)
_MACHINE_GRANTS = [str(Grant.CLIENT_CREDENTIALS)]
_APP_SCOPES = list(BUILT_IN_APP.scopes)
_PERMISSIONS = ["orders:read", "orders:write"]
"""Permissions that the stack declares for an API of its own."""


def new_credentials() -> Credentials:
    """Return new credentials for everything that is seeded."""
    _, api_key, _ = new_api_key(secrets.token_bytes)
    return {
        "admin": {"login": ADMIN_LOGIN, "password": secrets.token_urlsafe(18)},
        "clients": [
            _app(),
            _confidential("Web site", ["http://127.0.0.1/callback"], [*_APP_SCOPES, *_PERMISSIONS], _APP_GRANTS),
            _confidential("Worker", [], _PERMISSIONS, []),
        ],
        "service": _new_client_id(),
        "api_key": api_key,
    }


def plant(credentials: Credentials, accounts: Accounts, store: Store, now: int) -> None:
    """Store the part of the seed that is missing. Without `admin` in the credentials, no account is created."""
    admin = credentials.get("admin")
    if admin is not None and store.find_credential(admin["login"]) is None:
        accounts.create(Registration(admin["login"], admin["password"]), roles=first_admin.ROLES, now=now)
    _plant_permissions(store)
    for client in credentials["clients"]:
        _plant_client(_to_model(client, now), store)
    _plant_client(Client(credentials["service"], ClientKind.SERVICE, "Service", now, roles=("service",)), store)
    _plant_api_key(credentials, store, now)


def _new_client_id() -> str:
    return new_id("cli_", secrets.token_bytes)


def _app() -> dict[str, Any]:
    return {
        "client_id": FIRST_PARTY_CLIENT,
        "client_secret": None,
        "name": "Mobile app",
        "kind": str(ClientKind.PUBLIC),
        "redirect_uris": ["com.example.app:/callback"],
        "scopes": _APP_SCOPES,
        "grants": _APP_GRANTS,
    }


def _confidential(name: str, redirect_uris: list[str], scopes: list[str], grants: list[str]) -> dict[str, Any]:
    secret, _ = new_client_secret(secrets.token_bytes)
    return {
        "client_id": _new_client_id(),
        "client_secret": secret,
        "name": name,
        "kind": str(ClientKind.CONFIDENTIAL),
        "redirect_uris": redirect_uris,
        "scopes": scopes,
        "grants": [*grants, *_MACHINE_GRANTS],
    }


def _to_model(client: dict[str, Any], now: int) -> Client:
    secret = client["client_secret"]
    return Client(
        client_id=client["client_id"],
        kind=ClientKind(client["kind"]),
        name=client["name"],
        created_at=now,
        secret_hashes=(fingerprint(secret),) if secret else (),
        redirect_uris=tuple(client["redirect_uris"]),
        scopes=tuple(client["scopes"]),
        grants=tuple(client["grants"]),
        first_party=client["client_id"] == FIRST_PARTY_CLIENT,
    )


def _plant_permissions(store: Store) -> None:
    stored = store.custom_roles()
    wanted = tuple(sorted({*stored.permissions, *_PERMISSIONS}))
    if wanted != stored.permissions:
        store.replace_roles(replace(stored, version=stored.version + 1, permissions=wanted))


def _plant_client(client: Client, store: Store) -> None:
    try:
        store.create_client(client)
    except ServiceError as error:  # it is there
        if error.error is not Errors.CONFLICT:
            raise


def _plant_api_key(credentials: Credentials, store: Store, now: int) -> None:
    text = credentials["api_key"]
    key_id = text.split("_")[1]
    if store.find_api_key(key_id, now) is None:
        key = ApiKey(key_id, credentials["service"], "Seeded key", fingerprint(text), now, roles=("service",))
        store.create_api_key(key)
