"""The nouns of the service. Times are whole seconds since the Unix epoch (UTC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FIRST_PARTY_CLIENT = "cli_app"
"""The public client of a team's own mobile app: every sign-in at `/v1/auth/login` belongs to it."""


ADMIN_ROLE = "admin"
"""The role of operators who may do everything. At least one active account keeps it."""

RECENT_SIGN_IN = 600
"""Seconds after a sign-in during which it counts as a recent one."""


class Status(StrEnum):
    """Whether a client, an API key or a partner is accepted."""

    ACTIVE = "active"
    DISABLED = "disabled"


def given(changes: DataclassInstance) -> dict[str, Any]:
    """Return the members of a record of changes that are not `None`, by their names."""
    return {each.name: value for each in fields(changes) if (value := getattr(changes, each.name)) is not None}


class UserStatus(StrEnum):
    """Whether an account may sign in."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETING = "deleting"  # its owner has deleted it, and the rest is being swept


class ClientKind(StrEnum):
    """The kinds of OAuth client (RFC 6749 section 2.1), and services that act for themselves."""

    PUBLIC = "public"
    CONFIDENTIAL = "confidential"
    SERVICE = "service"


class Grant(StrEnum):
    """The grants a client may be allowed (RFC 6749, RFC 7523)."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class User:
    """An account. `sub` is `usr_` + 128 random bits; `login` is canonical; `epoch` rises when sessions must end.

    A user from a partner has an empty login, and so no password. `username` is a second login, which an import may
    bring: it opens the account as `login` does, and receives no mail.

    `verified_at` is when the owner proved that they read the mail of `login`; 0 means never. `reset_at` is when a code
    from a mail last set the password; 0 means never. `linked_at` is the latest `confirmed_at` of its links; no reset is
    earlier. `can_sign_in` says whether the account has an authenticator of its own, such as a password; links with
    partners do not count. `address_changed_at` is when `login` last changed, if the owner of the former address can
    undo that; 0 means never.
    """

    sub: str
    login: str
    status: UserStatus
    roles: tuple[str, ...]
    epoch: int
    created_at: int
    name: str = ""
    locale: str = ""
    source: str = ""
    verified_at: int = 0
    reset_at: int = 0
    linked_at: int = 0
    can_sign_in: bool = False
    address_changed_at: int = 0
    username: str = ""


def is_active_admin(user: User) -> bool:
    """Say whether this account counts for the rule that one admin stays.

    An admin who cannot sign in does not, and sessions that a partner opens operate nothing.
    """
    return user.status is UserStatus.ACTIVE and ADMIN_ROLE in user.roles and user.can_sign_in


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of a login. `password_hash` is a PHC string.

    Devices that were known at `devices_since` or before count as unknown ones again; 0 means that none do.
    """

    login: str
    sub: str
    password_hash: str
    epoch: int
    devices_since: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device: a chain of refresh tokens.

    `generation` counts the refreshes. The session is alive while `now < expires_at`, which moves with every refresh
    and never passes `ends_at`. `epoch` is the credential's of the sign-in. `partner_id` and `org` are those of the
    partner who opened it, if one did.

    The chain: `family_hash` and `link_hash` are the SHA-256, in hex, of what the token of this generation holds, and
    `salt` is what its link was derived with (base64url; empty at generation 0).

    The last refresh was at `rotated_at`. `network_mark` tells its network and `key_mark` its `Idempotency-Key`, each as
    a hash or empty; `key_mark_before` is that of the refresh before it. The present burst of refreshes began at
    `burst_at`, with the token of generation `burst`. `late_level` and `late_generation` are the bucket of late repeats
    (`grants/repeats.py`).
    """

    sub: str
    sid: str
    client_id: str
    scope: str
    epoch: int
    created_at: int
    expires_at: int
    ends_at: int
    auth_time: int
    rotated_at: int
    amr: tuple[str, ...]
    family_hash: str
    link_hash: str
    generation: int = 0
    salt: str = ""
    network_mark: str = ""
    key_mark: str = ""
    key_mark_before: str = ""
    burst: int = 0
    burst_at: int = 0
    late_level: int = 0
    late_generation: int = -1
    device: str = ""
    api_key_id: str = ""
    partner_id: str = ""
    org: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client. `client_id` is `cli_` + 128 random bits; `secret_hashes` are SHA-256 in hex, two at most.

    `first_party` marks an app of the team itself: its tokens may do all that their users may do.
    """

    client_id: str
    kind: ClientKind
    name: str
    created_at: int
    secret_hashes: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    status: Status = Status.ACTIVE
    first_party: bool = False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A long-lived secret of a service. `secret_hash` is SHA-256 in hex; `expires_at` of `None` means never.

    `last_used_on` is a day (`YYYY-MM-DD`, UTC), empty before the first use; `successor` is the id of the key that a
    rotation has put in its place.
    """

    key_id: str
    client_id: str
    name: str
    secret_hash: str
    created_at: int
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    expires_at: int | None = None
    status: Status = Status.ACTIVE
    last_used_on: str = ""
    successor: str = ""


