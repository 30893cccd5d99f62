"""Administration of the signing policy: show it, change it, rotate, reset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event
from latchkey.core.ids import fingerprint, new_secret
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import RECENT_SIGN_IN, CodePurpose, OneTimeCode
from latchkey.core.signing_policy.moves import describe_names
from latchkey.core.signing_policy.rotation import PolicyWriter
from latchkey.core.signing_policy.seals import SealWriter
from latchkey.signing.key_set import SigningKey
from latchkey.signing.keys import LAST_GOOD, Algorithm
from latchkey.signing.policy import BOUNDS, Moment, SigningPolicy, change, reset, retired_refresh_keys, rotate

CONFIRMATION_TTL = 300
"""Seconds in which a reset must be confirmed."""

OWN_JWKS_AGE = 60
"""Seconds that our own authorizer keeps the public keys at most, however long others may."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings to change: the algorithm, if any, and lifetimes by their names in `Lifetimes`."""

    algorithm: Algorithm | None
    lifetimes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PolicyAdmin:
    """Administration of the signing policy.

    `sub` is the admin who asks; every change is journaled under it. `allow_hs256` says whether the stack allows shared
    secrets: anyone who can verify with one can also mint tokens.
    """

    writer: PolicyWriter
    seals: SealWriter
    codes: CodeStore
    allow_hs256: bool

    def show(self, now: int) -> dict[str, Any]:
        """Return the policy without any private part, as it stands now."""
        return describe(self.writer.read(), now)

    def change(self, sub: str, settings: Settings, moment: Moment) -> dict[str, Any]:
        """Change what `settings` names; return the policy.

        Raises `VALIDATION_FAILED` naming the member that is out of bounds, and `CONFLICT`.
        """
        if settings.algorithm is Algorithm.HS256 and not self.allow_hs256:
            raise _unacceptable("algorithm", "hs256_not_allowed", "HS256 needs the stack parameter AllowHS256.")
        _require_bounds(settings.lifetimes)
        read = self.writer.read()
        lifetimes = replace(read.lifetimes, **settings.lifetimes)
        if lifetimes.refresh_idle_ttl > lifetimes.refresh_ttl:
            raise _unacceptable("refresh_idle_ttl", "out_of_bounds", "This must not be over refresh_ttl.")
        algorithm = settings.algorithm or read.algorithm
        changed = self.writer.change(
            lambda policy: change(policy, algorithm, lifetimes, moment), expected=read.version, moment=moment
        )
        return self._done("signing_changed", sub, changed, moment)

    def rotate(self, sub: str, moment: Moment) -> dict[str, Any]:
        """Let the spare key sign as soon as every verifier has it; return the policy. Raises `CONFLICT`."""
        expected = self.writer.read().version
        rotated = self.writer.change(lambda policy: rotate(policy, moment), expected=expected, moment=moment)
        return self._done("signing_rotated", sub, rotated, moment)

    def propose_reset(self, sub: str, moment: Moment, *, end_sessions: bool) -> ServiceError:
        """Return the error that asks for a confirmation, with a code and the numbers of what a reset would break."""
        policy = self.writer.read()
        text = new_secret("", moment.entropy)
        data = {"version": str(policy.version), "end_sessions": str(end_sessions)}
        expires_at = moment.now + CONFIRMATION_TTL
        self.codes.save_code(OneTimeCode(fingerprint(text), CodePurpose.RESET_SIGNING, sub, expires_at, data))
        impact = _impact(policy, moment, end_sessions=end_sessions)
        members = {"confirmation_token": text, "expires_in": CONFIRMATION_TTL, "impact": impact}
        return ServiceError(Errors.CONFIRMATION_REQUIRED, "reset of the signing keys", members=members)

    def reset(self, sub: str, confirmation: str, moment: Moment) -> dict[str, Any]:
        """Carry out the reset that this admin has confirmed; return the policy.

        Raises `CONFIRMATION_FAILED` for a code that is used, expired or another admin's, and `CONFLICT` if the policy
        has changed since.
        """
        code = self.codes.consume_code(fingerprint(confirmation), CodePurpose.RESET_SIGNING, moment.now)
        if code is None or code.sub != sub:
            raise ServiceError(Errors.CONFIRMATION_FAILED, "no such code of this admin")
        end_sessions = code.data["end_sessions"] == str(True)
        with self.writer.alone(moment):
            self.seals.reset(moment)
        changed = self.writer.change(
            lambda policy: reset(policy, moment, end_sessions=end_sessions),
            expected=int(code.data["version"]),
            moment=moment,
        )
        return self._done("signing_reset", sub, changed, moment)

    def validation_key(self, sub: str, *, may_read_secret: bool, auth_time: int, now: int) -> dict[str, Any]:
        """Return the key that verifies tokens signed now and, under `next`, the key for tokens of the next key.

        That is a public key or, for HS256, the shared secret. `next` is the key that will sign or, if none is decided,
        the key that will sign after the next rotation: services that copy keys need it before then. A secret needs
        `may_read_secret` and a person's sign-in within ten minutes. Without them, a shared present key raises
        `FORBIDDEN` or `RECENT_SIGN_IN_REQUIRED`, and a shared `next` contains no key. Every key shown is journaled.
        """
        keys = self.writer.read().keys.at(now)
        signer, successor = keys.current, keys.heir or keys.spare
        trusted = may_read_secret and now - auth_time < RECENT_SIGN_IN
        if signer.alg is Algorithm.HS256 and not trusted:
            lacks = Errors.RECENT_SIGN_IN_REQUIRED if may_read_secret else Errors.FORBIDDEN
            raise ServiceError(lacks, "signing:read_secret and a fresh sign-in are needed")
        shown = [key for key in (signer, successor) if trusted or key.alg is not Algorithm.HS256]
        for key in shown:
            self.writer.journal.record(Event("validation_key_read", sub=sub, reason=key.kid))
        following = _named(successor) | {"activates_at": successor.activates_at}
        return {
            **_named(signer),
            **_verifying_half(signer),
            "next": following | (_verifying_half(successor) if successor in shown else {}),
        }

    def _done(self, name: str, sub: str, policy: SigningPolicy, moment: Moment) -> dict[str, Any]:
        self.writer.journal.record(Event(name, sub=sub, reason=f"version {policy.version}"))
        return describe(policy, moment.now)


