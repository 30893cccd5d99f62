"""Sign-in with a partner's assertion. The first sign-in of a user creates their account.

Only (partner, external id) identifies an account: an e-mail address in a token is ignored. A disabled or deleted
account is never reactivated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.gate import Admitted, Asked, Gate, NotAdmitted
from latchkey.core.grants.issuing import Issuer, TokenAnswer, granted_scope
from latchkey.core.grants.proof import PersonProof
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import (
    Client,
    Grant,
    Link,
    Partner,
    ProfileUpdates,
    User,
    UserStatus,
    is_live,
)
from latchkey.core.partners.assertions import AssertionCheck, Proven
from latchkey.core.partners.profiles import Identity
from latchkey.core.partners.store import LinkStore
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import Roles, below_operators

METHODS = ("partner",)
"""The method that an assertion proves: the partner has signed the user in. RFC 8176 has no name for it."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request for a session, by an authenticated client."""

    assertion: str
    address: str
    client: Client
    issuer_id: str = ""
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class PartnerAnswer:
    """The tokens of a new session, its account, and whether the account was created for it."""

    tokens: TokenAnswer
    sub: str
    external_id: str
    created: bool

    def to_json(self) -> dict[str, object]:
        """Return the members of the token answer, and `user`."""
        user = {"id": self.sub, "external_id": self.external_id, "created": self.created}
        return {**self.tokens.to_json(), "user": user}


@dataclass(frozen=True, slots=True)
class _Held:
    """An account that may sign in, and its link with the partner."""

    user: User
    link: Link


