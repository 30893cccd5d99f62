"""Where the signing policy, its public half and the seal keys come from."""

from __future__ import annotations

from typing import Protocol

from latchkey.signing.accepted import Accepted
from latchkey.signing.keys import VerificationKey
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.sealing import SealKeys


class PolicySource(Protocol):
    """Where the signing policy comes from."""

    def policy(self) -> SigningPolicy:
        """Return the policy in force, at most 60 s old, or up to 60 min old while its store fails.

        Raise `UNAVAILABLE` when there is none.
        """

    def reread(self) -> SigningPolicy:
        """Return the policy as its store has it now, at most once in 10 s; otherwise the one that `policy` returns.

        For a key that the policy at hand does not know: another instance may have read a newer one.
        """


class SealSource(Protocol):
    """Where the seal keys come from."""

    def seal_keys(self) -> SealKeys:
        """Return the seal keys, at most 60 s old, or up to 60 min old while their store fails.

        Raise `UNAVAILABLE` when there are none.
        """

    def reread_seal_keys(self) -> SealKeys:
        """Return the keys as their store has them now, at most once in 10 s, for a key that is not at hand."""


class Trusted(Protocol):
    """A key that verifies tokens, and the issuers and audiences that those tokens may name."""

    @property
    def key(self) -> VerificationKey:
        """The key."""

    @property
    def accepted(self) -> Accepted:
        """The issuers and audiences."""


class VerificationKeys(Protocol):
    """Where the keys come from that verify our own tokens."""

    def find(self, kid: str) -> Trusted | None:
        """Return the key of this id. Raise `UNAVAILABLE` when there are none, not even old ones."""


class NameSource(Protocol):
    """Where the issuers and audiences come from that our tokens may name."""

    def accepted(self, now: int) -> Accepted:
        """Return them, at most 60 s old. Raise `UNAVAILABLE` when they are not known."""
