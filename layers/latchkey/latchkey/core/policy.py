"""Where the signing policy comes from."""

from __future__ import annotations

from typing import Protocol

from latchkey.signing.policy import SigningPolicy


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
