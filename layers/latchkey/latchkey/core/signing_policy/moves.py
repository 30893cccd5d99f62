"""Moving the issuer and the audience of a running stack, which operators do with AWS credentials, not with a token.

So a move also repairs a stack whose tokens are accepted nowhere. A repeated move changes nothing and publishes again
what is in force: after any failure, repeat it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event
from latchkey.core.signing_policy.rotation import PolicyWriter, public_half
from latchkey.core.signing_policy.store import IssuerAddress
from latchkey.signing.names import Name
from latchkey.signing.policy import ISSUER, Moment, SigningPolicy, plan_audience_move, plan_issuer_move


@dataclass(frozen=True, slots=True)
class IssuerMove:
    """Moves the issuer."""

    writer: PolicyWriter
    address: IssuerAddress

    def move(self, iss: str, moment: Moment) -> dict[str, Any]:
        """Publish this issuer, and let tokens name it as soon as every verifier accepts it; return the names.

        Raises `VALIDATION_FAILED` for an address that cannot be an issuer or does not serve this stack, and `CONFLICT`
        while another writer is at work.
        """
        policy = self.writer.read()
        _require_issuer(iss, policy.issuers)
        self.address.require_own(iss, public_half(policy, moment.now), moment.now)
        return _carry_out(self.writer, policy, lambda each: plan_issuer_move(each, iss, moment), "issuer", moment)


@dataclass(frozen=True, slots=True)
class AudienceMove:
    """Moves the audience to `audience`, which is the stack's parameter: so that no rotation moves it back."""

    writer: PolicyWriter
    audience: str

    def move(self, moment: Moment) -> dict[str, Any]:
        """Publish the audience, and let tokens name it as soon as every verifier accepts it; return the names.

        Raises `CONFLICT` while another writer is at work.
        """
        policy = self.writer.read()
        plan = _to_audience(self.audience, moment)
        return _carry_out(self.writer, policy, plan, "audience", moment)


def describe_names(policy: SigningPolicy, now: int) -> dict[str, Any]:
    """Return which issuers and audiences tokens name, will name and may name, with the policy's version.

    Times are in seconds since the epoch. `next_issuer.at` is when tokens begin to name it, `previous_until` when the
    issuer before it is no longer accepted.
    """
    return {
        "version": policy.version,
        **_described(policy.issuers.at(now), "issuer", "iss"),
        **(_described(policy.audiences.at(now), "audience", "aud") if policy.audiences else {}),
    }


def _to_audience(audience: str, moment: Moment) -> Callable[[SigningPolicy], SigningPolicy]:
    return lambda policy: plan_audience_move(policy, audience, moment)


def _carry_out(
    writer: PolicyWriter,
    read: SigningPolicy,
    plan: Callable[[SigningPolicy], SigningPolicy],
    what: str,
    moment: Moment,
) -> dict[str, Any]:
    moved = writer.change(plan, expected=read.version, moment=moment)
    if moved.version == read.version:
        writer.publish_again(moment)
    else:
        writer.journal.record(Event(f"{what}_move_planned", reason=f"version {moved.version}"))
    return describe_names(moved, moment.now)


def _require_issuer(iss: str, issuers: Name) -> None:
    """Refuse what no verifier could fetch keys from, and plain http unless the stack is a laptop's already."""
    is_safe = iss.startswith("https:") or issuers.current.startswith("http:")
    if not is_safe or iss.endswith("/") or not ISSUER.fullmatch(iss):
        message = "This must be an https address without a query, a fragment and a slash at its end."
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
