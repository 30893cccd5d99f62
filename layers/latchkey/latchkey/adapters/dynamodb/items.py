"""The keys of the table's items, and the way from a record of `core.model` to an item and back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from latchkey.core.credentials.logins import look_of
from latchkey.core.model import ClientKind, CodePurpose, MailKind, ProfileUpdates, Status, UserStatus
from latchkey.core.throttle import Counter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item: TypeAlias = "dict[str, AttributeValueTypeDef]"
AnyItem: TypeAlias = "Mapping[str, AttributeValueTypeDef]"
Value: TypeAlias = "str | int | bool | tuple[str, ...] | Mapping[str, str] | Mapping[str, int]"
Record = TypeVar("Record", bound="DataclassInstance")

LINGER = 86_400
"""Seconds that an item stays after its expiry, so that a fast clock does not delete it early."""

_OUR_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ENUMERATIONS: Mapping[str, type[StrEnum]] = {
    each.__name__: each for each in (ClientKind, CodePurpose, MailKind, ProfileUpdates, Status, UserStatus)
}
"""The enumerations that members of records have, by the names of their annotations."""


class Key(NamedTuple):
    """Partition key and sort key of an item."""

    pk: str
    sk: str


def user(sub: str) -> Key:
    """Return the key of an account."""
    return Key(f"USER#{_identifier(sub)}", "PROFILE")


def session(sub: str, sid: str) -> Key:
    """Return the key of a session: apart from its account, so that IAM can let a function write only sessions."""
    return Key(sessions(sub), f"SESSION#{_identifier(sid)}")


def sessions(sub: str) -> str:
    """Return the partition of a subject's sessions."""
    return f"SESSIONS#{_identifier(sub)}"


def login(canonical: str) -> Key:
    """Return the key of the credential of a canonical login: one key for all logins that look alike."""
    return Key(f"LOGIN#{_digest(look_of(canonical))}", "LOGIN")


def code(code_hash: str, purpose: str) -> Key:
    """Return the key of a one-time code; the hash is all that is ever stored of it."""
    return Key(f"CODE#{_identifier(code_hash)}", purpose)


def draft(draft_id: str) -> Key:
    """Return the key of a registration that is not confirmed yet."""
    return Key(f"DRAFT#{_identifier(draft_id)}", "DRAFT")


def mail(mail_id: str) -> Key:
    """Return the key of a mail that waits to be sent; the mailer's event source asks for this very prefix."""
    return Key(f"OUTBOX#{_identifier(mail_id)}", "OUTBOX")


def client(client_id: str) -> Key:
    """Return the key of an OAuth client."""
    return Key(f"CLIENT#{_identifier(client_id)}", "CLIENT")


def api_key(key_id: str) -> Key:
    """Return the key of an API key."""
    return Key(f"APIKEY#{_identifier(key_id)}", "APIKEY")


def client_listed(client_id: str) -> Key:
    """Return the key of a client's entry in the list of all clients."""
    return Key(CLIENTS, _identifier(client_id))


def api_key_listed(client_id: str, key_id: str) -> Key:
    """Return the key of an API key's entry in the list of all keys, where those of one client stand together."""
    return Key(API_KEYS, f"{api_keys_of(client_id)}{_identifier(key_id)}")


def api_keys_of(client_id: str) -> str:
    """Return the prefix of the sort keys of one client's API keys in the list."""
    return f"{_identifier(client_id)}#"


def partner(partner_id: str) -> Key:
    """Return the key of a partner."""
    return Key(f"PARTNER#{_identifier(partner_id)}", "PARTNER")


def seats(partner_id: str) -> Key:
    """Return the key of the number of users of a partner: apart, so that counting needs no right to change it."""
    return Key(f"SEATS#{_identifier(partner_id)}", "SEATS")


def issuer(iss: str) -> Key:
    """Return the key of the claim of an issuer."""
    return Key(f"ISSUER#{_digest(iss)}", "ISSUER")


