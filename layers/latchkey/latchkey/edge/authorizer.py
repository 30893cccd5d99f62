"""The Lambda authorizer: verifies that a Bearer token is ours and not expired.

It answers REST `TOKEN` and `REQUEST` events and HTTP API payloads 1.0 and 2.0. If `LATCHKEY_JWKS_URI` or
`LATCHKEY_ISSUER` says where the keys are, it serves the APIs of any stack. Otherwise it fetches them from the calling
API, which is right for the stack's own API alone.

It knows only where the public keys are. It fetches them over HTTPS, with the issuers and audiences to accept. It has no
AWS permission, and imports neither boto3 nor Powertools nor PyJWT: every protected call waits for its cold start.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from latchkey.adapters.jwks import KeyCache, KeysUnavailable, RemoteKeys, TrustedKey
from latchkey.core.roles.roles import BUILT_IN
from latchkey.core.roles.scopes import permissions_of
from latchkey.edge.gateway_events import Event, header_values
from latchkey.edge.settings import Environment
from latchkey.signing.jws import InvalidToken
from latchkey.signing.tokens import AccessClaims, parse, prove

_ARN = re.compile(r"arn:[a-z0-9-]+:execute-api:[a-z0-9-]+:[0-9]+:[A-Za-z0-9]+/[^/\s]+(/.*)?", re.DOTALL)

OWN_JWKS_AGE = 60
"""Seconds for which our own authorizer keeps the public keys. With the gateway's cache, this bounds a reset."""


class Unauthorized(Exception):
    """The token is not valid."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Undecided(Exception):
    """The token cannot be judged, since the keys cannot be fetched.

    API Gateway makes a 5xx of every exception whose text is not `Unauthorized`. A 401 would tell apps to refresh or to
    sign out.
    """


def authorize(event: Event) -> dict[str, Any]:
    """Return an authorizer's response in the format that the event asks for.

    Raises `Unauthorized` where only an exception makes a 401, and `Undecided`. The policy never names the requested
    route: the gateway caches it for every route of the same token.
    """
    simple = isinstance(event, Mapping) and event.get("version") == "2.0"
    try:
        arn, token = arn_of(event), _bearer(event)
        claims = _verified(arn, token)
    except KeysUnavailable as error:
        log_refusal(error)
        raise Undecided(str(error)) from None
    except InvalidToken as error:
        log_refusal(error)
        if simple:
            return {"isAuthorized": False}
        raise Unauthorized from None
    context = context_of(claims)
    return {"isAuthorized": True, "context": context} if simple else allow_all_routes(claims.sub, arn, context)


def _verified(arn: str, token: str) -> AccessClaims:
    """Return the proven claims of a token that came with a request for this ARN.

    The issuers and audiences to accept are published with the keys, because both may move. The configured ones matter
    only where the JWKS of an older release says nothing about them.
    """
    env, now = Environment(os.environ), int(time.time())
    issuer, audience = env.text("LATCHKEY_ISSUER", _issuer_of(arn)), env.text("LATCHKEY_AUDIENCE")
    signed = parse(token)
    trusted = _keys(issuer).find(signed.kid)
    if trusted is None:
        raise InvalidToken("kid is unknown")
    return prove(
        signed,
        trusted.key,
        issuers=trusted.accepted.issuers_at(now, otherwise=issuer),
        audiences=trusted.accepted.audiences_at(now, otherwise=audience),
        now=now,
    )


def _bearer(event: Event) -> str:
    """Return the token after `Bearer` (RFC 6750 section 2.1). Raises `InvalidToken`."""
    is_token = event.get("type") == "TOKEN"
    values = [event.get("authorizationToken")] if is_token else header_values(event, "authorization")
    if len(values) != 1 or not isinstance(values[0], str):
        raise InvalidToken(f"{len(values)} Authorization headers")
    scheme, separator, token = values[0].partition(" ")
    if scheme.lower() != "bearer" or not separator:
        raise InvalidToken("not a Bearer token")
    return token


def arn_of(event: Event) -> str:
    """Return the ARN of the requested method or route. Raises `InvalidToken` for an event without one."""
    arn = (event.get("methodArn") or event.get("routeArn")) if isinstance(event, Mapping) else None
    if not isinstance(arn, str) or not _ARN.fullmatch(arn):
        raise InvalidToken("not an event of API Gateway")
    return arn


def _issuer_of(arn: str) -> str:
    """Return the address of the API that the event comes from: the issuer of a stack without its own domain."""
    _, partition, _, region, _, resource = arn.split(":", 5)
    api, stage, *_ = resource.split("/")
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"https://{api}.execute-api.{region}.{suffix}/{stage}"


@cache
def _keys(issuer: str) -> KeyCache[TrustedKey]:
    """Return the source of keys: the issuer's JWKS or, if the stack allows HS256, its secret."""
    env = Environment(os.environ)
    max_age = min(OWN_JWKS_AGE, env.number("LATCHKEY_JWKS_MAX_AGE", 300, low=1, high=300))
    if secret := env.text("LATCHKEY_HS256_SECRET", ""):
        from latchkey.adapters import secrets_manager

        return secrets_manager.SecretKeys(secrets_manager.connect(), secret, time.monotonic, time.time, max_age)
    uri = env.text("LATCHKEY_JWKS_URI", f"{issuer}/.well-known/jwks.json")
    return RemoteKeys(uri, time.monotonic, max_age, sam_local=env.flag("AWS_SAM_LOCAL"))


def context_of(claims: AccessClaims) -> dict[str, str]:
    """Return the context for the handlers: flat strings, no token, no e-mail address."""
    return {
        "sub": claims.sub,
        "client_id": claims.client_id,
        "sid": claims.sid or "",
        "roles": " ".join(claims.roles),
        "permissions": " ".join(sorted(_permissions(claims))),
        "scope": claims.scope,
        "auth_time": str(claims.auth_time or ""),
    }


def _permissions(claims: AccessClaims) -> set[str]:
    """Return what the token permits: its roles, its scope, or both for a machine.

    A person's token has roles only if its client is first-party: it may do all that the roles permit. For any other
    client, the scope names what the token may do.
    """
    by_roles = {*BUILT_IN.permissions(claims.roles), *claims.permissions}
    by_scope = set(permissions_of(claims.scope.split()))
    if claims.sub.startswith("cli_"):
        return by_roles | by_scope
    return by_roles if claims.roles else by_scope


def allow_all_routes(principal: str, method_arn: str, context: dict[str, str]) -> dict[str, Any]:
    """Return an IAM policy for every route of this stage, built from the name of the API, never from the path."""
    api, stage, *_ = method_arn.split("/")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{api}/{stage}/*/*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": principal, "policyDocument": document, "context": context}


def log_refusal(error: Exception) -> None:
    """Write one structured log line without Powertools."""
    line = {"level": "INFO", "message": "token_refused", "error": type(error).__name__, "reason": str(error)}
    sys.stdout.write(json.dumps(line) + "\n")
