"""The composition root: builds each service once per execution environment, when it is first asked for.

What people wait for is imported at the start, where Lambda gives most CPU; what few functions build, by its builder.

Nothing random is made here, so that environments copied from one snapshot stay different.
"""

from __future__ import annotations

import os
import secrets
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from latchkey.adapters import dynamodb, secrets_manager
from latchkey.adapters.role_cache import RoleCache
from latchkey.adapters.store import Store
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.credentials.passwords import Argon2Cost, BlockList, PasswordRules
from latchkey.core.grants.issuing import Issuer
from latchkey.core.grants.machine import MachineGrants
from latchkey.core.grants.password import PasswordSignIn
from latchkey.core.grants.refresh import Sessions
from latchkey.core.grants.validation import TokenCheck
from latchkey.core.mail.outbox import Outbox
from latchkey.core.roles.admin import RoleAdmin
from latchkey.core.roles.roles import Roles, StoredRoles
from latchkey.core.users.accounts import Accounts
from latchkey.core.users.sign_up import MailedSignUp
from latchkey.edge.settings import Environment, Settings
from latchkey.edge.telemetry import LogJournal
from latchkey.signing.key_set import Caches
from latchkey.signing.policy import Moment

if TYPE_CHECKING:
    from latchkey.core.authenticators.change_email import EmailChanges
    from latchkey.core.authenticators.change_password import PasswordChanges
    from latchkey.core.authenticators.links import Links
    from latchkey.core.authenticators.ownership import Ownership
    from latchkey.core.clients.admin import ClientAdmin
    from latchkey.core.clients.api_keys import ApiKeyAdmin
    from latchkey.core.grants.partner import PartnerSignIn
    from latchkey.core.mail.mailroom import Mailroom
    from latchkey.core.mail.requests import MailRequests
    from latchkey.core.partners.admin import PartnerAdmin
    from latchkey.core.partners.assertions import AssertionCheck
    from latchkey.core.signing_policy.admin import PolicyAdmin
    from latchkey.core.signing_policy.rotation import PolicyWriter, Rotation
    from latchkey.core.users.admin import UserAdmin
    from latchkey.core.users.erasure import Erasure
    from latchkey.core.users.first_admin import FirstAdmin
    from latchkey.core.users.transfer import UserTransfer
    from latchkey.edge.audit import Recorder


@cache
def settings() -> Settings:
    """Return the settings of this function."""
    return Settings.load(os.environ)


@cache
def store() -> Store:
    """Return the table."""
    return dynamodb.DynamoStore(dynamodb.connect(), settings().table)


@cache
def policies() -> secrets_manager.SecretPolicySource:
    """Return the source of the signing policy."""
    return secrets_manager.SecretPolicySource(
        secrets_manager.connect(), settings().signing_secret, time.monotonic, settings().policy_cache
    )


