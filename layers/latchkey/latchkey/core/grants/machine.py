"""Grants for machines: tokens in exchange for their secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.gate import Asked, Gate
from latchkey.core.grants.issuing import Issuer, TokenAnswer, granted_scope
from latchkey.core.grants.proof import MachineProof
from latchkey.core.model import Client, ClientKind, Grant
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import ISSUE_PERMISSION, Roles
from latchkey.core.roles.scopes import known_scopes

METHODS = ("api_key",)
"""The method that an API key proves. RFC 8176 has no name for it."""


@dataclass(frozen=True, slots=True)
class MachineGrants:
    """Gives tokens to machines."""

    clients: ClientDirectory
    policies: PolicySource
    gate: Gate
    issuer: Issuer
    roles: Roles
    journal: Journal

    def client_credentials(self, client: Client, scope: str | None, *, now: int) -> TokenAnswer:
        """Answer the grant of RFC 6749 section 4.4: an access token for the authenticated client itself."""
        if client.kind is ClientKind.PUBLIC or Grant.CLIENT_CREDENTIALS not in client.grants:
            raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "client_credentials is not among its grants")
        granted = granted_scope(scope, known_scopes(client.scopes, self.roles))
        policy = self.policies.policy()
        self.journal.record(Event("client_token", sub=client.client_id, client_id=client.client_id))
        roles = self.roles.effective_roles(client.roles)
        return self.issuer.for_client(client.client_id, roles, policy, scope=granted, now=now)

    def exchange_api_key(self, text: str, *, address: str, now: int) -> TokenAnswer:
        """Open a service's session with its API key, whose roles or scopes must permit `token:issue`."""
        found = self.clients.service(text, address=address, now=now)
        rights = replace(found, scopes=known_scopes(found.scopes, self.roles))
        if ISSUE_PERMISSION not in rights.permissions(self.roles):
            raise ServiceError(Errors.FORBIDDEN, f"the key lacks {ISSUE_PERMISSION}")
        policy = self.policies.policy()  # before a session is stored whose tokens cannot be minted
        admitted = self.gate.admit(MachineProof(rights, METHODS, now), Asked("", policy, ()))
        session = admitted.session
        return self.issuer.for_session(session, admitted.refresh, admitted.roles, policy, scope=session.scope, now=now)
