"""Checks of a partner's assertion (RFC 7521 section 5.2, RFC 7523 section 3).

Every rejection looks the same to the caller; the log has the reason. An assertion is marked as used only after all
other checks have passed, and before anything is created from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.model import Partner, Status
from latchkey.core.partners.profiles import PROFILES, RELAXATIONS, Identity, may_lack, read_identity
from latchkey.core.partners.store import AssertionStore, KeysUnreachable, PartnerKeys, PartnerStore
from latchkey.core.policy import NameSource
from latchkey.core.throttle import (
    JUNK_RULE,
    Counter,
    ThrottleRule,
    ThrottleStore,
    from_address,
    reserve_all,
)
from latchkey.signing.assertion_keys import AssertionKey, assertion_key_from_jwk
from latchkey.signing.assertions import Assertion, parse, prove, require_audience, require_time
from latchkey.signing.jws import InvalidToken
from latchkey.signing.strict_json import StrictJsonError, string_member

MOST_KEYS_TRIED = 3
"""Keys that a token without `kid` is tried with: each costs a check of its signature."""


@dataclass(frozen=True, slots=True)
class Proven:
    """An assertion that is proven, except that it may have been used before. `until` is the last second it is valid."""

    partner: Partner
    identity: Identity
    digest: str
    until: int
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssertionCheck:
    """Checks assertions, and marks them as used."""

    partners: PartnerStore
    used: AssertionStore
    attempts: ThrottleStore
    keys: PartnerKeys
    names: NameSource
    journal: Journal

    def __call__(self, text: str, *, issuer_id: str, address: str, now: int) -> Proven:
        """Return the content of an assertion; `issuer_id` names the partner if the token does not.

        Raises `INVALID_GRANT`, and `RATE_LIMITED` after many bad ones from one address. A good one costs no count; a
        bad one is counted before it is answered.
        """
        partner: Partner | None = None
        try:
            assertion = parse(text)
            partner = self._partner(assertion, issuer_id)
            return self._proven(assertion, partner, issuer_id, now)
        except InvalidToken as error:
            reserve_all(self.attempts, from_address("assertion", address, JUNK_RULE), now)
            raise self.refusal(str(error), partner) from None

    def use(self, proven: Proven, *, now: int) -> None:
        """Mark an assertion as used. Raises `INVALID_GRANT` if it already is, and `RATE_LIMITED` above the limit."""
        partner = proven.partner
        if partner.tokens_per_minute:
            # Otherwise one stolen token, sent repeatedly, would lock out all users of the partner.
            if self.used.was_used(proven.digest):
                raise self.refusal("replayed", partner)
            rule = ThrottleRule(free=partner.tokens_per_minute, waits=(60,), window=60)
            self.attempts.reserve_attempt(Counter("partner", partner.partner_id, rule), now)
        if not self.used.use_assertion(proven.digest, until=proven.until):
            raise self.refusal("replayed", partner)
        if proven.lacks:
            lacking = " ".join(proven.lacks)
            self.journal.record(Event("assertion_relaxed", reason=lacking, partner_id=partner.partner_id))

    def refusal(self, reason: str, partner: Partner | None) -> ServiceError:
        """Log why an assertion is rejected, and return an error that does not reveal the reason."""
        partner_id = partner.partner_id if partner else ""
        self.journal.record(Event("assertion_refused", reason=reason, partner_id=partner_id))
        return ServiceError(Errors.INVALID_GRANT, f"assertion: {reason}")

    def _partner(self, assertion: Assertion, issuer_id: str) -> Partner:
        """Return the partner that the request or the token names. Nothing else in the token is trusted yet."""
        issuer = assertion.claims.get("iss")
        if issuer_id:
            partner = self.partners.find_partner(issuer_id)
        else:
            partner = self.partners.find_issuer(issuer) if isinstance(issuer, str) and issuer else None
        if partner is None:
            raise InvalidToken("unknown_partner")
        return partner

    def _proven(self, assertion: Assertion, partner: Partner, issuer_id: str, now: int) -> Proven:
        if partner.status is not Status.ACTIVE:
            raise InvalidToken("partner_disabled")
        _prove(assertion, self._keys(assertion, partner, issuer_id))
        claims, lacks = assertion.claims, _lacks(assertion, partner)
        if "iss" not in lacks and claims.get("iss") != partner.issuer:
            raise InvalidToken("wrong_issuer")
        if "aud" not in lacks:
            require_audience(claims, self._audiences(partner, now))
        until = require_time(claims, may_lack_iat="iat" in lacks, now=now)
        digest = _digest(assertion, partner, by_token="jti" in lacks)
        identity = read_identity(claims, PROFILES[partner.profile], tenant=partner.tenant)
        return Proven(partner, identity, digest, until, lacks)

    def _audiences(self, partner: Partner, now: int) -> AbstractSet[str]:
        """Return the audiences that an assertion may have: the partner's configured audience, or any of our issuers."""
        if partner.audience:
            return frozenset({partner.audience})
        return self.names.accepted(now).issuers_at(now)

    def _keys(self, assertion: Assertion, partner: Partner, issuer_id: str) -> Sequence[AssertionKey]:
        """Return the key with exactly this `kid`.

        If the partner may omit the `kid`, an absent one means each key of the token's algorithm, up to a limit.
        """
        if assertion.kid:
            key = self._find(assertion.kid, partner)
            keys = [key] if key else []
        elif issuer_id and "kid" in may_lack(partner.profile, partner.allow_missing):
            keys = [key for key in self._all(partner) if key.alg == assertion.alg][:MOST_KEYS_TRIED]
            if not keys:
                raise InvalidToken("wrong_algorithm")
        else:
            keys = []
        if not keys:
            raise InvalidToken("unknown_kid")
        return keys

    def _find(self, kid: str, partner: Partner) -> AssertionKey | None:
        if not partner.jwks_uri:
            return _registered(partner, kid)
        try:
            return self.keys.find(partner.jwks_uri, kid, alg=partner.alg)
        except KeysUnreachable as error:
            raise InvalidToken(f"keys_unreachable: {error}") from None

    def _all(self, partner: Partner) -> Sequence[AssertionKey]:
        if not partner.jwks_uri:
            return [key for kid in sorted(partner.keys) if (key := _registered(partner, kid))]
        try:
            return self.keys.list(partner.jwks_uri, alg=partner.alg)
        except KeysUnreachable as error:
            raise InvalidToken(f"keys_unreachable: {error}") from None


