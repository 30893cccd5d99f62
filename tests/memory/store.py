"""The store without a table: complete, thread-safe, and held to the same contract as the real one."""

from __future__ import annotations

from tests.memory.addresses import Addresses
from tests.memory.authenticators import Authenticators
from tests.memory.clients import Clients
from tests.memory.credentials import Credentials
from tests.memory.events import Audit
from tests.memory.grants import Sessions
from tests.memory.mail import Codes, Drafts, Outbox
from tests.memory.partners import Links, Partners
from tests.memory.roles import Roles
from tests.memory.signing_policy import Leases, PublicKeys
from tests.memory.throttle import AttemptCounters
from tests.memory.users import Users


class MemoryStore(
    Credentials,
    Authenticators,
    Addresses,
    Users,
    Sessions,
    Links,
    Codes,
    Drafts,
    Outbox,
    AttemptCounters,
    Clients,
    PublicKeys,
    Leases,
    Roles,
    Audit,
    Partners,
):
    """Implements `latchkey.adapters.store.Store`."""
