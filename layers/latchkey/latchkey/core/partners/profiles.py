"""The claims of each kind of partner, in one table. A new kind is a new row."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from latchkey.core.labels import label_of, language_of
from latchkey.signing.jws import InvalidToken

RELAXATIONS = ("jti", "iss", "aud", "kid", "iat")
"""The claims that a partner's tokens may lack, if its record or its profile says so."""

MAX_ATTRIBUTES = 2048
"""Bytes of the claims that the profile does not know."""

_LONGEST_ID, _MOST_ROLES = 256, 32
_REGISTERED = frozenset({"iss", "aud", "sub", "exp", "iat", "nbf", "jti"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The claims of a profile. `roles` is a claim and, where it is a list of objects, the member that holds the role.

    `names` are joined to one. `once` are kept from the first token alone. `unless` is a claim that must be there where
    another is true. `lacks` are the claims that its vendor never sends.
    """

    subject: str
    tenant: str = ""
    roles: tuple[str, str] = ("roles", "")
    names: tuple[str, ...] = ("name",)
    locale: str = ""
    once: tuple[str, ...] = ()
    unless: tuple[str, str] = ("", "")
    lacks: tuple[str, ...] = ()

    @property
    def claims(self) -> frozenset[str]:
        """The claims that have a meaning of their own, and are not kept as attributes."""
        return _REGISTERED | {self.subject, self.tenant, self.roles[0], *self.names, self.locale, *self.once}


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "standard": Profile(subject="sub", locale="locale"),
        "nodul": Profile(
            subject="user_id",
            tenant="tenant_id",
            roles=("grant_access", "role_id"),
            names=(),
            once=("plan_id",),
            unless=("no_personal_space", "grant_access"),
            lacks=RELAXATIONS,
        ),
        "activepieces": Profile(
            subject="externalUserId",
            tenant="externalProjectId",
            roles=("role", ""),
            names=("firstName", "lastName"),
            lacks=("jti", "iss", "aud", "iat"),  # it refuses tokens without `kid` itself
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that a token describes. `roles` are still the partner's; the last two are JSON."""

    external_id: str
    roles: tuple[str, ...]
    name: str
    locale: str
    attributes: str
    first: str


def read_identity(claims: Mapping[str, object], profile: Profile, *, tenant: str) -> Identity:
    """Return the user that the claims describe; raise `InvalidToken` if they do not fit the profile or the tenant."""
    if profile.tenant and _spelled(claims.get(profile.tenant)) != tenant:
        raise InvalidToken("wrong_tenant")
    condition, needed = profile.unless
    if claims.get(condition) is True and not claims.get(needed):
        raise InvalidToken(f"bad_{needed}")
    rest = {name: value for name, value in claims.items() if name not in profile.claims}
    return Identity(
        external_id=_external_id(claims.get(profile.subject)),
        roles=_roles(claims, *profile.roles),
        name=label_of(" ".join(filter(None, (_text(claims, each) for each in profile.names)))),
        locale=language_of(_text(claims, profile.locale)),
        attributes=_json(rest),
        first=_json({name: claims[name] for name in profile.once if name in claims}),
    )


def may_lack(profile: str, allow_missing: Collection[str]) -> frozenset[str]:
    """Return the claims that the tokens of a partner may lack: by its record, and by its profile."""
    return frozenset({*allow_missing, *PROFILES[profile].lacks})


def _external_id(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        raise InvalidToken("bad_subject")
    return value


def _roles(claims: Mapping[str, object], claim: str, member: str) -> tuple[str, ...]:
    """Return the partner's roles: one or a list, each a text or a number, or in a member of an object."""
    value = claims.get(claim, [])
    listed = value if isinstance(value, list) else [value]
    if member:
        listed = [each.get(member) if isinstance(each, dict) else None for each in listed]
    roles = tuple(dict.fromkeys(_spelled(each) for each in listed))
    if "" in roles or len(roles) > _MOST_ROLES:
        raise InvalidToken("bad_roles")
    return roles


def _spelled(value: object) -> str:
    """Return a text as it is and a whole number in digits; anything else is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _text(claims: Mapping[str, object], name: str) -> str:
    """Return an optional claim for display. A claim that is no text is left out, since nothing depends on it."""
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""


def _json(members: Mapping[str, object]) -> str:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    if len(text) > MAX_ATTRIBUTES:
        raise InvalidToken("attributes_too_large")
    return text
