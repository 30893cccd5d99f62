"""Administration of partners."""

import json
import os
import re
import secrets
from functools import cache
from typing import Any

from latchkey.core.errors import invalid_field
from latchkey.core.model import Partner, ProfileUpdates, Status
from latchkey.core.partners.admin import MAX_KEYS, NewPartner, PartnerAdmin, PartnerChanges, read_key
from latchkey.core.partners.profiles import PROFILES, RELAXATIONS
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap, listing
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.settings import Environment
from latchkey.edge.telemetry import LogJournal
from latchkey.signing.assertion_keys import AssertionAlgorithm, AssertionKey

routes = Routes("Administration of partners")
handler = routes.handler

_MOST = 32
_HIGHEST = 1_000_000_000
_ISSUER = re.compile(r"[\x21-\x7E]+")
_LABEL = re.compile(r"[A-Za-z0-9_.:-]*")


@routes("GET /v1/admin/partners", needs="partners:read")
def list_partners(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of partners, oldest first."""
    members, seals = Members.of_query(request), bootstrap.seals()
    return Response(200, listing.page(request, members, seals, partner_admin().page, _shown, name="partners"))


@routes("POST /v1/admin/partners", needs="partners:write")
def create(request: Request, operator: Operator) -> Response:
    """Register a partner and return 201 with it."""
    partner = partner_admin().create(operator, _new_partner(request), now=request.now)
    return Response(201, _shown(partner), {"Location": f"/v1/admin/partners/{partner.partner_id}"})


@routes("GET /v1/admin/partners/{partner_id}", needs="partners:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the partner."""
    return Response(200, _shown(partner_admin().find(request.path_parameters["partner_id"])))


@routes("PATCH /v1/admin/partners/{partner_id}", needs="partners:write")
def change(request: Request, operator: Operator) -> Response:
    """Change a partner and return 200 with it."""
    partner_id = request.path_parameters["partner_id"]
    return Response(200, _shown(partner_admin().change(operator, partner_id, _changes(request), now=request.now)))


@routes("DELETE /v1/admin/partners/{partner_id}", needs="partners:write")
def delete(request: Request, operator: Operator) -> Response:
    """Delete a partner and return 204. Its users stay."""
    request.require_empty()
    partner_admin().delete(operator, request.path_parameters["partner_id"])
    return Response(204)


@routes("POST /v1/admin/partners/{partner_id}/keys", needs="partners:write")
def add_key(request: Request, operator: Operator) -> Response:
    """Register one more key and return 201 with the partner."""
    partner_id = request.path_parameters["partner_id"]
    return Response(201, _shown(partner_admin().add_key(operator, partner_id, _new_key(Members.of_json(request)))))


@routes("DELETE /v1/admin/partners/{partner_id}/keys/{kid}", needs="partners:write")
def remove_key(request: Request, operator: Operator) -> Response:
    """Remove a key and return 204."""
    request.require_empty()
    partner_admin().remove_key(operator, request.path_parameters["partner_id"], request.path_parameters["kid"])
    return Response(204)


def _new_partner(request: Request) -> NewPartner:
    """Read `{name, issuer, profile?, keys?}` and every member that may be changed later."""
    members = Members.of_json(request)
    issuer = members.shaped("issuer", _ISSUER, longest=512)
    if not issuer:
        raise invalid_field("issuer", "required", "This member is required.")
    profile = members.choice("profile", tuple(PROFILES)) or "standard"
    keys = tuple(_new_key(Members(each)) for each in members.records("keys", most=MAX_KEYS))
    settings = _changeable(members)
    members.nothing_else()
    if not settings.name:
        raise invalid_field("name", "required", "This member is required.")
    return NewPartner(settings.name, issuer, profile, keys, settings)


def _changes(request: Request) -> PartnerChanges:
    """Read every member that may be changed: at least one of them."""
    members = Members.of_json(request)
    changes = _changeable(members)
    members.nothing_else()
    if changes == PartnerChanges():
        raise nothing_given("name", "status", "role_map")
    return changes


def _changeable(members: Members) -> PartnerChanges:
    """Take the members of a partner that may be changed, as far as they are present."""
    status = members.choice("status", tuple(Status))
    updates = members.choice("profile_updates", tuple(ProfileUpdates))
    changes = PartnerChanges(
        name=members.label("name"),
        status=None if status is None else Status(status),
        audience=members.optional("audience", longest=512),
        tenant=members.optional("tenant", longest=256),
        org=members.shaped("org", _LABEL, longest=64),
        jwks_uri=members.optional("jwks_uri", longest=512),
        role_map=members.pairs("role_map", most=_MOST),
        default_roles=members.texts("default_roles", most=_MOST),
        clients=members.texts("clients", most=_MOST),
        scopes=members.texts("scopes", most=_MOST),
        tokens_per_minute=_limit(members, "tokens_per_minute"),
        max_users=_limit(members, "max_users"),
        allow_missing=members.texts("allow_missing", most=len(RELAXATIONS)),
        profile_updates=None if updates is None else ProfileUpdates(updates),
        managed=members.optional_flag("managed"),
        alg=members.choice("alg", ("", *AssertionAlgorithm)),
    )
    if changes.name == "":
        raise invalid_field("name", "required", "This member must not be empty.")
    if not set(changes.allow_missing or ()) <= set(RELAXATIONS):
        raise invalid_field("allow_missing", "bad_value", f"These may be missing: {', '.join(RELAXATIONS)}.")
    return changes


def _limit(members: Members, name: str) -> int | None:
    value = members.number(name, cleared=0)
    if value is not None and not 0 <= value <= _HIGHEST:
        raise invalid_field(name, "bad_value", "This must be 0, which means no limit, or a number above it.")
    return value


def _new_key(members: Members) -> AssertionKey:
    """Read `{kid?, alg?, pem|jwk}`."""
    kid = members.optional("kid", longest=128) or ""
    alg = members.choice("alg", tuple(AssertionAlgorithm)) or ""
    pem, jwk = members.block("pem", longest=8192) or "", members.record("jwk")
    members.nothing_else()
    return read_key(kid=kid, alg=alg, pem=pem, jwk=jwk)


def _shown(partner: Partner) -> dict[str, Any]:
    """Return a partner as an operator sees it."""
    return {
        "id": partner.partner_id,
        "name": partner.name,
        "issuer": partner.issuer,
        "status": partner.status,
        "profile": partner.profile,
        "audience": partner.audience,
        "tenant": partner.tenant,
        "org": partner.org,
        "keys": [json.loads(partner.keys[kid]) for kid in sorted(partner.keys)],
        "jwks_uri": partner.jwks_uri,
        "alg": partner.alg,
        "role_map": dict(partner.role_map),
        "default_roles": partner.default_roles,
        "clients": partner.clients,
        "scopes": partner.scopes,
        "tokens_per_minute": partner.tokens_per_minute,
        "max_users": partner.max_users,
        "allow_missing": partner.allow_missing,
        "profile_updates": partner.profile_updates,
        "managed": partner.managed,
        "created_at": partner.created_at,
    }


@cache
def partner_admin() -> PartnerAdmin:
    """Return the administration of partners."""
    return PartnerAdmin(
        partners=bootstrap.store(),
        clients=bootstrap.store(),
        names=bootstrap.published_policy(),
        roles=bootstrap.roles_now(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        keys=bootstrap.partner_keys(),
        local_keys=Environment(os.environ).flag("LATCHKEY_LOCAL_JWKS"),
    )
