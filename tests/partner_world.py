"""Partners for tests: keys that sign assertions, and the services of the core that take them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from latchkey.adapters.store import Store
from latchkey.core.authenticators.links import Links
from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.gate import Gate
from latchkey.core.grants.issuing import Issuer
from latchkey.core.grants.partner import Exchange, PartnerAnswer, PartnerGrant
from latchkey.core.model import Link, Partner
from latchkey.core.partners.admin import NewPartner, PartnerAdmin, PartnerChanges
from latchkey.core.partners.assertions import AssertionCheck
from latchkey.core.partners.store import KeysUnreachable
from latchkey.core.roles.roles import BUILT_IN, Operator
from latchkey.signing.assertion_keys import AssertionAlgorithm, AssertionKey
from tests.world import ADDRESS, AUDIENCE, MAX_SESSIONS, NOW, World, small_policy

OURS = "https://id.example"
"""The issuer of the stack under test, which assertions are for."""

ADMIN = Operator("usr_admin", BUILT_IN.permissions(("admin",)), NOW)
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Signer:
    """A partner's private key."""

    kid: str = "k1"
    alg: str = "ES256"
    private: EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey = field(
        default_factory=lambda: generate_private_key(SECP256R1())
    )

    def key(self) -> AssertionKey:
        """Return the public half, as registered."""
        return AssertionKey(self.kid, AssertionAlgorithm(self.alg), self.private.public_key())

    def pem(self) -> str:
        """Return the public half in PEM."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """Return an assertion; a header of `None` is left out."""
        members = {"typ": "JWT", "kid": self.kid} | header
        kept = {name: value for name, value in members.items() if value is not None}
        payload = json.dumps(dict(claims)).encode()
        return jwt.PyJWS().encode(payload, self.private, self.alg, headers={"typ": None} | kept)


def claims(issuer: str, sub: str = "u-1", *, now: int = NOW, **members: Any) -> dict[str, Any]:
    """Return the claims of a token of the standard profile; a member that is `None` is left out."""
    said = {"iss": issuer, "aud": OURS, "sub": sub, "iat": now, "exp": now + 300, "jti": f"j{next(_NUMBERS)}"}
    return {name: value for name, value in (said | members).items() if value is not None}


@dataclass
class Published:
    """The documents that partners publish, by address. An address that is missing here cannot be reached."""

    keys: dict[str, dict[str, AssertionKey]] = field(default_factory=dict)

    def find(self, jwks_uri: str, kid: str, *, alg: str) -> AssertionKey | None:
        """Return the key."""
        return {key.kid: key for key in self.read(jwks_uri, alg=alg)}.get(kid)

    def list(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all keys."""
        return self.read(jwks_uri, alg=alg)

    def read(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all keys."""
        if jwks_uri not in self.keys:
            raise KeysUnreachable("away")
        return tuple(self.keys[jwks_uri].values())


class PartnerWorld(World):
    """The services of the core, and those for partners."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(small_policy(), store)
        self.published = Published()
        self.check = AssertionCheck(
            partners=self.store,
            used=self.store,
            attempts=self.store,
            keys=self.published,
            names=self.source,
            journal=self.journal,
        )
        self.partner_grant = PartnerGrant(
            links=self.store,
            credentials=self.store,
            sessions=self.store,
            check=self.check,
            policies=self.source,
            gate=Gate(self.store, BUILT_IN, self.journal, self.entropy, max_sessions=MAX_SESSIONS),
            issuer=Issuer(AUDIENCE, self.entropy),
            roles=BUILT_IN,
            journal=self.journal,
            entropy=self.entropy,
        )
        self.admin = PartnerAdmin(
            partners=self.store,
            clients=self.store,
            names=self.source,
            roles=BUILT_IN,
            journal=self.journal,
            entropy=self.entropy,
            keys=self.published,
        )
        self.links = Links(
            links=self.store,
            sessions=self.store,
            check=self.check,
            ownership=self.ownership,
            outbox=self.outbox,
            journal=self.journal,
        )
        self.signer = Signer()

    def partner(self, issuer: str = "https://shop.example", keys: Iterable[Signer] = (), **members: Any) -> Partner:
        """Register a partner, with the one signer unless others are given."""
        signers = [signer.key() for signer in keys or [self.signer]]
        return self.admin.create(ADMIN, new_partner(issuer=issuer, keys=tuple(signers), **members), now=NOW)

    def enter(self, assertion: str, *, now: int = NOW, **asked: Any) -> PartnerAnswer:
        """Sign in by an assertion from the usual address."""
        return self.partner_grant(Exchange(assertion, ADDRESS, **{"client": BUILT_IN_APP} | asked), now=now)

    def come(self, partner: Partner, sub: str = "u-1", *, now: int = NOW, **members: Any) -> PartnerAnswer:
        """Sign a user in by a fresh assertion of the standard profile."""
        return self.enter(self.signer.sign(claims(partner.issuer, sub, now=now, **members)), now=now)

    def set_partner(self, partner: Partner, **members: Any) -> Partner:
        """Change a partner as an operator does."""
        return self.admin.change(ADMIN, partner.partner_id, PartnerChanges(**members), now=NOW)

    def link_of(self, answer: PartnerAnswer, partner: Partner) -> Link:
        """Return the stored record of a user's link."""
        link = self.store.find_link(answer.sub, partner.partner_id)
        assert link is not None
        return link

    def reasons(self) -> list[str]:
        """Return why assertions were refused, as the log has it."""
        return [event.reason for event in self.journal.events if event.name == "assertion_refused"]


def new_partner(name: str = "Shop", issuer: str = "https://shop.example", **members: Any) -> NewPartner:
    """Return the changes that register a partner: `profile`, `keys`, and the rest as in `PartnerChanges`."""
    profile, keys = members.pop("profile", "standard"), members.pop("keys", ())
    return NewPartner(name, issuer, profile, keys, PartnerChanges(**members))


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    """Expect this error of the table."""
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)
