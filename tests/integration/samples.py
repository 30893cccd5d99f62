"""Records for tests: every one is new, so that tests may share a table."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from latchkey.core.authenticators.store import NewLogin, NewPassword, UndoneChange
from latchkey.core.events import RecordedEvent
from latchkey.core.model import (
    ApiKey,
    Client,
    ClientKind,
    CodePurpose,
    Credential,
    Draft,
    Link,
    Mail,
    MailKind,
    OneTimeCode,
    Partner,
    ProfileUpdates,
    Session,
    Status,
    UsedDraft,
    User,
    UserStatus,
)

if TYPE_CHECKING:
    from latchkey.adapters.store import Store

NOW = 2_000_000_000
"""A moment that no sweeper of a local DynamoDB takes for the past."""


def unique(prefix: str) -> str:
    """Return a name that no other test has."""
    return prefix + secrets.token_hex(16)


def user(login: str = "", roles: tuple[str, ...] = ("user", "shop"), **members: str) -> User:
    """Return an active user with every member set."""
    return User(
        sub=unique("usr_"),
        login=login or unique("ada@"),
        status=UserStatus.ACTIVE,
        roles=roles,
        epoch=3,
        created_at=NOW,
        name=members.get("name", "Ada"),
        locale=members.get("locale", "en"),
        source="app",
        verified_at=NOW - 20,
        reset_at=NOW - 10,
        linked_at=NOW,
        can_sign_in=True,
    )


def credential(owner: User, password_hash: str = "$argon2id$old") -> Credential:  # noqa: S107 - no real password
    """Return the credential of a user."""
    return Credential(owner.login, owner.sub, password_hash, owner.epoch)


def session(sub: str = "", **members: int) -> Session:
    """Return a session that began now, lives for an hour and may be kept up for ten."""
    return Session(
        sub=sub or unique("usr_"),
        sid=unique("ses_"),
        client_id="cli_app",
        scope="openid profile",
        epoch=members.get("epoch", 3),
        created_at=members.get("created_at", NOW),
        expires_at=members.get("expires_at", NOW + 3600),
        ends_at=members.get("ends_at", NOW + 36_000),
        auth_time=NOW,
        rotated_at=NOW,
        amr=("pwd", "otp"),
        family_hash=secrets.token_hex(32),
        link_hash=secrets.token_hex(32),
        device="Ada's phone",
    )


def worn_session(sub: str = "", **members: int) -> Session:
    """Return such a session that was refreshed four times and has counted a repeat: every member is set."""
    return replace(
        session(sub, **members),
        generation=4,
        salt=secrets.token_urlsafe(16),
        network_mark=unique(""),
        key_mark=unique(""),
        key_mark_before=unique(""),
        burst=3,
        burst_at=NOW - 900,
        late_level=3,
        late_generation=2,
        api_key_id="key",
        partner_id="prt_shop",
        org="acme",
    )


def code(*, purpose: CodePurpose = CodePurpose.RESET, data: Mapping[str, str] | None = None) -> OneTimeCode:
    """Return a code that lives for ten minutes."""
    return OneTimeCode(secrets.token_hex(32), purpose, unique("usr_"), NOW + 600, data or {"login": "ada@example.com"})


def draft() -> Draft:
    """Return a registration with every member set, which can be confirmed for a day; its digits live ten minutes."""
    return Draft(
        draft_id=unique("drf_"),
        login=unique("ada@"),
        password_hash="$argon2id$draft",
        flow_hash=secrets.token_hex(32),
        expires_at=NOW + 86_400,
        first_mail_id=unique("mail_"),
        mail_id=unique("mail_"),
        letter="confirm",
        link_hash=secrets.token_hex(32),
        digits_mac=secrets.token_hex(32),
        key_id="AAAAAAAAAAA",
        digits_expires_at=NOW + 600,
        name="Ada",
        locale="en",
        source="app",
    )


def renewed(draft: Draft, now: int = NOW) -> Draft:
    """Return the draft after another mail."""
    return replace(
        draft,
        mail_id=unique("mail_"),
        link_hash=secrets.token_hex(32),
        digits_mac=secrets.token_hex(32),
        digits_expires_at=now + 600,
        mails=draft.mails + 1,
    )


def used(draft: Draft, now: int = NOW) -> UsedDraft:
    """Return what is left of the draft when it is used."""
    return UsedDraft(draft.draft_id, now, "f" * 64, "AAAAAAAAAAA")


def client() -> Client:
    """Return a confidential client with every member set."""
    return Client(
        client_id=unique("cli_"),
        kind=ClientKind.CONFIDENTIAL,
        name="Shop",
        created_at=NOW,
        secret_hashes=("a" * 64, "b" * 64),
        redirect_uris=("https://shop.example/callback",),
        scopes=("openid",),
        grants=("authorization_code", "refresh_token"),
        roles=("shop",),
        status=Status.DISABLED,
        first_party=True,
    )


def api_key(expires_at: int | None = None) -> ApiKey:
    """Return an API key that never expires, or at that second."""
    return ApiKey(
        key_id=unique(""),
        client_id=unique("cli_"),
        name="Nightly job",
        secret_hash="c" * 64,
        created_at=NOW,
        scopes=("reports:read",),
        roles=("job",),
        expires_at=expires_at,
    )


def owned_key(store: Store, *, client_id: str = "", expires_at: int | None = None) -> ApiKey:
    """Store an API key with a client that owns it, unless that is there already; return the key."""
    owner = replace(client(), client_id=client_id or unique("cli_"))
    if store.find_client(owner.client_id) is None:
        store.create_client(owner)
    key = replace(api_key(expires_at), client_id=owner.client_id)
    store.create_api_key(key)
    return key


def mail(to: str = "") -> Mail:
    """Return a mail with every member set that waits for an hour."""
    return Mail(
        mail_id=unique("mail_"),
        about=MailKind.EMAIL_CHANGED,
        created_at=NOW,
        expires_at=NOW + 3600,
        to=to or "ada@example.com",
        sub=unique("usr_"),
        locale="ru",
        data={"email": "new@example.com"},
    )


def new_password(owner: User, code: OneTimeCode | None = None, keep: str = "", mail: Mail | None = None) -> NewPassword:
    """Return the change that a user with the sample credential makes."""
    return NewPassword(credential(owner), owner, "$argon2id$new", NOW, code, keep=keep, mail=mail)


def new_login(  # noqa: PLR0913 - as many as a change has members
    owner: User,
    login: str = "",
    code: OneTimeCode | None = None,
    mail: Mail | None = None,
    *,
    now: int = NOW,
    reserved_until: int = NOW + 259_200,
) -> NewLogin:
    """Return the move that a user with the sample credential makes, by a code that is not stored unless given."""
    moving = code or OneTimeCode("0" * 64, CodePurpose.CHANGE_EMAIL, owner.sub, NOW + 600)
    return NewLogin(credential(owner), owner, login or unique("new@"), now, moving, mail, reserved_until)


def undone_change(change: NewLogin, user: User, held: Credential, code: OneTimeCode) -> UndoneChange:
    """Return what takes an account, as it is now, back to the login before a change that reserved it."""
    assert change.reservation
    return UndoneChange(
        reservation=change.reservation,
        later=(),
        held=held,
        user=user,
        links=(),
        credential=Credential(change.held.login, user.sub, "!", user.epoch + 1),
        code=code,
        mails=(),
        now=NOW,
    )


def event(sub: str = "", *, ms: int = 0, expires_at: int = NOW + 600) -> RecordedEvent:
    """Return a security event with every member set, so many milliseconds after now."""
    return RecordedEvent(
        event_id=unique(""),
        time=NOW * 1000 + ms,
        name="roles_changed",
        expires_at=expires_at,
        sub=sub or unique("usr_"),
        sid=unique("ses_"),
        client_id="cli_app",
        reason="user",
        actor=unique("usr_"),
        request_id=unique(""),
        address="192.0.2.7",
    )


def partner(issuer: str = "") -> Partner:
    """Return a partner with every member set."""
    return Partner(
        partner_id=unique("prt_"),
        name="Shop",
        issuer=issuer or unique("https://shop.example/"),
        created_at=NOW,
        status=Status.DISABLED,
        profile="nodul",
        audience="latchkey",
        tenant="7",
        org="acme",
        keys={"k1": '{"kty":"EC"}', "k2": "{}"},
        jwks_uri="https://shop.example/jwks.json",
        role_map={"1": "user"},
        default_roles=("user",),
        clients=("cli_app", "cli_web"),
        scopes=("openid",),
        tokens_per_minute=60,
        max_users=9,
        allow_missing=("jti",),
        profile_updates=ProfileUpdates.ALWAYS,
        managed=True,
    )


def external_user() -> User:
    """Return a user without a login."""
    return replace(user(), login="", verified_at=0, reset_at=0, can_sign_in=False)


def link(owner: User, partner_id: str = "", external_id: str = "") -> Link:
    """Return a link of an account with every member set."""
    return Link(
        sub=owner.sub,
        partner_id=partner_id or unique("prt_"),
        external_id=external_id or unique("ext#"),
        created_at=NOW,
        roles=("user", "shop"),
        attributes='{"a":1}',
        first='{"plan_id":3}',
        confirmed_at=NOW,
    )
