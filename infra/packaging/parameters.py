"""The parameters of the template: when a new value takes effect in a running stack, and what changes it instead.

CloudFormation cannot compare a new value with the old one. So `make deploy` does (`infra.packaging.update`), and
`docs/deploy.md` shows this table. Tests hold it against the template and the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """When a new value takes effect."""

    LIVE = "live"  # with the update
    FIRST = "first"  # in the first signing policy only; afterwards the policy says it
    PLANNED = "planned"  # by a move, during which the old value counts too


@dataclass(frozen=True, slots=True)
class Parameter:
    """When a new value takes effect: the kind, and in words what bounds it.

    `option` is the one of `latchkey signing set` that changes what a `first` parameter has set.
    """

    effect: Effect
    bound: str = ""
    option: str = ""

    @property
    def command(self) -> str:
        """The command that changes it in place of a deployment; empty if there is none."""
        return f"latchkey signing set {self.option}" if self.option else ""

    @property
    def in_words(self) -> str:
        """The column of the documentation."""
        said = f"`latchkey signing set` with `{self.option}`" if self.option else self.bound
        return f"{self.effect}: {said}" if said else str(self.effect)


def _live(bound: str = "") -> Parameter:
    return Parameter(Effect.LIVE, bound)


def _first(option: str = "", bound: str = "") -> Parameter:
    return Parameter(Effect.FIRST, bound, option)


_EARLIER_COPIES = "copies made before are kept for the time that held then"

PARAMETERS: Mapping[str, Parameter] = {
    "Audience": Parameter(
        Effect.PLANNED, "from the next scheduled rotation; the old value is accepted until its tokens have expired"
    ),
    "Algorithm": _first("--algorithm"),
    "RsaBits": _first(bound="no command changes it yet"),
    "AccessTokenTtl": _first("--access-ttl"),
    "RefreshTokenTtl": _first("--refresh-ttl"),
    "RefreshTokenIdleTtl": _first("--refresh-idle-ttl"),
    "RefreshRetryLimit": _first("--retry-limit"),
    "RotationDays": _live("the update also rotates the keys"),
    "AllowHS256": _live("`false` is refused while an HS256 key verifies"),
    "PolicyCacheSeconds": _live(),
    "JwksMaxAgeSeconds": _live(_EARLIER_COPIES),
    "AuthorizerCacheSeconds": _live(_EARLIER_COPIES),
    "AuthMode": _live(),
    "ServiceName": _live(),
    "Registration": _live(),
    "MailFrom": _live(),
    "MailIdentity": _live(),
    "MailLinkBase": _live("links that were sent stay as they are"),
    "AllowedSources": _live(),
    "PasswordMinLength": _live("for new passwords"),
    "MaxSessions": _live("from the next sign-in of each account on"),
    "AllowedOrigins": _live(),
    "AllowedHeaders": _live(),
    "IssuerDomain": Parameter(
        Effect.PLANNED, "an address with the update, the issuer by [`latchkey issuer move`](operate.md#move-the-issuer)"
    ),
    "CertificateArn": _live(),
    "HostedZoneId": _live(),
    "DisableDefaultEndpoint": _live("`true` is refused while an issuer at the default endpoint is accepted"),
    "TrustedProxyHeader": _live(),
    "TrustedProxyHops": _live(),
    "TrustedProxySecretHash": _live("set the secret at the proxy first: it counts for nothing until then"),
    "Architecture": _live(),
    "HashingMemory": _live(),
    "HashingConcurrency": _live("what the quota of the account does not hold is refused"),
    "WafAddressLimit": _live(),
    "DeletionProtection": _live(),
    "KmsKeyArn": _live("on a running stack, change [the key's policy](#a-kms-key-of-your-own) first"),
    "LogLevel": _live(),
    "LogRetentionDays": _live(),
    "AuditRetentionDays": _live("for events from then on"),
    "DetailedMetrics": _live(),
    "ManageApiLogging": _live(),
}