@dataclass(frozen=True, slots=True)
class PartnerGrant:
    """Turns an assertion into a session (RFC 7523 section 2.1)."""

    links: LinkStore
    credentials: CredentialStore
    sessions: SessionStore
    check: AssertionCheck
    policies: PolicySource
    gate: Gate
    issuer: Issuer
    roles: Roles
    journal: Journal
    entropy: Entropy

    def __call__(self, asked: Exchange, *, now: int) -> PartnerAnswer:
        """Return the tokens of a new session.

        Raises `INVALID_GRANT`, `ACCOUNT_DISABLED`, `LINK_SUSPENDED`, `UNAUTHORIZED_CLIENT`, `INVALID_SCOPE` or
        `RATE_LIMITED`.
        """
        policy = self.policies.policy()  # before the assertion is used up for tokens that cannot be minted
        proven = self.check(asked.assertion, issuer_id=asked.issuer_id, address=asked.address, now=now)
        scope = _granted(asked, proven.partner)
        held = self._held(proven)
        self.check.use(proven, now=now)
        created = False
        if held is None:
            held, created = self._first_sight(proven, now)
        if not created:
            held = self._renewed(held, proven)
        live = () if created else self.sessions.list_sessions(held.user.sub, now)
        admitted = self._admit(_proof(held.user, proven.partner, asked.client, now), Asked(scope, policy, live))
        tokens = self.issuer.for_session(
            admitted.session, admitted.refresh, admitted.roles, policy, scope=admitted.session.scope, now=now
        )
        return PartnerAnswer(tokens, held.user.sub, proven.identity.external_id, created)

    def _held(self, proven: Proven) -> _Held | None:
        """Return the account of the external id, or `None` if it has none yet."""
        partner = proven.partner
        sub = self.links.find_external(partner.partner_id, proven.identity.external_id)
        if sub is None:
            return None
        user = self.credentials.find_user(sub)
        link = self.links.find_link(sub, partner.partner_id)
        if user is None or user.status is not UserStatus.ACTIVE or link is None:
            self.journal.record(
                Event("assertion_refused", sub=sub, reason="account_not_active", partner_id=partner.partner_id)
            )
            raise ServiceError(Errors.ACCOUNT_DISABLED, "the account is gone or not active")
        if not is_live(link, partner, reset_at=user.reset_at):
            self.journal.record(
                Event("assertion_refused", sub=sub, reason="link_suspended", partner_id=partner.partner_id)
            )
            raise ServiceError(Errors.LINK_SUSPENDED, "a reset of the password has suspended the link")
        return _Held(user, link)

    def _first_sight(self, proven: Proven, now: int) -> tuple[_Held, bool]:
        """Create the account, or return the one that a parallel request has created; say whether it was created."""
        partner, identity = proven.partner, proven.identity
        # The seat is a separate write: DynamoDB rejects concurrent transactions on one item, so parallel first sign-ins
        # would block each other. A crash before the account is created loses a seat, but never exceeds the limit.
        if not self.links.take_seat(partner.partner_id, partner.max_users):
            held = self._held(proven)
            if held is None:
                raise self.check.refusal("too_many_users", partner)
            return held, False
        user = self._new_user(partner, identity, now)
        link = Link(
            sub=user.sub,
            partner_id=partner.partner_id,
            external_id=identity.external_id,
            created_at=now,
            roles=user.roles,
            attributes=identity.attributes,
            first=identity.first,
            confirmed_at=now,
        )
        if self.links.create_external_user(user, link):
            self.journal.record(Event("partner_user_created", sub=user.sub, partner_id=partner.partner_id))
            return _Held(user, link), True
        self.links.return_seat(partner.partner_id)
        held = self._held(proven)
        if held is None:  # made and unlinked again meanwhile
            raise ServiceError(Errors.UNAVAILABLE, "the external id never stood still", retry_after=1)
        return held, False

    def _new_user(self, partner: Partner, identity: Identity, now: int) -> User:
        return User(
            sub=new_id("usr_", self.entropy),
            login="",
            status=UserStatus.ACTIVE,
            roles=self._given(partner, identity),
            epoch=0,
            created_at=now,
            name=identity.name,
            locale=identity.locale,
            source=partner.partner_id,
            linked_at=now,
        )

    def _renewed(self, held: _Held, proven: Proven) -> _Held:
        """Give the account the roles of this token, and remove those that only an earlier token gave."""
        for _ in range(_TRIES):
            user, link = self._as_token_says(held, proven)
            if (user, link) == (held.user, held.link):
                return held
            if self.links.renew_link(held.user, user, link):
                if user.roles != held.user.roles:
                    reason = f"{' '.join(held.user.roles)} -> {' '.join(user.roles)}"
                    self.journal.record(Event("roles_changed", sub=user.sub, reason=reason, partner_id=link.partner_id))
                return _Held(user, link)
            held = self._held(proven) or held
        raise ServiceError(Errors.UNAVAILABLE, "the account never stood still", retry_after=1)

    def _as_token_says(self, held: _Held, proven: Proven) -> tuple[User, Link]:
        user, link, identity = held.user, held.link, proven.identity
        given = self._given(proven.partner, identity)
        own = tuple(role for role in user.roles if role not in link.roles)
        link = replace(link, roles=tuple(role for role in given if role not in own))
        user = replace(user, roles=(*own, *link.roles))
        if proven.partner.profile_updates is ProfileUpdates.ALWAYS:
            link = replace(link, attributes=identity.attributes)
            if not user.login:  # users who have their own login edit their own profile
                user = replace(user, name=identity.name or user.name, locale=identity.locale or user.locale)
        return user, link

    def _given(self, partner: Partner, identity: Identity) -> tuple[str, ...]:
        """Return the known roles that the partner's map gives now, without any that has an operator's permissions."""
        mapped = [partner.role_map[role] for role in identity.roles if role in partner.role_map]
        known = {role for role in (*partner.default_roles, *mapped) if self.roles.effective_roles((role,))}
        return below_operators(self.roles, sorted(known))

    def _admit(self, proof: PersonProof, asked: Asked) -> Admitted:
        try:
            return self.gate.admit(proof, asked)
        except NotAdmitted as refused:  # the account has changed since it was looked at
            raise ServiceError(Errors.ACCOUNT_DISABLED, refused.reason) from None


def _proof(user: User, partner: Partner, client: Client, now: int) -> PersonProof:
    return PersonProof(
        user=user,
        methods=METHODS,
        at=now,
        client=client,
        epoch=user.epoch,
        device=partner.name,
        partner=partner,
    )


def _granted(asked: Exchange, partner: Partner) -> str:
    """Return the scope to ask the gate for: within the partner's, the client's and the requested scope."""
    if asked.client.client_id not in partner.clients:
        raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "not among the partner's clients")
    if Grant.JWT_BEARER not in asked.client.grants:
        raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "jwt-bearer is not among its grants")
    return granted_scope(asked.scope, [scope for scope in partner.scopes if scope in asked.client.scopes])
