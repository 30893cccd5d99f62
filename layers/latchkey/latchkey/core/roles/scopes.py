"""Scopes: the names of permissions, and those of OpenID Connect, which permit nothing at an API."""

from __future__ import annotations

OPENID_SCOPES = frozenset({"openid", "profile", "email", "phone", "address", "offline_access"})
"""The scopes of OpenID Connect Core 1.0 (sections 3.1.2.1, 5.4 and 11)."""