@cache
def accounts() -> Accounts:
    """Return the accounts."""
    return Accounts(
        users=store(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        rules=PasswordRules(settings().password_min_length, service_words=("latchkey", settings().service_name)),
        blocklist=BlockList(files("latchkey.data").joinpath("common-passwords.bin").read_bytes()),
        cost=Argon2Cost(),
        open_to_all=settings().registration != "closed",
    )


@cache
def password_sign_in() -> PasswordSignIn:
    """Return the sign-in with a password."""
    return PasswordSignIn(
        store=store(),
        policies=policies(),
        issuer=_issuer(),
        roles=roles(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        cost=Argon2Cost(),
        throttled=settings().throttled,
    )


@cache
def sessions() -> Sessions:
    """Return the sessions."""
    return Sessions(store(), clients(), policies(), _issuer(), roles(), LogJournal(), outbox())


@cache
def clients() -> ClientDirectory:
    """Return the directory of clients and API keys."""
    return ClientDirectory(store(), LogJournal(), roles(), settings().throttled)


@cache
def client_admin() -> ClientAdmin:
    """Return the clients in an operator's hands."""
    from latchkey.core.clients.admin import ClientAdmin

    return ClientAdmin(store(), roles_now(), LogJournal(), secrets.token_bytes)


@cache
def api_key_admin() -> ApiKeyAdmin:
    """Return the API keys in an operator's hands."""
    from latchkey.core.clients.api_keys import ApiKeyAdmin

    return ApiKeyAdmin(store(), roles_now(), LogJournal(), secrets.token_bytes)


@cache
def machine_grants() -> MachineGrants:
    """Return the grants of machines."""
    return MachineGrants(store(), clients(), policies(), _issuer(), roles(), LogJournal(), secrets.token_bytes)


@cache
def roles() -> Roles:
    """Return what the roles permit, at most as old as a signing policy may be."""
    return StoredRoles(RoleCache(store(), time.monotonic, settings().policy_cache))


@cache
def roles_now() -> Roles:
    """Return what the roles permit at this moment."""
    return StoredRoles(role_admin().registry)


@cache
def role_admin() -> RoleAdmin:
    """Return the roles in an admin's hands."""
    return RoleAdmin(store(), LogJournal())


@cache
def user_admin() -> UserAdmin:
    """Return the accounts in an operator's hands."""
    from latchkey.core.users.admin import UserAdmin

    return UserAdmin(store(), accounts(), sessions(), roles_now(), LogJournal(), outbox())


@cache
def first_admin() -> FirstAdmin:
    """Return the opening of the first admin's account."""
    from latchkey.core.users.first_admin import FirstAdmin

    return FirstAdmin(store(), accounts(), LogJournal())


@cache
def user_transfer() -> UserTransfer:
    """Return the accounts on the move."""
    from latchkey.core.users.transfer import UserTransfer

    return UserTransfer(store(), roles_now(), LogJournal(), secrets.token_bytes)


@cache
def token_check() -> TokenCheck:
    """Return the check of access tokens for others."""
    return TokenCheck(policies(), accounts(), clients(), store(), settings().audience, settings().throttled)


@cache
def outbox() -> Outbox:
    """Return the outbox; it takes nothing where the stack has no address to send from."""
    return Outbox(store(), secrets.token_bytes, bool(settings().mail_from))


@cache
def assertion_check() -> AssertionCheck:
    """Return the check of partners' assertions. Only a laptop's twin lets keys come from the machine itself."""
    from latchkey.adapters.partner_jwks import PublishedPartnerKeys
    from latchkey.core.partners.assertions import AssertionCheck

    keys = PublishedPartnerKeys(time.monotonic, local=Environment(os.environ).flag("LATCHKEY_LOCAL_JWKS"))
    return AssertionCheck(store(), keys, policies(), LogJournal(), settings().throttled)


@cache
def partner_sign_in() -> PartnerSignIn:
    """Return the sign-in by a partner's assertion."""
    from latchkey.core.grants.partner import PartnerSignIn

    return PartnerSignIn(
        store=store(),
        check=assertion_check(),
        policies=policies(),
        issuer=_issuer(),
        roles=roles(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
    )


@cache
def partner_admin() -> PartnerAdmin:
    """Return the partners in an operator's hands."""
    from latchkey.core.partners.admin import PartnerAdmin

    local = Environment(os.environ).flag("LATCHKEY_LOCAL_JWKS")
    return PartnerAdmin(store(), policies(), roles_now(), LogJournal(), secrets.token_bytes, local_keys=local)


@cache
def links() -> Links:
    """Return the links of accounts with partners."""
    from latchkey.core.authenticators.links import Links

    return Links(store(), accounts(), assertion_check(), _ownership(), LogJournal())


@cache
def mail_requests() -> MailRequests:
    """Return the requests for mail."""
    from latchkey.core.mail.requests import MailRequests

    return MailRequests(store(), outbox(), settings().throttled)


@cache
def signup() -> MailedSignUp:
    """Return the registration by mail."""
    return MailedSignUp(store(), accounts(), outbox(), LogJournal(), settings().throttled)


@cache
def password_changes() -> PasswordChanges:
    """Return the changes of passwords."""
    from latchkey.core.authenticators.change_password import PasswordChanges

    return PasswordChanges(store(), accounts(), _ownership(), outbox(), LogJournal())


@cache
def email_changes() -> EmailChanges:
    """Return the changes of e-mail addresses."""
    from latchkey.core.authenticators.change_email import EmailChanges

    return EmailChanges(store(), accounts(), _ownership(), outbox(), LogJournal(), settings().throttled)


@cache
def erasure() -> Erasure:
    """Return the deletion of accounts."""
    from latchkey.core.users.erasure import Erasure

    return Erasure(store(), _ownership(), outbox(), LogJournal())


@cache
def mailroom() -> Mailroom:
    """Return the sender of mails. It alone loads Jinja2 and SES."""
    from latchkey.adapters import ses
    from latchkey.core.mail.mailroom import Mailroom
    from latchkey.mails.letters import JinjaWriter

    env = Environment(os.environ)
    return Mailroom(
        store=dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE")),
        writer=JinjaWriter(),
        postman=ses.SesPostman(ses.connect(), env.text("LATCHKEY_MAIL_FROM")),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        link_base=(env.text("LATCHKEY_MAIL_LINK_BASE", "") or env.text("LATCHKEY_ISSUER")).rstrip("/"),
        service_name=env.text("LATCHKEY_SERVICE_NAME", "latchkey"),
    )


@cache
def recorder() -> Recorder:
    """Return the writer of the audit log."""
    from latchkey.edge.audit import Recorder

    env = Environment(os.environ)
    table = dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE"))
    return Recorder(table, env.number("LATCHKEY_AUDIT_RETENTION_DAYS", 365, low=1, high=3653))


@cache
def policy_admin() -> PolicyAdmin:
    """Return the signing policy in an admin's hands."""
    from latchkey.core.signing_policy.admin import PolicyAdmin

    return PolicyAdmin(_policy_writer(), store(), Environment(os.environ).flag("LATCHKEY_ALLOW_HS256"))


@cache
def rotation() -> Rotation:
    """Return the rotation of the signing secret, with the stack's parameters for the very first policy."""
    from latchkey.core.signing_policy.rotation import FirstPolicy, Rotation
    from latchkey.signing.keys import Algorithm
    from latchkey.signing.policy import Lifetimes

    env = Environment(os.environ)
    lifetimes = Lifetimes(
        access_ttl=env.number("LATCHKEY_ACCESS_TTL", 900, low=60, high=86_400),
        refresh_ttl=env.number("LATCHKEY_REFRESH_TTL", 7_776_000, low=3_600, high=31_536_000),
        refresh_idle_ttl=env.number("LATCHKEY_REFRESH_IDLE_TTL", 2_592_000, low=3_600, high=31_536_000),
        refresh_retry_limit=env.number("LATCHKEY_REFRESH_RETRY_LIMIT", 2, low=0, high=10),
    )
    algorithm = Algorithm(env.choice("LATCHKEY_ALGORITHM", ("RS256", "ES256", "EdDSA"), "RS256"))
    first = FirstPolicy(
        issuer=env.text("LATCHKEY_ISSUER"),
        algorithm=algorithm,
        lifetimes=lifetimes,
        audience=env.text("LATCHKEY_AUDIENCE", ""),
        rsa_bits=int(env.choice("LATCHKEY_RSA_BITS", ("2048", "3072", "4096"), "3072")),
    )
    return Rotation(_policy_writer(), first)


def moment(now: int) -> Moment:
    """Return this moment, with how long others may go on with an earlier policy."""
    env = Environment(os.environ)
    caches = Caches(
        policy=env.number("LATCHKEY_POLICY_CACHE", 60, low=1, high=60),
        jwks=env.number("LATCHKEY_JWKS_MAX_AGE", 300, low=1, high=300),
        authorizer=env.number("LATCHKEY_AUTHORIZER_CACHE", 60, low=0, high=300),
    )
    return Moment(now, secrets.token_bytes, caches)


def _ownership() -> Ownership:
    from latchkey.core.authenticators.ownership import Ownership

    return Ownership(store(), LogJournal(), Argon2Cost(), settings().throttled)


def _policy_writer() -> PolicyWriter:
    from latchkey.core.signing_policy.rotation import PolicyWriter

    env = Environment(os.environ)
    table = dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE"))
    secret = secrets_manager.SigningSecret(secrets_manager.connect(), env.text("LATCHKEY_SIGNING_SECRET"))
    return PolicyWriter(secret, table, table, LogJournal())


def _issuer() -> Issuer:
    return Issuer(settings().audience, secrets.token_bytes, roles())