def _prove(assertion: Assertion, keys: Sequence[AssertionKey]) -> None:
    """Prove that the holder of one of the keys signed this; raise `InvalidToken` otherwise."""
    *others, last = keys
    for key in others:
        with suppress(InvalidToken):
            return prove(assertion, key)
    return prove(assertion, last)


def _registered(partner: Partner, kid: str) -> AssertionKey | None:
    jwk = partner.keys.get(kid)
    return assertion_key_from_jwk(json.loads(jwk)) if jwk else None


def _lacks(assertion: Assertion, partner: Partner) -> tuple[str, ...]:
    """Return the claims that the assertion lacks and may lack. A claim that is present must still be right."""
    there = {*assertion.claims, *(["kid"] if assertion.kid else [])}
    may = may_lack(partner.profile, partner.allow_missing)
    return tuple(name for name in RELAXATIONS if name in may and name not in there)


def _digest(assertion: Assertion, partner: Partner, *, by_token: bool) -> str:
    """Return the id that marks an assertion as used: its `jti` within its partner, or a hash of the signed part."""
    if by_token:
        mark = f"token {assertion.digest}"
    else:
        try:
            mark = f"jti {string_member(assertion.claims, 'jti')}"
        except StrictJsonError:
            raise InvalidToken("bad_jti") from None
    return hashlib.sha256(f"{partner.partner_id} {mark}".encode()).hexdigest()
