"""The reservation for functions that hash, and the quota of the account that it is taken from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAME = "HashingConcurrency"

_KEPT_BY_LAMBDA = 100
"""What Lambda keeps for functions without a reservation (Lambda developer guide, "reserved concurrency")."""

_MOST = 50
_LEAST = 5
"""Below this, a few people who sign in at one moment would be rejected, and so would an import."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many functions an account may run at one time in a region, and how many of them nothing has reserved."""

    total: int
    unreserved: int

    @classmethod
    def of(cls, client: Any) -> Quota:
        """Ask Lambda for the quota. Raises what the client raises."""
        limit = client.get_account_settings()["AccountLimit"]
        return cls(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])

    @property
    def free(self) -> int:
        """How many can still be reserved."""
        return max(0, self.unreserved - _KEPT_BY_LAMBDA)


def refusal(quota: Quota, functions: int, *, before: int, wanted: int) -> str:
    """Return why the quota does not hold the reservation that is wanted; empty if it does, or if it does not grow."""
    most = before + quota.free // functions
    if wanted <= max(before, most):
        return ""
    return (
        f"{NAME}: {wanted} for each of {functions} functions is more than the quota of this account holds. "
        f"Lambda runs {quota.total} functions at one time here, of which {quota.unreserved} are not reserved, and "
        f"keeps {_KEPT_BY_LAMBDA}. At most {most} is possible."
    )


def proposal(quota: Quota, functions: int) -> str:
    """Return what to do for a stack without a reservation: half of what is free stays for everything else."""
    each = min(_MOST, quota.free // 2 // functions)
    if each < _LEAST:
        return (
            f"Lambda runs {quota.total} functions at one time in this account and region, too few to reserve some for "
            f"hashing. A flood of sign-ins can slow down everything else. Ask for a higher quota, then set {NAME}."
        )
    return (
        f"{NAME} is 0, so a flood of sign-ins can slow down everything else. The quota of this account allows "
        f"{NAME}={each}: name it in parameter_overrides of samconfig.toml."
    )
