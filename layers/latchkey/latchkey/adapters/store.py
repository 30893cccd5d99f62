"""All that the core needs from its table: the union of the ports."""

from __future__ import annotations

from typing import Protocol

from latchkey.core.authenticators.store import AddressStore, AuthenticatorStore
from latchkey.core.clients.store import ClientStore
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.events import AuditStore
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.store import CodeStore, DraftStore, OutboxStore
from latchkey.core.partners.store import AssertionStore, LinkStore, PartnerStore
from latchkey.core.roles.store import RoleStore
from latchkey.core.signing_policy.store import LeaseStore, PublicKeyStore
from latchkey.core.throttle import ThrottleStore
from latchkey.core.users.store import UserStore


class Store(
    CredentialStore,
    AuthenticatorStore,
    AddressStore,
    UserStore,
    SessionStore,
    CodeStore,
    DraftStore,
    OutboxStore,
    ClientStore,
    ThrottleStore,
    PublicKeyStore,
    LeaseStore,
    RoleStore,
    AuditStore,
    PartnerStore,
    AssertionStore,
    LinkStore,
    Protocol,
):
    """One table. Each service takes only the ports that it uses, never this union."""