class ProfileUpdates(StrEnum):
    """When a user's name and locale are copied from the partner's token."""

    FIRST = "first"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Partner:
    """An outside issuer whose signed JWTs sign its users in (RFC 7523). `partner_id` is `prt_` + 128 random bits.

    `keys` are public JWKs as JSON, by `kid`; instead of them there may be a `jwks_uri`. `audience` is the `aud` that
    its tokens must have; empty means this stack's issuer. `tenant` is the tenant or project that they must name, if the
    profile has such a claim. `role_map` maps the partner's roles to ours. `allow_missing` names the claims that may be
    absent. A limit of 0 means no limit. `closed_until` is when the partner was last disabled or enabled again: the
    sessions that it opened before that have ended. `managed` marks an employer's sign-in: a reset of the password does
    not suspend its links. `alg` is the algorithm of published keys that name none. `version` rises with every change.
    """

    partner_id: str
    name: str
    issuer: str
    created_at: int
    version: int = 1
    status: Status = Status.ACTIVE
    closed_until: int = 0
    profile: str = "standard"
    audience: str = ""
    tenant: str = ""
    org: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    jwks_uri: str = ""
    role_map: Mapping[str, str] = field(default_factory=dict)
    default_roles: tuple[str, ...] = ("user",)
    clients: tuple[str, ...] = (FIRST_PARTY_CLIENT,)
    scopes: tuple[str, ...] = ("openid", "profile", "offline_access")
    tokens_per_minute: int = 0
    max_users: int = 0
    allow_missing: tuple[str, ...] = ()
    profile_updates: ProfileUpdates = ProfileUpdates.FIRST
    managed: bool = False
    alg: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """The identity that an account has with a partner.

    `roles` are those that the partner's last token gave. `attributes` holds the other claims of that token, as JSON;
    `first` holds the claims that only the first token may set. `confirmed_at` is when the owner last proved that the
    link is theirs.
    """

    sub: str
    partner_id: str
    external_id: str
    created_at: int
    roles: tuple[str, ...] = ()
    attributes: str = "{}"
    first: str = "{}"
    confirmed_at: int = 0


def is_live(link: Link, partner: Partner, *, reset_at: int) -> bool:
    """Say whether a link opens its account, whose password was last reset by mail at `reset_at`.

    A reset suspends the links that were confirmed in the same second or before. The links of a managed partner stay.
    """
    return partner.managed or link.confirmed_at > reset_at


def upholds(partner: Partner | None, link: Link | None, session: Session, *, reset_at: int) -> bool:
    """Say whether a partner still stands behind a session that it opened, and its link still opens the account.

    A session that began while the partner was disabled or the link was removed was not ended with the others.
    """
    if partner is None or partner.status is not Status.ACTIVE or session.created_at <= partner.closed_until:
        return False
    return link is not None and is_live(link, partner, reset_at=reset_at)


class CodePurpose(StrEnum):
    """The purpose of a one-time code. A code is valid only for its own purpose."""

    CONFIRM = "confirm"
    RESET = "reset"
    RESET_SIGNING = "reset_signing"
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL = "undo_email"


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """A code that works once, until `expires_at`. `code_hash` is the SHA-256, in hex, of the code in the mail."""

    code_hash: str
    purpose: CodePurpose
    sub: str
    expires_at: int
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A registration that is not confirmed yet. It is no account, and it reserves no login.

    `draft_id` is `drf_` + 128 random bits. `flow_hash` is the SHA-256, in hex, of the secret of the device that
    registered. Its mails are counted in `mails`, the first was `first_mail_id`, the last is `mail_id`, and `letter` is
    what the last one said. `link_hash` is the SHA-256 of the secret in the link, and `digits_mac` the MAC of the last
    digits under the seal key `key_id`. They open the draft only after a `confirm` letter: otherwise no code fits.
    """

    draft_id: str
    login: str
    password_hash: str
    flow_hash: str
    expires_at: int
    first_mail_id: str
    mail_id: str
    letter: str
    link_hash: str
    digits_mac: str
    key_id: str
    digits_expires_at: int
    mails: int = 1
    name: str = ""
    locale: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class UsedDraft:
    """What is left of a draft that became an account: enough to know the same proof again, and no secret.

    `proof_mac` is a MAC of the proof under the seal key `proof_key_id`.
    """

    draft_id: str
    used_at: int
    proof_mac: str
    proof_key_id: str


class MailKind(StrEnum):
    """The kinds of mail."""

    CONFIRM = "confirm"
    CONFIRM_ADDRESS = "confirm_address"
    ALREADY_REGISTERED = "already_registered"
    RESET = "reset"
    CHANGE_EMAIL = "change_email"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a notice
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    REFRESH_REUSE = "refresh_reuse"
    ACCOUNT_DELETED = "account_deleted"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that waits to be sent.

    It never holds a code: the mailer makes the code, so no store contains it. `data` of a registration holds the hash
    of its password. `to` is a canonical e-mail address. If it is empty, the mail goes to the login of the account
    `sub`.

    `asked_by` says who asked for the mail, so that the mailer can count it: the address of a stranger, or the id of an
    operator. It is empty if the mail announces a change, or was counted before it was posted. `charged_at` is when the
    mailer has counted it, and `charged_to` the address that it goes to.

    `asked_by` says who asked for the mail, so that the mailer can count it: the address of a stranger, or the id of an
    operator; empty if the mail announces a change, or was counted before it was stored. Once it is counted,
    `charged_at` is the time, and `charged_to` the address that it goes to.
    """

    mail_id: str
    about: MailKind
    created_at: int
    expires_at: int
    to: str = ""
    sub: str = ""
    locale: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    asked_by: str = ""
    charged_at: int = 0
    charged_to: str = ""
