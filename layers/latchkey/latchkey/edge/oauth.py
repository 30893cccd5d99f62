"""Tokens for machines and for partners' users: the OAuth token endpoint (RFC 6749 section 3.2) and its two siblings."""

from __future__ import annotations

import secrets
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_plus

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.grants.machine import MachineGrants
from latchkey.core.grants.partner import Exchange, PartnerAnswer, PartnerGrant
from latchkey.core.grants.refresh import RefreshRequest
from latchkey.core.model import FIRST_PARTY_CLIENT, Grant
from latchkey.core.networks import network_of
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members
from latchkey.edge.http import MAX_BODY, Request
from latchkey.edge.telemetry import LogJournal

_JWT_BEARER = b"jwt-bearer"  # the one part of the grant's name that a form leaves as it is


@cache
def machine_grants() -> MachineGrants:
    """Return the grants of machines."""
    return MachineGrants(
        bootstrap.clients(),
        bootstrap.policies(),
        bootstrap.gate(),
        bootstrap.issuer(),
        bootstrap.roles(),
        LogJournal(),
    )


@cache
def partner_grant() -> PartnerGrant:
    """Return the sign-in by a partner's assertion."""
    return PartnerGrant(
        links=bootstrap.store(),
        credentials=bootstrap.store(),
        sessions=bootstrap.store(),
        check=bootstrap.assertion_check(),
        policies=bootstrap.policies(),
        gate=bootstrap.gate(),
        issuer=bootstrap.issuer(),
        roles=bootstrap.roles(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
    )


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request at the token endpoint: how the client proves itself, and the grant it asks for."""

    client_id: str
    client_secret: str
    grant_type: str
    refresh_token: str
    scope: str | None
    assertion: str
    issuer_id: str
    address: str
    idempotency_key: str = ""


def token_request(request: Request) -> TokenRequest:
    """Read the form and the client's proof.

    Unknown parameters are ignored, and empty ones count as absent (RFC 6749 section 3.2). Raises
    `INVALID_REQUEST`, `INVALID_CLIENT` or `UNSUPPORTED_GRANT_TYPE`.
    """
    _refuse_query(request)
    if _is_too_large(request) and _JWT_BEARER in request.body:
        return TokenRequest("", "", Grant.JWT_BEARER, "", None, _unread(request), "", request.address)
    members = Members.of_form(request)
    grant_type = members.required("grant_type")
    if grant_type not in {Grant.CLIENT_CREDENTIALS, Grant.REFRESH_TOKEN, Grant.JWT_BEARER}:
        raise ServiceError(Errors.UNSUPPORTED_GRANT_TYPE, grant_type[:64])
    client_id, client_secret = _client(request, members)
    return TokenRequest(
        client_id=client_id,
        client_secret=client_secret,
        grant_type=grant_type,
        refresh_token=members.secret("refresh_token") if grant_type == Grant.REFRESH_TOKEN else "",
        scope=members.optional("scope") or None,
        assertion=members.required("assertion", longest=MAX_BODY) if grant_type == Grant.JWT_BEARER else "",
        issuer_id=members.optional("issuer_id") or "",
        address=request.address,
        idempotency_key=request.idempotency_key,
    )


def client_form(request: Request) -> tuple[Members, str, str]:
    """Return the members of a form, and the id and the secret of the client that sends it."""
    _refuse_query(request)
    members = Members.of_form(request)
    return members, *_client(request, members)


def proves_nothing(client_id: str, client_secret: str) -> bool:
    """Say whether a request is that of `cli_app`, named or not, which has no secret to prove itself with."""
    return client_id in {"", FIRST_PARTY_CLIENT} and not client_secret


def grant(asked: TokenRequest, *, now: int) -> TokenAnswer | PartnerAnswer:
    """Answer the request of a client.

    A refresh or an assertion without a client is the first-party app's, which has no secret.
    """
    if asked.grant_type == Grant.REFRESH_TOKEN:
        return _refreshed(asked, now)
    client_id = asked.client_id or (FIRST_PARTY_CLIENT if asked.grant_type == Grant.JWT_BEARER else "")
    client = bootstrap.clients().authenticate(client_id, asked.client_secret, address=asked.address, now=now)
    if asked.grant_type == Grant.CLIENT_CREDENTIALS:
        return machine_grants().client_credentials(client, asked.scope, now=now)
    exchange = Exchange(asked.assertion, asked.address, client, asked.issuer_id, asked.scope)
    return partner_grant()(exchange, now=now)


def _refreshed(asked: TokenRequest, now: int) -> TokenAnswer:
    """Renew a session. The refresh itself reads the client."""
    request = RefreshRequest(
        text=asked.refresh_token,
        network=network_of(asked.address),
        idempotency_key=asked.idempotency_key,
        client_id="" if proves_nothing(asked.client_id, asked.client_secret) else _refreshing_client(asked, now),
        scope=asked.scope,
    )
    return bootstrap.refresh_grant()(request, now=now)


def service_token(request: Request) -> str:
    """Return the API key from `X-API-Key` or from the Bearer token, as the stack's mode allows.

    Raises `INVALID_API_KEY` for none, for both, and for a key in the URL, where logs would keep it.
    """
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    header = request.headers.get("x-api-key", "")
    if bool(header) == bool(scheme) or (scheme and scheme.lower() != "bearer"):
        raise ServiceError(Errors.INVALID_API_KEY, "none, or more than one")
    if request.query:
        raise ServiceError(Errors.INVALID_API_KEY, "a query: it could only be a key")
    if bootstrap.settings().auth_mode == ("bearer" if header else "api-key"):
        raise ServiceError(Errors.INVALID_API_KEY, "the stack's AuthMode takes no key here")
    return header or bearer


def _refreshing_client(asked: TokenRequest, now: int) -> str:
    """Return the client that has identified itself. It may be disabled: then the refresh ends the session."""
    client = bootstrap.clients().identify(asked.client_id, asked.client_secret, address=asked.address, now=now)
    if Grant.REFRESH_TOKEN not in client.grants:
        raise ServiceError(Errors.UNAUTHORIZED_CLIENT, "refresh_token is not among its grants")
    return client.client_id


def external_token(request: Request) -> Exchange:
    """Read `{token|externalAccessToken, issuer_id?}`: a partner's assertion, from the first-party app."""
    if _is_too_large(request):
        return _of_the_app(request, _unread(request))
    members = Members.of_json(request)
    assertion = members.one_of(("token", "externalAccessToken"), longest=MAX_BODY)
    issuer_id = members.optional("issuer_id") or ""
    members.nothing_else()
    return _of_the_app(request, assertion, issuer_id)


def _of_the_app(request: Request, assertion: str, issuer_id: str = "") -> Exchange:
    app = bootstrap.clients().authenticate(FIRST_PARTY_CLIENT, "", address=request.address, now=request.now)
    return Exchange(assertion, request.address, app, issuer_id)


def _refuse_query(request: Request) -> None:
    if request.query:  # proxies log addresses: RFC 6749 section 2.3.1
        raise ServiceError(Errors.INVALID_REQUEST, "parameters in the address")


def _is_too_large(request: Request) -> bool:
    return len(request.body) > MAX_BODY


def _unread(request: Request) -> str:
    """Return a body that is too large to read as if it were the assertion, which is then refused as too long."""
    return request.body.decode("latin-1")


def _client(request: Request, members: Members) -> tuple[str, str]:
    """Return the client's id and secret from the Basic header or from the form, never both (RFC 6749 section 2.3)."""
    client_id = members.optional("client_id") or ""
    client_secret = members.optional("client_secret", longest=MAX_BODY) or ""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        return client_id, client_secret
    basic_id, basic_secret = _basic(authorization)
    if client_secret or client_id not in {"", basic_id}:
        raise ServiceError(Errors.INVALID_REQUEST, "two ways of client authentication")
    return basic_id, basic_secret


def _basic(authorization: str) -> tuple[str, str]:
    """Return the parts of a Basic header, each of them form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:  # not Base64, or not UTF-8
        text = ""
    client_id, separator, secret = text.partition(":")
    if not separator:
        raise ServiceError(Errors.INVALID_CLIENT, "not a Basic header")
    return unquote_plus(client_id), unquote_plus(secret)
