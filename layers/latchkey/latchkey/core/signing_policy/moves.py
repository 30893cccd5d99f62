"""Moving the issuer of a running stack. Its audience follows the parameter `Audience` with the next rotation.

Operators do it with AWS credentials and not with a token. So a move also repairs a stack that accepts none of its own
tokens. A repeated move changes nothing and publishes the policy in force again: after any failure, repeat the move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event
from latchkey.core.signing_policy.rotation import PolicyWriter, public_half
from latchkey.core.signing_policy.store import IssuerAddress
from latchkey.signing.names import Name
from latchkey.signing.policy import ISSUER, Moment, SigningPolicy, plan_issuer_move

_MAX_ISSUER = 256


@dataclass(frozen=True, slots=True)
class IssuerMove:
    """Moves the issuer."""

    writer: PolicyWriter
    address: IssuerAddress

    def move(self, iss: str, moment: Moment) -> dict[str, Any]:
        """Publish this issuer, and let tokens carry it as soon as every verifier accepts it; return the names.

        Raises `VALIDATION_FAILED` for an address that cannot be an issuer or does not serve this stack, and `CONFLICT`
        while another writer is at work.
        """
        policy = self.writer.read()
        _require_issuer(iss, policy.issuers)
        self.address.require_own(iss, public_half(policy, moment.now), moment.now)
        moved = self.writer.change(
            lambda each: plan_issuer_move(each, iss, moment), expected=policy.version, moment=moment
        )
        if moved.version == policy.version:
            self.writer.publish_again(moment)
        else:
            self.writer.journal.record(Event("issuer_move_planned", reason=f"version {moved.version}"))
        return describe_names(moved, moment.now)


def describe_names(policy: SigningPolicy, now: int) -> dict[str, Any]:
    """Return the issuers and audiences that tokens carry, will carry and may carry, with the policy's version.

    Times are in seconds since the epoch. From `next_issuer.at` on, tokens carry the next issuer. From its
    `previous_until` on, verifiers refuse the issuer before it.
    """
    return {
        "version": policy.version,
        **_described(policy.issuers.at(now), "issuer", "iss"),
        **(_described(policy.audiences.at(now), "audience", "aud") if policy.audiences else {}),
    }


def _require_issuer(iss: str, issuers: Name) -> None:
    """Refuse an address that verifiers cannot fetch keys from; plain http is only for a stack that has it already."""
    is_safe = iss.startswith("https:") or issuers.current.startswith("http:")
    if not is_safe or iss.endswith("/") or len(iss) > _MAX_ISSUER or not ISSUER.fullmatch(iss):
        message = "This must be an https address without a query, a fragment or a slash at its end."
        raise ServiceError(
            Errors.VALIDATION_FAILED, "iss: bad_issuer", fields=(FieldError("iss", "bad_issuer", message),)
        )


def _described(names: Name, word: str, claim: str) -> dict[str, Any]:
    planned = names.planned
    return {
        word: names.current,
        f"next_{word}": planned and {claim: planned.name, "at": planned.at, "previous_until": planned.previous_until},
        f"previous_{word}s": [{claim: each.name, "until": each.until} for each in names.previous],
    }