def describe(policy: SigningPolicy, now: int) -> dict[str, Any]:
    """Return a policy as admins see it: settings, and keys with states and times; times in seconds since the epoch."""
    keys = [_describe_key(key) for key in policy.keys.at(now).keys if key.lives(now)]
    return {
        **describe_names(policy, now),
        "algorithm": policy.algorithm.value,
        "access_ttl": policy.access_ttl,
        "refresh_ttl": policy.refresh_ttl,
        "refresh_idle_ttl": policy.refresh_idle_ttl,
        "refresh_retry_limit": policy.refresh_retry_limit,
        "rsa_bits": policy.rsa_bits,
        "keys": keys,
    }


def _describe_key(key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg.value,
        "state": key.state.value,
        "published_at": key.published_at,
        "activates_at": key.activates_at,
        "retire_at": key.retire_at,
    }


def _impact(policy: SigningPolicy, moment: Moment, *, end_sessions: bool) -> dict[str, int | bool]:
    """Return the effects of a reset in numbers; times are in seconds."""
    live, caches = [key for key in policy.keys.keys if key.lives(moment.now)], moment.caches
    kept = () if end_sessions else retired_refresh_keys(policy, moment)
    ends = [key.retire_at - moment.now for key in kept if key.retire_at is not None]
    return {
        "keys_revoked": len(live),
        # The authorizer behind the gateway's memory of it, and `validate` with the policy it has read.
        "verifiers_notice_within": max(min(OWN_JWKS_AGE, caches.jwks) + caches.authorizer, caches.policy),
        # The same, where the authorizer cannot fetch the new keys.
        "verifiers_without_keys_stop_within": LAST_GOOD + caches.authorizer,
        "other_verifiers_notice_within": caches.jwks,
        "longest_token_life": max(key.max_ttl for key in live),
        "sessions_end": end_sessions,
        # Functions that renew sessions or open what clients carry use a copy of the keys for this long.
        "functions_notice_within": caches.policy,
        "old_refresh_tokens_accepted_for": max(ends, default=0),
    }


def _named(key: SigningKey) -> dict[str, Any]:
    return {"kid": key.kid, "alg": key.alg.value}


def _verifying_half(key: SigningKey) -> dict[str, Any]:
    verifier = key.verification_key()
    if isinstance(verifier.material, bytes):
        return {"secret": _pasted(verifier.material), "jwk": verifier.to_secret_jwk()}
    pem = verifier.material.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"jwk": verifier.to_jwk(), "pem": pem.decode("ascii")}


def _pasted(secret: bytes) -> str | None:
    """Return the text whose bytes are the secret, or `None` if they are not printable text."""
    text = secret.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else None


def _require_bounds(lifetimes: Mapping[str, int]) -> None:
    for name, value in lifetimes.items():
        bounds = BOUNDS[name]
        if value not in bounds:
            raise _unacceptable(name, "out_of_bounds", f"This must be from {bounds.start} to {bounds.stop - 1}.")


def _unacceptable(field: str, code: str, message: str) -> ServiceError:
    return ServiceError(Errors.VALIDATION_FAILED, f"{field}: {code}", fields=(FieldError(field, code, message),))
