"""What machines get for their secrets: tokens of their own."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.adapters.store import Store
from latchkey.core.clients.directory import ClientDirectory, ServiceRights
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.issuing import Issuer, TokenAnswer, granted_scope
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Client, ClientKind, Grant, Session
from latchkey.core.policy import PolicySource
from latchkey.core.roles.grantable import ISSUE_PERMISSION
from latchkey.core.roles.roles import Roles

SERVICE_SESSION_TTL = 3600
"""Seconds that a service's refresh token lives: it holds an API key and can always begin anew."""


@dataclass(frozen=True, slots=True)
class MachineGrants:
    """Gives tokens to machines."""

    store: Store
    clients: ClientDirectory
    policies: PolicySource
    issuer: Issuer
    roles: Roles
    journal: Journal
    entropy: Entropy

    def client_credentials(self, client: Client, scope: str | None, *, now: int) -> TokenAnswer:
        """Answer the grant of RFC 6749 section 4.4: an access token for the authenticated client itself."""
        if client.kind is ClientKind.PUBLIC or Grant.CLIENT_CREDENTIALS not in client.grants:
            raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "client_credentials is not among its grants")
        granted = granted_scope(scope, client.scopes)
        policy = self.policies.policy()
        self.journal.record(Event("client_token", sub=client.client_id, client_id=client.client_id))
        roles = self.roles.effective_roles(client.roles)
        return self.issuer.for_client(client.client_id, roles, policy, scope=granted, now=now)

    def exchange_api_key(self, text: str, *, now: int) -> TokenAnswer:
        """Open a service's session with its API key, whose roles must permit `token:issue`."""
        rights = self.clients.service(text, now=now)
        key = rights.key
        if ISSUE_PERMISSION not in self.roles.permissions(rights.roles):
            raise ServiceError(Errors.FORBIDDEN, f"the key lacks {ISSUE_PERMISSION}")
        policy = self.policies.policy()  # before a session is stored for tokens that cannot be made
        session = self._service_session(rights, now)
        self.store.create_session(session)
        self.journal.record(Event("service_token", sub=key.client_id, sid=session.sid, client_id=key.client_id))
        roles = self.roles.effective_roles(rights.roles)
        return self.issuer.for_session(session, roles, policy, scope=session.scope, now=now)

    def _service_session(self, rights: ServiceRights, now: int) -> Session:
        key = rights.key
        ends_at = (
            now + SERVICE_SESSION_TTL if key.expires_at is None else min(now + SERVICE_SESSION_TTL, key.expires_at)
        )
        return Session(
            sub=key.client_id,
            sid=new_id("ses_", self.entropy),
            client_id=key.client_id,
            scope=" ".join(rights.scopes),
            epoch=0,
            created_at=now,
            expires_at=ends_at,
            ends_at=ends_at,
            auth_time=now,
            rotated_at=now,
            amr=("api_key",),
            device=key.name,
            api_key_id=key.key_id,
        )
