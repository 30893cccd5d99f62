"""The Lambda authorizer of API keys: a `REQUEST` authorizer of REST APIs whose identity source is `X-API-Key` alone.

It reads clients and API keys, and records the day on which a key was used. It reads no user and no secret. It does not
import Powertools: the call waits for its cold start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from latchkey.adapters import dynamodb
from latchkey.adapters.role_cache import RoleCache
from latchkey.core.clients.directory import ClientDirectory, ServiceRights
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event as SecurityEvent
from latchkey.core.roles.roles import Roles, StoredRoles
from latchkey.core.roles.scopes import known_scopes
from latchkey.core.throttle import NoThrottle
from latchkey.edge import origins
from latchkey.edge.authorizer import Unauthorized, allow_all_routes, arn_of, log_refusal
from latchkey.edge.gateway_events import Event, members, told_apart
from latchkey.edge.settings import Environment
from latchkey.signing.jws import InvalidToken

_ROLES_AGE = 60
"""Seconds."""


def authorize(event: Event) -> dict[str, Any]:
    """Return a policy for every route of the stage, with the context of the Bearer authorizer and `api_key_id`.

    Raises `Unauthorized`, the one exception that makes a 401. If the store cannot answer, the error becomes a 500.
    """
    try:
        arn, key = arn_of(event), _key(event)
    except (InvalidToken, ServiceError) as error:
        log_refusal(error)
        raise Unauthorized from None
    try:
        rights = _directory(event).service(key, address=origins.address(event), now=int(time.time()))
    except ServiceError as error:
        if error.error is not Errors.INVALID_API_KEY:
            raise
        log_refusal(error)
        raise Unauthorized from None
    return allow_all_routes(rights.key.client_id, arn, _context(rights, _roles()))


def _key(event: Event) -> str:
    """Return the key from its header. Raises `INVALID_API_KEY` if there is a token too, or a key in the query."""
    if Environment(os.environ).auth_mode() == "bearer":
        raise ServiceError(Errors.INVALID_API_KEY, "the stack's AuthMode accepts tokens only")
    keys = told_apart(event, "x-api-key")
    if len(keys) != 1 or told_apart(event, "authorization"):
        raise ServiceError(Errors.INVALID_API_KEY, "none, or more than one")
    if any(str(value).startswith("lk_") for value in members(event, "queryStringParameters").values()):
        raise ServiceError(Errors.INVALID_API_KEY, "a key in the URL, where logs would keep it")
    if not isinstance(keys[0], str):
        raise ServiceError(Errors.INVALID_API_KEY, "not a text")
    return keys[0]


def _context(rights: ServiceRights, registry: Roles) -> dict[str, str]:
    return {
        "sub": rights.key.client_id,
        "client_id": rights.key.client_id,
        "sid": "",
        "roles": " ".join(registry.effective_roles(rights.roles)),
        "permissions": " ".join(rights.permissions(registry)),
        "scope": " ".join(known_scopes(rights.scopes, registry)),
        "auth_time": "",
        "api_key_id": rights.key.key_id,
    }


@cache
def _store() -> dynamodb.DynamoStore:
    return dynamodb.DynamoStore(dynamodb.connect(), Environment(os.environ).text("LATCHKEY_TABLE"))


@cache
def _roles() -> Roles:
    """Return what the roles permit. A stack's own roles are read from the table, once a minute at most."""
    return StoredRoles(RoleCache(_store(), time.monotonic, _ROLES_AGE))


def _directory(event: Event) -> ClientDirectory:
    """Return the directory. It needs no limit on wrong keys: 256 bits cannot be guessed, and a typo costs no read."""
    journal = LineJournal(origins.request_id(event), origins.address(event))
    return ClientDirectory(_store(), NoThrottle(), journal)


@dataclass(frozen=True, slots=True)
class LineJournal:
    """The journal of one request. Its lines are those of `telemetry.LogJournal`, without Powertools and its metrics."""

    request_id: str
    address: str

    def record(self, event: SecurityEvent) -> None:
        """Write the event as one line, without its empty members."""
        members = {"event": event.name} | asdict(event) | asdict(self)
        known = {name: value for name, value in members.items() if value and name != "name"}
        line = {"level": "INFO", "message": event.name, "time": time.time_ns() // 1_000_000} | known
        sys.stdout.write(json.dumps(line) + "\n")
