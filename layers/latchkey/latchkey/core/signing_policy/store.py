"""What changing the signing policy needs from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from latchkey.signing.accepted import MEMBER, Accepted, from_member
from latchkey.signing.strict_json import loads


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The public half of a policy: its version, the issuer, the signing algorithm and a JWKS (RFC 7517), as JSON.

    `retire_at` holds the ends of those keys that have one. `names` is the JWKS's list of issuers and audiences, as
    JSON; it is empty where an older release has published. From `next_issuer_at` on, tokens carry `next_issuer`, if
    there is one.
    """

    version: int
    issuer: str
    algorithm: str
    jwks: str
    retire_at: Mapping[str, int] = field(default_factory=dict)
    names: str = ""
    next_issuer: str = ""
    next_issuer_at: int = 0

    def issuer_at(self, now: int) -> str:
        """Return the issuer of the tokens that are minted at that time."""
        return self.next_issuer if self.next_issuer and self.next_issuer_at <= now else self.issuer

    def accepted(self, now: int) -> Accepted:
        """Return the issuers and audiences that are accepted at that time."""
        names = from_member(loads(self.names)) if self.names else Accepted({self.issuer: None})
        return names.at(now)

    def jwks_at(self, now: int) -> dict[str, Any]:
        """Return the JWK set (RFC 7517 section 5) without the keys that have retired since it was published.

        Its extra member says which issuers and audiences tokens may name.
        """
        keys = json.loads(self.jwks)["keys"]
        live = [key for key in keys if now < self.retire_at.get(key["kid"], now + 1)]
        return {"keys": live, MEMBER: self.accepted(now).to_member()}


class IssuerAddress(Protocol):
    """What answers at the address that is to become the issuer."""

    def require_own(self, iss: str, published: PublishedKeys, now: int) -> None:
        """Raise `VALIDATION_FAILED` unless metadata and keys of this stack are served there."""


class PublicKeyStore(Protocol):
    """The public half of the signing policy."""

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored; say whether these keys are what is published now."""

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""


class SigningSecret(Protocol):
    """The secret that holds the signing policy, as its rotation sees it (AWS's contract of four steps)."""

    def current(self) -> str:
        """Return the text in force; `{}` before the first rotation."""

    def pending(self, token: str) -> str | None:
        """Return the text that the rotation called `token` has staged, or `None`."""

    def put_pending(self, token: str, text: str) -> None:
        """Stage a text for the rotation called `token`; staging the same again changes nothing."""

    def promote(self, token: str) -> None:
        """Put the staged text in force; harmless when it already is."""

    def unstage(self, token: str) -> None:
        """Drop the staged text, so that the next rotation starts again; harmless if nothing is staged."""


class LeaseStore(Protocol):
    """Leases: only one owner at a time, for a time that ends by itself."""

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Take the lease if it is free; say whether `owner` holds it now. It ends at `until`."""

    def return_lease(self, name: str, owner: str) -> None:
        """Give the lease back if `owner` still holds it."""


class SealSecret(Protocol):
    """The secret that holds the seal keys."""

    def current(self) -> str:
        """Return the text in force; `{}` before there are keys."""

    def put(self, text: str) -> None:
        """Put a text in force; putting the same again changes nothing."""
