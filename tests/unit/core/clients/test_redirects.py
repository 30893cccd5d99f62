"""Which redirect URIs may be registered."""

from __future__ import annotations

import pytest

from latchkey.core.clients.redirects import MAX_REDIRECT_URI, check_redirect_uri
from latchkey.core.errors import ServiceError
from latchkey.core.model import ClientKind

GOOD = [
    "https://shop.example/callback",
    "https://shop.example",
    "https://shop.example:8443/cb?fixed=1",
    "https://localhost/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:51004/cb",
    "http://[::1]:51004/cb",
    "com.example.app:/callback",
    "com.example.app://callback/x",
    "com.example.app://cb",
    "io.supabase.demo://login-callback",
    "io.supabase.demo://login-callback/",
    "com.example.app://cb?from=mail",
]
DEVELOPMENT = [
    "http://localhost/callback",
    "http://localhost:3000/callback",
    "http://localhost:5173",
    "http://app.localhost:3000/callback",
]
"""For public clients alone."""
BAD = [
    "",
    "shop.example/callback",
    "/callback",
    "//shop.example/callback",
    "https:///callback",
    "https:shop.example",
    "HTTPS://shop.example/callback",
    "https://Shop.example/callback",
    "https://shop.example/callback#fragment",
    "https://shop.example/callback#",
    "https://*.shop.example/callback",
    "https://shop.example/*",
    "https://user@shop.example/callback",
    "https://shop.example@evil.example/callback",
    "https://shop.example\\@evil.example/callback",
    "https://shop.example/a/../b",
    "https://shop.example/./b",
    "https://shop.example:99999/callback",
    "https://shop.example:x/callback",
    "https://shop..example/callback",
    "https://-shop.example/callback",
    "https://shop.example/a b",
    "https://shop.example/\n",
    "https://shop.example/ы",
    "https://[::1/callback",
    "http://shop.example/callback",
    "http://localhost.evil.example/callback",
    "http://evillocalhost/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://127.0.0.2/callback",
    "http://2130706433/callback",
    "javascript:alert(1)",
    "data:text/html,x",
    "myapp:/callback",
    "com.example.app:callback",
    "com.example.app://",
    "com.example.app://-cb",
    "com.example.app://a b",
    "com.example.app://user@cb",
    "com.example.app:/a#b",
    "com..app:/callback",
    "https://shop.example/" + "a" * MAX_REDIRECT_URI,
]


@pytest.mark.parametrize("uri", GOOD)
def test_what_only_its_client_receives_is_taken(uri: str) -> None:
    """An https address, a loopback address and a private scheme named after a domain are accepted."""
    for kind in ClientKind:
        check_redirect_uri(uri, kind)


@pytest.mark.parametrize("uri", DEVELOPMENT)
def test_localhost_is_for_public_clients(uri: str) -> None:
    """A development server answers there, and a client with a secret runs elsewhere."""
    check_redirect_uri(uri, ClientKind.PUBLIC)
    with pytest.raises(ServiceError):
        check_redirect_uri(uri, ClientKind.CONFIDENTIAL)


@pytest.mark.parametrize("uri", BAD)
def test_anything_else_is_refused(uri: str) -> None:
    """A URI with a wildcard, a fragment, a user or anything that two parsers read differently is rejected."""
    with pytest.raises(ServiceError) as refused:
        check_redirect_uri(uri, ClientKind.PUBLIC)
    assert refused.value.fields[0].code == "bad_redirect_uri"
