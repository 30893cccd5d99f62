"""What verifiers and clients may know of this issuer: its public keys and its metadata (RFC 7517, RFC 8414)."""

from typing import Any

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Grant
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.edge import bootstrap
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("What verifiers and clients may know of this issuer")
handler = routes.handler

CLIENT_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "none"]


@routes("GET /.well-known/jwks.json", "HEAD /.well-known/jwks.json", needs=PUBLIC)
def jwks(request: Request) -> Response:
    """Return 200 with the public keys (RFC 7517 section 5), and with the issuers and audiences that tokens may name."""
    return _kept_for_a_while(_published().jwks_at(request.now), request)


@routes(
    "GET /.well-known/openid-configuration",
    "HEAD /.well-known/openid-configuration",
    "GET /.well-known/oauth-authorization-server",
    "HEAD /.well-known/oauth-authorization-server",
    needs=PUBLIC,
)
def metadata(request: Request) -> Response:
    """Return 200 with the metadata of the authorization server (RFC 8414 section 2)."""
    return _kept_for_a_while(_metadata(_published(), request.now), request)


def _published() -> PublishedKeys:
    """Return what is published. Raises `UNAVAILABLE` before the first rotation."""
    keys = bootstrap.store().published_keys()
    if keys is None:
        raise ServiceError(Errors.UNAVAILABLE, "no keys are published yet", retry_after=5)
    return keys


def _metadata(keys: PublishedKeys, now: int) -> dict[str, Any]:
    """Return the metadata. There is no `authorization_endpoint`: no grant on offer uses one."""
    issuer = keys.issuer_at(now)
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "token_endpoint": f"{issuer}/oauth2/token",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "grant_types_supported": [Grant.CLIENT_CREDENTIALS, Grant.REFRESH_TOKEN, Grant.JWT_BEARER],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [keys.algorithm],
        "token_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
    }


def _kept_for_a_while(document: dict[str, Any], request: Request) -> Response:
    """Return the document with the seconds for which a verifier may keep it."""
    max_age = bootstrap.moment(request.now).caches.jwks
    return Response(200, document, {"Cache-Control": f"public, max-age={max_age}"})
