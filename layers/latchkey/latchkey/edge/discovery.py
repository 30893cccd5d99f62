"""What verifiers and clients may know of this issuer."""

from __future__ import annotations

import json
from typing import Any

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Grant
from latchkey.core.signing_policy.store import PublicKeyStore, PublishedKeys
from latchkey.signing.accepted import MEMBER


def published(store: PublicKeyStore) -> PublishedKeys:
    """Return what is published. Raises `UNAVAILABLE` before the first rotation."""
    keys = store.published_keys()
    if keys is None:
        raise ServiceError(Errors.UNAVAILABLE, "no keys are published yet", retry_after=5)
    return keys


def jwks(keys: PublishedKeys, now: int) -> dict[str, Any]:
    """Return the JWK set (RFC 7517 section 5), without the keys whose time has passed since it was published.

    Its extra member says which issuers and audiences tokens may name.
    """
    document = json.loads(keys.jwks)
    live = [key for key in document["keys"] if now < keys.retire_at.get(key["kid"], now + 1)]
    return {"keys": live, MEMBER: keys.accepted(now).to_member()}


def metadata(keys: PublishedKeys, now: int) -> dict[str, Any]:
    """Return the metadata of the authorization server (RFC 8414 section 2).

    There is no `authorization_endpoint`: no grant on offer uses one.
    """
    issuer = keys.issuer_at(now)
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "token_endpoint": f"{issuer}/oauth2/token",
        "grant_types_supported": [Grant.CLIENT_CREDENTIALS, Grant.REFRESH_TOKEN, Grant.JWT_BEARER],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [keys.algorithm],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    }
