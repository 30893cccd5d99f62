"""Administration of partners.

The holder of a partner's key decides which users get the roles in the partner's map. So operators must hold all that a
partner gives to change what its tokens can do, and no map can lead to a permission of operators or services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from latchkey.core.clients.store import ClientStore
from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import FIRST_PARTY_CLIENT, Partner, ProfileUpdates, Status, given
from latchkey.core.paging import Page
from latchkey.core.partners.assertions import MOST_KEYS_TRIED
from latchkey.core.partners.profiles import PROFILES, may_lack
from latchkey.core.partners.store import KeysUnreachable, PartnerKeys, PartnerStore
from latchkey.core.policy import NameSource
from latchkey.core.roles.authority import (
    Act,
    Authority,
    given_by,
    is_within,
    require_known_roles,
    require_known_scopes,
)
from latchkey.core.roles.roles import MAX_ROLES, Operator, RoleRegistry, Roles, below_operators
from latchkey.signing.assertion_keys import AssertionKey, assertion_key_from_jwk, assertion_key_from_pem
from latchkey.signing.keys import InvalidKey

MAX_KEYS = 8
"""Registered keys of one partner: enough to rotate, and they share its item."""

_LABELS = frozenset({"name", "tokens_per_minute", "max_users"})
"""Members that give nothing and decide about nothing that gives."""

_KID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_PATH = r"(/[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*)?"
_JWKS_URI = re.compile(rf"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?{_PATH}")
_LOCAL_JWKS_URI = re.compile(rf"http://127\.0\.0\.1:[0-9]{{1,5}}{_PATH}")


def read_key(*, kid: str, alg: str, pem: str, jwk: Mapping[str, object] | None) -> AssertionKey:
    """Return a public key given as PEM or JWK. Without a `kid` and an `alg`, it has those that `JWKS` keys get.

    Raises `INVALID_REQUEST`.
    """
    if bool(pem) == (jwk is not None):
        raise invalid_field("pem", "required", "Give one of pem, jwk.")
    try:
        if jwk is None:
            key = assertion_key_from_pem(pem, kid=kid, alg=alg)
        else:
            key = assertion_key_from_jwk(jwk, kid=kid, alg=alg)
    except InvalidKey as error:
        raise invalid_field("jwk" if jwk is not None else "pem", "bad_key", f"This key is rejected: {error}.") from None
    if not _KID.fullmatch(key.kid):
        raise invalid_field("kid", "bad_format", "A kid has up to 128 of a-z, A-Z, 0-9, dots, dashes, _ and ~.")
    return key


@dataclass(frozen=True, slots=True)
class PartnerChanges:
    """The members of a partner to set, at registration or later; `None` leaves a member as it is."""

    name: str | None = None
    status: Status | None = None
    audience: str | None = None
    tenant: str | None = None
    org: str | None = None
    jwks_uri: str | None = None
    role_map: Mapping[str, str] | None = None
    default_roles: tuple[str, ...] | None = None
    clients: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    tokens_per_minute: int | None = None
    max_users: int | None = None
    allow_missing: tuple[str, ...] | None = None
    profile_updates: ProfileUpdates | None = None
    managed: bool | None = None
    alg: str | None = None


@dataclass(frozen=True, slots=True)
class NewPartner:
    """A partner to be registered. Its issuer and its profile never change."""

    name: str
    issuer: str
    profile: str = "standard"
    keys: tuple[AssertionKey, ...] = ()
    settings: PartnerChanges = PartnerChanges()


@dataclass(frozen=True, slots=True)
class PartnerAdmin:
    """Shows and changes partners. `roles` are those of this moment; `local_keys` lets keys come from this machine."""

    partners: PartnerStore
    clients: ClientStore
    names: NameSource
    roles: Roles
    journal: Journal
    entropy: Entropy
    keys: PartnerKeys
    local_keys: bool = False

    def find(self, partner_id: str) -> Partner:
        """Return a partner. Raises `NOT_FOUND`."""
        partner = self.partners.find_partner(partner_id)
        if partner is None:
            raise ServiceError(Errors.NOT_FOUND, "no such partner")
        return partner

    def page(self, *, after: str, limit: int) -> Page[Partner]:
        """Return some of all partners, oldest first."""
        return self.partners.list_partners(after=after, limit=limit)

    def create(self, operator: Operator, asked: NewPartner, *, now: int) -> Partner:
        """Store a new partner.

        Raises `FORBIDDEN` for a role that permits too much, `VALIDATION_FAILED` and `ISSUER_TAKEN`.
        """
        made = Partner(new_id("prt_", self.entropy), asked.name, asked.issuer, now, profile=asked.profile)
        partner = replace(made, **given(asked.settings))
        for key in asked.keys:
            partner = _with_key(partner, key)
        self._require_sound(partner)
        authority = self._authority(operator)
        require_known_scopes(partner.scopes, authority.registry)
        _require_below(_reached(partner), _reached(partner), authority.registry)
        _require(authority, Act.GIVE, None, partner)
        if partner.issuer in self.names.accepted(now).issuers:
            raise _fault("issuer", "own_issuer", "This issuer is the service itself.")
        self._require_usable_keys(partner)
        if not self.partners.create_partner(partner):
            raise ServiceError(Errors.ISSUER_TAKEN, "the issuer is another partner's")
        self._report("partner_created", operator, partner, partner.issuer)
        return partner

    def change(self, operator: Operator, partner_id: str, changes: PartnerChanges, *, now: int) -> Partner:
        """Change members of a partner and return it. Raises as `create` does, `NOT_FOUND` and `CONFLICT`."""
        held, members = self.find(partner_id), given(changes)
        changed = replace(held, **members)
        if changed.status is not held.status:  # both times: a sign-in may be under way while it is disabled
            changed = replace(changed, closed_until=now)
        self._require_sound(changed)
        authority = self._authority(operator)
        require_known_scopes(changes.scopes or (), authority.registry)
        _require_below(_reached(changed) - _reached(held), _reached(changed), authority.registry)
        _require(authority, _act(held, changed, members, authority.registry), held, changed)
        if {"jwks_uri", "alg"} & members.keys():
            self._require_usable_keys(changed)
        stored = self._replace(changed)
        self._report("partner_changed", operator, stored, " ".join(sorted(members)))
        return stored

    def add_key(self, operator: Operator, partner_id: str, key: AssertionKey) -> Partner:
        """Register one more key.

        Raises `NOT_FOUND`, `VALIDATION_FAILED` if the key is not usable, `FORBIDDEN` if the partner gives permissions
        that the operator lacks, and `CONFLICT`.
        """
        held = self.find(partner_id)
        changed = _with_key(held, key)
        self._require_sound(changed)
        _require(self._authority(operator), Act.GIVE, held, changed)
        stored = self._replace(changed)
        self._report("partner_key_added", operator, stored, key.kid)
        return stored

    def remove_key(self, operator: Operator, partner_id: str, kid: str) -> Partner:
        """Remove a key: from now on, tokens signed with it are rejected.

        Raises `NOT_FOUND`, `CONFLICT`, and `FORBIDDEN` as `delete` does.
        """
        partner = self.find(partner_id)
        if kid not in partner.keys:
            raise ServiceError(Errors.NOT_FOUND, "no such key")
        _require(self._authority(operator), Act.KEEP, partner, partner)
        rest = {each: jwk for each, jwk in partner.keys.items() if each != kid}
        stored = self._replace(replace(partner, keys=rest))
        self._report("partner_key_removed", operator, stored, kid)
        return stored

    def delete(self, operator: Operator, partner_id: str) -> None:
        """Delete a partner: its sessions end at their next refresh, its users stay.

        Raises `NOT_FOUND`, `CONFLICT`, and `FORBIDDEN` if its scopes name an operator's permission that this operator
        lacks.
        """
        partner = self.find(partner_id)
        _require(self._authority(operator), Act.KEEP, partner, partner)
        if not self.partners.delete_partner(partner):
            raise ServiceError(Errors.CONFLICT, "the partner has changed meanwhile")
        self._report("partner_deleted", operator, partner, partner.issuer)

    def _authority(self, operator: Operator) -> Authority:
        return Authority(operator, self.roles.registry())

    def _replace(self, changed: Partner) -> Partner:
        stored = replace(changed, version=changed.version + 1)
        if not self.partners.replace_partner(stored):
            raise ServiceError(Errors.CONFLICT, "the partner has changed meanwhile")
        return stored

    def _report(self, event: str, operator: Operator, partner: Partner, what: str) -> None:
        self.journal.record(Event(event, reason=what, actor=operator.sub, partner_id=partner.partner_id))

    def _require_sound(self, partner: Partner) -> None:
        """Raise `VALIDATION_FAILED` unless the members fit each other, and the roles and keys that they name exist."""
        if bool(partner.tenant) != bool(PROFILES[partner.profile].tenant):
            raise _fault("tenant", "bad_value", "A tenant goes with the profiles that have one, and with no other.")
        if partner.jwks_uri and partner.keys:
            raise _fault("jwks_uri", "ambiguous", "A partner has keys or an address of keys, not both.")
        if partner.jwks_uri and not self._may_fetch(partner.jwks_uri):
            raise _fault("jwks_uri", "bad_address", "This must be an https address without user or #.")
        if len(partner.keys) > MAX_KEYS:
            raise _fault("keys", "too_long", f"A partner has at most {MAX_KEYS} keys.")
        if "kid" in may_lack(partner.profile, partner.allow_missing) and _alike(partner) > MOST_KEYS_TRIED:
            sentence = f"At most {MOST_KEYS_TRIED} keys of one algorithm, where tokens may lack a kid."
            raise _fault("keys", "too_many_alike", sentence)
        for client_id in partner.clients:
            if client_id != FIRST_PARTY_CLIENT and self.clients.find_client(client_id) is None:
                raise _fault("clients", "unknown_client", f"{client_id[:64]} is not known.")

    def _require_usable_keys(self, partner: Partner) -> None:
        """Raise `VALIDATION_FAILED` if the partner publishes keys, and none of them can be read and used now."""
        if not partner.jwks_uri:
            return
        try:
            keys = self.keys.read(partner.jwks_uri, alg=partner.alg)
        except KeysUnreachable as error:
            raise _fault("jwks_uri", "no_usable_key", f"No usable key can be read there now: {error}.") from None
        if partner.alg and partner.alg not in {key.alg for key in keys}:
            raise _fault("alg", "fits_no_key", "No key that is published there can have this algorithm.")

    def _may_fetch(self, address: str) -> bool:
        local = self.local_keys and _LOCAL_JWKS_URI.fullmatch(address)
        return bool(local or _JWKS_URI.fullmatch(address))


def _require(authority: Authority, act: Act, before: Partner | None, after: Partner) -> None:
    held = _what_partner_gives(before, authority.registry) if before else ()
    authority.require(act, before=held, after=_what_partner_gives(after, authority.registry))


def _what_partner_gives(partner: Partner, registry: RoleRegistry) -> frozenset[str]:
    """Return the permissions that a partner gives: by the roles of its map, and by the scopes of its tokens."""
    return given_by(registry, below_operators(registry, _reached(partner)), partner.scopes)


def _require_below(added: frozenset[str], reached: frozenset[str], registry: RoleRegistry) -> None:
    """Raise `VALIDATION_FAILED` or `FORBIDDEN` if added roles cannot be mapped, or if too many are reached."""
    require_known_roles(added, registry, field="role_map")
    if added and len(reached) > MAX_ROLES:
        raise _fault("role_map", "too_long", f"At most {MAX_ROLES} roles can be reached.")
    if len(below_operators(registry, added)) < len(added):
        raise ServiceError(Errors.FORBIDDEN, "a role with an operator's permission")


def _act(before: Partner, after: Partner, members: Collection[str], registry: RoleRegistry) -> Act:
    """Return what a change does. A reduction takes roles, scopes, clients or an address of keys away."""
    if set(members) == {"status"} and after.status is Status.DISABLED:
        return Act.STOP
    reduced = {
        "status": after.status is not Status.ACTIVE or before.status is Status.ACTIVE,
        "jwks_uri": after.jwks_uri in {"", before.jwks_uri},
        "role_map": all(
            _is_less((role,), (before.role_map.get(theirs, ""),), registry) for theirs, role in after.role_map.items()
        ),
        "default_roles": _is_less(after.default_roles, before.default_roles, registry),
        "clients": set(after.clients) <= set(before.clients),
        "scopes": is_within(after.scopes, before.scopes, registry),
        "allow_missing": set(after.allow_missing) <= set(before.allow_missing),
    }
    return Act.KEEP if all(name in _LABELS or reduced.get(name, False) for name in members) else Act.GIVE


def _is_less(roles: Iterable[str], before: Iterable[str], registry: RoleRegistry) -> bool:
    lesser, greater = (registry.permissions(below_operators(registry, each)) for each in (roles, before))
    return set(lesser) <= set(greater)


def _reached(partner: Partner) -> frozenset[str]:
    return frozenset({*partner.default_roles, *partner.role_map.values()})


def _alike(partner: Partner) -> int:
    """Return how many keys of a partner have the algorithm that most of them have."""
    algorithms = [json.loads(jwk)["alg"] for jwk in partner.keys.values()]
    return max(map(algorithms.count, algorithms), default=0)


def _with_key(partner: Partner, key: AssertionKey) -> Partner:
    if key.kid in partner.keys:
        raise _fault("kid", "taken", "The partner has a key of this kid.")
    jwk = json.dumps(key.to_jwk(), separators=(",", ":"))
    return replace(partner, keys={**partner.keys, key.kid: jwk})


def _fault(field: str, code: str, message: str) -> ServiceError:
    return ServiceError(Errors.VALIDATION_FAILED, f"{field}: {code}", fields=(FieldError(field, code, message),))
