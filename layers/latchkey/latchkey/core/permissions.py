"""What each route asks of its caller: the one table, held against the template and against the running service."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLIC = "public"
"""Anybody. Where such a route takes a secret, its function proves it."""

BEARER = "bearer"
"""Whoever holds an access token."""

USER = "user"
"""A person, by a session."""

API_KEY = "api_key"
"""A service, by its API key in `X-API-Key`."""

ROUTE_PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "POST /v1/user": PUBLIC,
        "POST /auth/register": PUBLIC,
        "GET /v1/user/confirm/{code}": PUBLIC,
        "POST /v1/user/confirm/{code}": PUBLIC,
        "POST /v1/user/resendEmail": PUBLIC,
        "POST /v1/user/password/restore": PUBLIC,
        "POST /v1/user/password/reset": PUBLIC,
        "POST /v1/user/password/change": USER,
        "POST /v1/user/email/change": USER,
        "POST /v1/user/email/confirm": PUBLIC,
        "POST /v1/auth/login": PUBLIC,
        "POST /auth/login": PUBLIC,
        "POST /login": PUBLIC,
        "POST /v1/auth/refresh": PUBLIC,
        "POST /auth/refresh": PUBLIC,
        "POST /v1/auth/validate": PUBLIC,
        "POST /v1/auth/token": PUBLIC,
        "POST /oauth2/token": PUBLIC,
        "POST /v1/auth/external-token": PUBLIC,
        "GET /.well-known/jwks.json": PUBLIC,
        "GET /.well-known/openid-configuration": PUBLIC,
        "GET /.well-known/oauth-authorization-server": PUBLIC,
        "GET /status": PUBLIC,
        "GET /v1/hello": BEARER,
        "GET /v1/service/hello": API_KEY,
        "GET /v1/auth/me": USER,
        "PATCH /v1/auth/me": USER,
        "DELETE /v1/auth/me": USER,
        "GET /v1/auth/me/export": USER,
        "GET /v1/auth/me/links": USER,
        "POST /v1/auth/me/links": USER,
        "DELETE /v1/auth/me/links/{partner}": USER,
        "GET /auth/me": USER,
        "GET /v1/user/profile": USER,
        "POST /v1/auth/logout": USER,
        "GET /v1/auth/sessions": USER,
        "DELETE /v1/auth/sessions": USER,
        "DELETE /v1/auth/sessions/{sid}": USER,
        "GET /v1/admin/signing": "signing:read",
        "PATCH /v1/admin/signing": "signing:write",
        "POST /v1/admin/signing/rotate": "signing:write",
        "POST /v1/admin/signing/reset": "signing:write",
        "GET /v1/admin/signing/validation-key": "signing:read",
        "POST /v1/admin/users/import": "users:import",
        "GET /v1/admin/users/export": "users:export",
        "GET /v1/admin/users": "users:read",
        "POST /v1/admin/users": "users:write",
        "GET /v1/admin/users/{sub}": "users:read",
        "PATCH /v1/admin/users/{sub}": "users:write",
        "DELETE /v1/admin/users/{sub}/sessions": "users:write",
        "POST /v1/admin/users/{sub}/password-reset": "users:write",
        "GET /v1/admin/roles": "roles:read",
        "GET /v1/admin/roles/{name}": "roles:read",
        "PUT /v1/admin/roles/{name}": "roles:write",
        "DELETE /v1/admin/roles/{name}": "roles:write",
        "GET /v1/admin/clients": "clients:read",
        "POST /v1/admin/clients": "clients:write",
        "GET /v1/admin/clients/{client_id}": "clients:read",
        "PATCH /v1/admin/clients/{client_id}": "clients:write",
        "DELETE /v1/admin/clients/{client_id}": "clients:write",
        "POST /v1/admin/clients/{client_id}/secrets": "clients:write",
        "DELETE /v1/admin/clients/{client_id}/secrets/{fingerprint}": "clients:write",
        "GET /v1/admin/api-keys": "api_keys:read",
        "POST /v1/admin/api-keys": "api_keys:write",
        "DELETE /v1/admin/api-keys/{key_id}": "api_keys:write",
        "POST /v1/admin/api-keys/{key_id}/rotate": "api_keys:write",
        "POST /utils/hash/secure": "api_keys:write",
        "POST /utils/hash/fast": "api_keys:write",
        "GET /v1/admin/audit": "audit:read",
        "GET /v1/admin/partners": "partners:read",
        "POST /v1/admin/partners": "partners:write",
        "GET /v1/admin/partners/{partner}": "partners:read",
        "PATCH /v1/admin/partners/{partner}": "partners:write",
        "DELETE /v1/admin/partners/{partner}": "partners:write",
        "POST /v1/admin/partners/{partner}/keys": "partners:write",
        "DELETE /v1/admin/partners/{partner}/keys/{kid}": "partners:write",
    }
)
"""By method and path as the template spells them: one of the four above, or the permission that is needed."""
