"""How a partner looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from infra.cli.answers import Record
from infra.cli.terminal.tables import Columns

_HEADINGS = {
    "id": "Id",
    "name": "Name",
    "status": "Status",
    "profile": "Token profile",
    "issuer": "Issuer",
    "keys": "Keys",
    "jwks_uri": "Keys at",
}
IN_LISTS = Columns(_HEADINGS, spare=("jwks_uri", "keys", "profile", "issuer", "status"))
CARD = Columns(
    _HEADINGS
    | {
        "alg": "Algorithm of its keys",
        "audience": "Audience",
        "tenant": "Tenant",
        "org": "Org",
        "role_map": "Role map",
        "default_roles": "Default roles",
        "clients": "Clients",
        "scopes": "Scopes",
        "allow_missing": "May lack",
        "tokens_per_minute": "Tokens a minute",
        "max_users": "Most users",
        "profile_updates": "Profile updates",
        "managed": "Managed",
        "created_at": "Created",
    }
)
_LIMITS = ("tokens_per_minute", "max_users")


def readable(partner: Record) -> Record:
    """Return a partner whose keys, role map and limits are in words."""
    limits = {name: "no limit" for name in _LIMITS if partner.get(name) == 0}
    return {**partner, **limits, "keys": _keys(partner.get("keys")), "role_map": _role_map(partner.get("role_map"))}


def _keys(keys: object) -> list[str]:
    found = [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    return [f"{key.get('kid')} ({key.get('alg')})" for key in found]


def _role_map(roles: object) -> list[str]:
    return [f"{theirs}={ours}" for theirs, ours in roles.items()] if isinstance(roles, Mapping) else []
