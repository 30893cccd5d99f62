"""The gate: the one place where a proof becomes a session.

    password, partner's assertion, API key      each a file beside this one
            |
            v
          Proof  -->  Gate.admit  -->  Admitted: a stored session, and the roles that its tokens carry
                                  -->  NotAdmitted: why not

So every way to sign in is held to the same rules (OWASP ASVS 5.0 6.3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from latchkey.core.events import Event, Journal
from latchkey.core.grants.proof import MachineProof, PersonProof, Proof
from latchkey.core.grants.sessions import make_room, open_service_session, open_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy
from latchkey.core.model import Client, Partner, Session, User, UserStatus
from latchkey.core.roles.roles import Roles, below_operators
from latchkey.core.roles.scopes import held_scopes
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import RefreshToken


class Reason(StrEnum):
    """Why a proof opens no session."""

    ACCOUNT_NOT_ACTIVE = "account_not_active"
    STALE_CREDENTIAL = "stale_credential"


class NotAdmitted(Exception):
    """The proof is right, but it opens no session. Each grant answers this in its own way."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of a proof.

    `scope` is what a person's session is asked for; the gate drops what it cannot give. `live` are the live sessions of
    the account, oldest first.
    """

    scope: str
    policy: SigningPolicy
    live: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that is stored, its first refresh token, and the roles that its first access token carries."""

    session: Session
    refresh: RefreshToken
    roles: tuple[str, ...]


class Gate:
    """Opens sessions. An account has at most `max_sessions` live ones: the oldest ends when one more begins."""

    def __init__(
        self, sessions: SessionStore, roles: Roles, journal: Journal, entropy: Entropy, *, max_sessions: int
    ) -> None:
        self._sessions = sessions
        self._max_sessions = max_sessions
        self._roles = roles
        self._journal = journal
        self._entropy = entropy

    def admit(self, proof: Proof, asked: Asked) -> Admitted:
        """Open the session that a proof earns: make room, store it, journal it. Raises `NotAdmitted`."""
        match proof:
            case PersonProof():
                return self._person(proof, asked)
            case MachineProof():
                return self._machine(proof)
            case _:
                assert_never(proof)

    def _person(self, proof: PersonProof, asked: Asked) -> Admitted:
        _require_admissible(proof)
        make_room(self._sessions, self._journal, asked.live, self._max_sessions)
        given = what_tokens_carry(self._roles, proof.user, proof.client, proof.partner, scope=asked.scope)
        session, refresh = open_session(proof, given.scope, asked.policy, self._entropy)
        self._sessions.create_session(session)
        self._record("partner_login" if proof.partner else "login", session)
        return Admitted(session, refresh, given.roles)

    def _machine(self, proof: MachineProof) -> Admitted:
        session, refresh = open_service_session(proof, self._entropy)
        self._sessions.create_session(session)
        self._record("service_token", session)
        return Admitted(session, refresh, self._roles.effective_roles(proof.rights.roles))

    def _record(self, name: str, session: Session) -> None:
        event = Event(name, session.sub, session.sid, session.client_id, partner_id=session.partner_id)
        self._journal.record(event)


@dataclass(frozen=True, slots=True)
class Carried:
    """The roles and the scope that a person's tokens carry."""

    roles: tuple[str, ...]
    scope: str


def what_tokens_carry(registry: Roles, user: User, client: Client, partner: Partner | None, *, scope: str) -> Carried:
    """Return the part of a scope that user, client and partner may give at this moment, and the roles beside it.

    Only tokens of a first-party client carry roles. Every other client may do only what the scope of its tokens names
    and the roles of the user permit. A session from a partner never has an operator's roles.
    """
    roles = registry.effective_roles(user.roles)
    scopes = [each for each in scope.split() if each in client.scopes]
    if partner is not None:
        roles = below_operators(registry, roles)
        scopes = [each for each in scopes if each in partner.scopes]
    held = held_scopes(scopes, registry.permissions(roles))
    return Carried(roles if client.first_party else (), " ".join(held))


def _require_admissible(proof: PersonProof) -> None:
    user = proof.user
    if user.status is not UserStatus.ACTIVE:
        raise NotAdmitted(Reason.ACCOUNT_NOT_ACTIVE)
    if proof.epoch < user.epoch:  # the credential changed after it was read
        raise NotAdmitted(Reason.STALE_CREDENTIAL)
