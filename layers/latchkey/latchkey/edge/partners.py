"""The routes of partners, and of the links with them: what they take, and what they show."""

from __future__ import annotations

import json
import re
from typing import Any

from latchkey.core.authenticators.links import Links, NewLink
from latchkey.core.errors import invalid_field
from latchkey.core.model import Partner, ProfileUpdates, Status
from latchkey.core.partners.admin import MAX_KEYS, NewPartner, PartnerAdmin, PartnerChanges, read_key
from latchkey.core.partners.profiles import PROFILES, RELAXATIONS
from latchkey.core.policy import PolicySource
from latchkey.edge import callers, listing
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import MAX_BODY, Request, Response
from latchkey.edge.operators import Operator, permitted
from latchkey.signing.assertion_keys import AssertionAlgorithm, AssertionKey

_PARTNERS = "/v1/admin/partners"
_MOST = 32
_HIGHEST = 1_000_000_000
_ISSUER = re.compile(r"[\x21-\x7E]+")
_LABEL = re.compile(r"[A-Za-z0-9_.:-]*")


def answer(request: Request, admin: PartnerAdmin, policies: PolicySource) -> Response:
    """Do what the route says. Raises `FORBIDDEN` without its permission."""
    operator = permitted(request)
    partner_id = request.path_parameters.get("partner", "")
    match request.method, request.path.removeprefix(_PARTNERS):
        case "GET", "":
            return Response(
                200, listing.page(request, Members.of_query(request), policies, admin.page, shown, name="partners")
            )
        case "POST", "":
            return _created(admin.create(operator, _new_partner(request), now=request.now))
        case "GET", _:
            return Response(200, shown(admin.find(partner_id)))
        case "PATCH", _:
            return Response(200, shown(admin.change(operator, partner_id, _changes(request), now=request.now)))
        case "POST", _:
            return Response(201, shown(admin.add_key(operator, partner_id, _new_key(Members.of_json(request)))))
        case _:
            request.require_empty()
            _remove(operator, admin, partner_id, request.path_parameters.get("kid"))
            return Response(204)


def _remove(operator: Operator, admin: PartnerAdmin, partner_id: str, kid: str | None) -> None:
    if kid is None:
        admin.delete(operator, partner_id)
    else:
        admin.remove_key(operator, partner_id, kid)


def answer_links(request: Request, links: Links) -> Response:
    """Do what the route of one's own links says."""
    me = callers.user(request)
    match request.method:
        case "GET":
            return Response(200, {"links": [callers.link(each) for each in links.of(me.sub, me.sid, now=request.now)]})
        case "POST":
            return Response(201, callers.link(links.add(me.sub, me.sid, _new_link(request), now=request.now)))
        case _:
            request.require_empty()
            links.remove(me.sub, me.sid, request.path_parameters["partner"], now=request.now)
            return Response(204)


def shown(partner: Partner) -> dict[str, Any]:
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
        "role_map": dict(partner.role_map),
        "default_roles": partner.default_roles,
        "clients": partner.clients,
        "scopes": partner.scopes,
        "tokens_per_minute": partner.tokens_per_minute,
        "max_users": partner.max_users,
        "allow_missing": partner.allow_missing,
        "profile_updates": partner.profile_updates,
        "created_at": partner.created_at,
    }


def _created(partner: Partner) -> Response:
    return Response(201, shown(partner), {"Location": f"{_PARTNERS}/{partner.partner_id}"})


def _new_partner(request: Request) -> NewPartner:
    """Read `{name, issuer, profile?, keys?}` and all that may be changed later."""
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
    members = Members.of_json(request)
    changes = _changeable(members)
    members.nothing_else()
    if changes == PartnerChanges():
        raise nothing_given("name", "status", "role_map")
    return changes


def _changeable(members: Members) -> PartnerChanges:
    """Take what may be changed of a partner, as far as it is there."""
    status = members.choice("status", tuple(Status))
    updates = members.choice("profile_updates", tuple(ProfileUpdates))
    changes = PartnerChanges(
        name=members.optional("name", longest=128),
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
    )
    if changes.name == "":
        raise invalid_field("name", "required", "This member must not be empty.")
    if not set(changes.allow_missing or ()) <= set(RELAXATIONS):
        raise invalid_field("allow_missing", "bad_value", f"These may be missing: {', '.join(RELAXATIONS)}.")
    return changes


def _limit(members: Members, name: str) -> int | None:
    value = members.number(name)
    if value is not None and not 0 <= value <= _HIGHEST:
        raise invalid_field(name, "bad_value", "This must be 0, which is no limit, or a number above it.")
    return value


def _new_key(members: Members) -> AssertionKey:
    """Read `{kid?, alg?, pem|jwk}`."""
    kid = members.optional("kid", longest=128) or ""
    alg = members.choice("alg", tuple(AssertionAlgorithm)) or ""
    pem, jwk = members.block("pem", longest=8192) or "", members.record("jwk")
    members.nothing_else()
    return read_key(kid=kid, alg=alg, pem=pem, jwk=jwk)


def _new_link(request: Request) -> NewLink:
    """Read `{token|externalAccessToken, issuer_id?, password?}`."""
    members = Members.of_json(request)
    assertion = members.one_of(("token", "externalAccessToken"), longest=MAX_BODY)
    issuer_id = members.optional("issuer_id") or ""
    password = members.optional("password", longest=MAX_BODY) or ""
    members.nothing_else()
    return NewLink(assertion, issuer_id, password, request.address)