def listed_partner(position: str) -> Key:
    """Return the key under which a partner is listed."""
    return Key(PARTNERS, position)


def external(partner_id: str, external_id: str) -> Key:
    """Return the key of an external id."""
    return Key(f"EXTERNAL#{_identifier(partner_id)}#{_digest(external_id)}", "EXTERNAL")


def link(sub: str, partner_id: str) -> Key:
    """Return the key of a link: beside its account."""
    return Key(user(sub).pk, f"{LINK}{_identifier(partner_id)}")


def assertion(digest: str) -> Key:
    """Return the key of an assertion that was used."""
    return Key(f"JTI#{_identifier(digest)}", "JTI")


def throttle(counter: Counter, now: int) -> Key:
    """Return the key of a counter's present window."""
    return Key(f"THROTTLE#{counter.what}#{_digest(counter.who)}#{counter.rule.window_index(now)}", "THROTTLE")


def lease(name: str) -> Key:
    """Return the key of a lease."""
    return Key("CONFIG", f"LEASE#{name}")


JWKS = Key("CONFIG", "JWKS")
ROLES = Key("CONFIG", "ROLES")
ADMINS = Key("ADMINS", "ADMINS")
"""The key of the number of active admins. It is apart from `CONFIG`, so that a function that counts admins cannot
publish keys."""

BY_SUBJECT = "by_subject"
"""The index of events by their attribute `subject`: an event can be read by its day and by its subject."""

USERS = "USERS"
"""The partition that lists all accounts, by age."""

CLIENTS = "CLIENTS"
"""The partition that lists all clients, by id."""

API_KEYS = "APIKEYS"
"""The partition that lists all API keys, those of one client together."""


PARTNERS = "PARTNERS"
"""The partition that lists all partners, by age."""

LINK = "LINK#"
"""How the sort keys of links begin."""


def listed_user(position: str) -> Key:
    """Return the key under which an account is listed."""
    return Key(USERS, position)


def event(day: str, position: str) -> Key:
    """Return the key of a security event: one partition a day, in the order of time."""
    return Key(f"AUDIT#{day}", position)


def key_item(key: Key) -> Item:
    """Return the key as DynamoDB wants it."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def encode(key: Key, record: DataclassInstance, *, ttl: int | None = None) -> Item:
    """Return the item of a record; a member that is `None` has no attribute. `ttl` is when DynamoDB may sweep it."""
    members = {field.name: getattr(record, field.name) for field in fields(record)} | {"ttl": ttl}
    return key_item(key) | {name: attribute(value) for name, value in members.items() if value is not None}


def decode(kind: type[Record], item: AnyItem) -> Record:
    """Return the record of an item.

    Attributes that the record does not know, such as those of a newer release, are ignored.
    """
    return kind(
        **{field.name: _member(str(field.type), item[field.name]) for field in fields(kind) if field.name in item}
    )


def attribute(value: Value) -> AttributeValueTypeDef:
    """Return a value as DynamoDB writes it."""
    if isinstance(value, bool):  # before int, whose subclass it is
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, tuple):
        return {"L": [attribute(member) for member in value]}
    return {"M": {name: attribute(member) for name, member in value.items()}}


def _member(annotation: str, value: AttributeValueTypeDef) -> Any:
    plain = _plain(value)
    return _ENUMERATIONS[annotation](plain) if annotation in _ENUMERATIONS else plain


def _plain(value: AttributeValueTypeDef) -> Any:
    if "BOOL" in value:
        return value["BOOL"]
    if "N" in value:
        return int(value["N"])
    if "L" in value:
        return tuple(_plain(member) for member in value["L"])
    if "M" in value:
        return {name: _plain(member) for name, member in value["M"].items()}
    return value["S"]


def _identifier(text: str) -> str:
    """Return an identifier unchanged if it could be ours; otherwise its hash, which matches none of ours.

    So a caller cannot put a separator, an odd byte or a long text into a key.
    """
    return text if _OUR_IDENTIFIER.fullmatch(text) else _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
