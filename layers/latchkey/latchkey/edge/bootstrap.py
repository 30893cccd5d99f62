"""The composition root of what several functions use. Each service is built once, when it is first asked for.

What one function alone uses is built in that function's folder. Services on user-facing paths are imported here at
start-up, when Lambda grants the most CPU; the others are imported by their builders.

Nothing random is made here, so environments that are copied from one snapshot stay different.
"""

from __future__ import annotations

import os
import secrets
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from latchkey.adapters import dynamodb, secrets_manager
from latchkey.adapters.published_policy import PolicyKeys, PublishedPolicy
from latchkey.adapters.role_cache import RoleCache
from latchkey.adapters.store import Store
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.credentials.device_tokens import DeviceTokens
from latchkey.core.credentials.new_passwords import NewPasswords
from latchkey.core.credentials.passwords import Argon2Cost, BlockList, PasswordRules
from latchkey.core.grants.gate import Gate
from latchkey.core.grants.issuing import Issuer
from latchkey.core.grants.refresh import RefreshGrant
from latchkey.core.grants.sessions import Sessions
from latchkey.core.mail.outbox import Outbox
from latchkey.core.roles.roles import Roles, StoredRoles, registry_with
from latchkey.core.throttle import NoThrottle, ThrottleStore
from latchkey.core.users.accounts import Accounts
from latchkey.edge.settings import BadSettings, Environment, Settings
from latchkey.edge.telemetry import LogJournal
from latchkey.signing.key_set import Caches
from latchkey.signing.keys import LAST_GOOD
from latchkey.signing.policy import Moment

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from latchkey.core.authenticators.ownership import Ownership
    from latchkey.core.partners.assertions import AssertionCheck
    from latchkey.core.partners.store import PartnerKeys
    from latchkey.core.policy import VerificationKeys
    from latchkey.core.signing_policy.rotation import PolicyWriter
    from latchkey.core.signing_policy.seals import SealWriter


@cache
def settings() -> Settings:
    """Return the settings of this function."""
    return Settings.load(os.environ)


@cache
def store() -> Store:
    """Return the table."""
    return dynamodb.DynamoStore(dynamodb.connect(), settings().table)


@cache
def _secrets() -> SecretsManagerClient:
    """Return the client that reads both secrets. It takes a while to build, and a sign-in needs both."""
    return secrets_manager.connect()


@cache
def policies() -> secrets_manager.SecretPolicySource:
    """Return the source of the signing policy."""
    secret = _required(settings().signing_secret, "LATCHKEY_SIGNING_SECRET")
    return secrets_manager.SecretPolicySource(_secrets(), secret, time.monotonic, settings().policy_cache)


@cache
def verifying_policies() -> secrets_manager.SecretPolicySource:
    """Return the source of the signing policy for a function that verifies shared keys, and mints nothing."""
    secret = _required(settings().signing_secret, "LATCHKEY_SIGNING_SECRET")
    return secrets_manager.SecretPolicySource(
        _secrets(), secret, time.monotonic, settings().policy_cache, last_good=LAST_GOOD
    )


@cache
def published_policy() -> PublishedPolicy:
    """Return the public half of the signing policy."""
    return PublishedPolicy(store(), time.monotonic, time.time, settings().policy_cache)


@cache
def verification_keys() -> VerificationKeys:
    """Return the published keys or, if the stack allows HS256, those of the policy: a shared key is not published."""
    if Environment(os.environ).flag("LATCHKEY_ALLOW_HS256"):
        return PolicyKeys(verifying_policies(), time.time)
    return published_policy()


@cache
def seals() -> secrets_manager.SecretSealSource:
    """Return the source of the seal keys."""
    secret = _required(settings().seal_secret, "LATCHKEY_SEAL_SECRET")
    return secrets_manager.SecretSealSource(_secrets(), secret, time.monotonic, settings().policy_cache)


@cache
def device_tokens() -> DeviceTokens:
    """Return the tokens of known devices."""
    return DeviceTokens(seals(), secrets.token_bytes)


@cache
def accounts() -> Accounts:
    """Return the accounts."""
    return Accounts(
        users=store(),
        sessions=store(),
        attempts=attempts(),
        new_passwords=new_passwords(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        open_to_all=settings().registration != "closed",
    )


@cache
def new_passwords() -> NewPasswords:
    """Return the check of new passwords."""
    return NewPasswords(
        PasswordRules(settings().password_min_length, service_words=("latchkey", settings().service_name)),
        BlockList(files("latchkey.data").joinpath("common-passwords.bin").read_bytes()),
        Argon2Cost(),
        secrets.token_bytes,
    )


@cache
def attempts() -> ThrottleStore:
    """Return the counters of attempts. The local twin counts none where it measures load."""
    return store() if settings().throttled else NoThrottle()


@cache
def gate() -> Gate:
    """Return the gate, through which every session begins."""
    return Gate(store(), roles(), LogJournal(), secrets.token_bytes, max_sessions=settings().max_sessions)


@cache
def sessions() -> Sessions:
    """Return the end of sessions."""
    return Sessions(store(), LogJournal())


@cache
def refresh_grant() -> RefreshGrant:
    """Return the renewal of sessions."""
    return RefreshGrant(
        store=store(),
        links=store(),
        clients=clients(),
        policies=policies(),
        issuer=issuer(),
        sessions=sessions(),
        roles=roles(),
        journal=LogJournal(),
        outbox=outbox(),
        entropy=secrets.token_bytes,
    )


@cache
def clients() -> ClientDirectory:
    """Return the directory of clients and API keys."""
    return ClientDirectory(store(), attempts(), LogJournal())


@cache
def issuer() -> Issuer:
    """Return the issuer of tokens."""
    return Issuer(settings().audience, secrets.token_bytes, roles())


@cache
def roles() -> Roles:
    """Return what the roles permit, at most as old as a signing policy may be."""
    return StoredRoles(RoleCache(store(), time.monotonic, settings().policy_cache))


@cache
def roles_now() -> Roles:
    """Return what the roles permit at this moment."""
    return StoredRoles(lambda: registry_with(store().custom_roles()))


@cache
def outbox() -> Outbox:
    """Return the outbox. It accepts nothing if the stack has no address to send from."""
    return Outbox(store(), secrets.token_bytes, bool(settings().mail_from))


@cache
def ownership() -> Ownership:
    """Return the check that the owner of an account asks for a change of what opens it."""
    from latchkey.core.authenticators.ownership import Ownership

    return Ownership(store(), store(), attempts(), LogJournal(), Argon2Cost())


@cache
def partner_keys() -> PartnerKeys:
    """Return the keys that partners publish. Only the local twin accepts keys from the machine itself."""
    from latchkey.adapters.partner_jwks import PublishedPartnerKeys

    return PublishedPartnerKeys(time.monotonic, local=Environment(os.environ).flag("LATCHKEY_LOCAL_JWKS"))


@cache
def assertion_check() -> AssertionCheck:
    """Return the check of partners' assertions."""
    from latchkey.core.partners.assertions import AssertionCheck

    return AssertionCheck(
        partners=store(),
        used=store(),
        attempts=attempts(),
        keys=partner_keys(),
        names=published_policy(),
        journal=LogJournal(),
    )


@cache
def policy_writer() -> PolicyWriter:
    """Return the writer of the signing policy. It needs the table and the secret, and no other setting."""
    from latchkey.core.signing_policy.rotation import PolicyWriter

    env = Environment(os.environ)
    table = dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE"))
    secret = secrets_manager.SigningSecret(secrets_manager.connect(), env.text("LATCHKEY_SIGNING_SECRET"))
    return PolicyWriter(secret, table, table, LogJournal())


@cache
def seal_writer() -> SealWriter:
    """Return the writer of the seal keys."""
    from latchkey.core.signing_policy.seals import SealWriter

    secret = Environment(os.environ).text("LATCHKEY_SEAL_SECRET")
    return SealWriter(secrets_manager.SealSecret(secrets_manager.connect(), secret))


def moment(now: int) -> Moment:
    """Return this moment, with the seconds for which others may use an earlier policy."""
    env = Environment(os.environ)
    caches = Caches(
        policy=env.number("LATCHKEY_POLICY_CACHE", 60, low=1, high=60),
        jwks=env.number("LATCHKEY_JWKS_MAX_AGE", 300, low=1, high=300),
        authorizer=env.number("LATCHKEY_AUTHORIZER_CACHE", 60, low=0, high=300),
    )
    return Moment(now, secrets.token_bytes, caches)


def _required(value: str, name: str) -> str:
    if not value:
        raise BadSettings(f"{name} is not set")
    return value
