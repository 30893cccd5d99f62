"""The caller's address: what the gateway saw, or what a trusted proxy says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from latchkey.edge import origins
from latchkey.edge.settings import BadSettings

PEER, CALLER = "203.0.113.5", "192.0.2.7"
SECRET = "the proxy's secret"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()

Trust = Callable[..., None]


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trust]:
    """Let the stack trust a proxy."""

    def settings(header: str, hops: int = 1, secret_hash: str = HASH) -> None:
        monkeypatch.setenv("LATCHKEY_PROXY_HEADER", header)
        monkeypatch.setenv("LATCHKEY_PROXY_HOPS", str(hops))
        monkeypatch.setenv("LATCHKEY_PROXY_SECRET_HASH", secret_hash)
        origins.trusted_proxy.cache_clear()

    origins.trusted_proxy.cache_clear()
    yield settings
    origins.trusted_proxy.cache_clear()


def seen(secret: str | None = SECRET, **headers: str) -> str:
    """Return the address of a request to a REST API with these headers."""
    named = {name.replace("_", "-"): [value] for name, value in headers.items()}
    if secret is not None:
        named["X-Proxy-Secret"] = [secret]
    return origins.address({"requestContext": {"identity": {"sourceIp": PEER}}, "multiValueHeaders": named})


def test_no_header_counts_by_default() -> None:
    """Anyone can send one."""
    origins.trusted_proxy.cache_clear()
    assert seen(X_Forwarded_For=f"{CALLER}, {PEER}") == PEER
    assert seen(CloudFront_Viewer_Address=f"{CALLER}:443") == PEER


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"{CALLER}:46532", CALLER),
        ("2001:db8:1:2:3:4:5:6:46532", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::6:46532", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::6]:46532", "2001:db8:1:2::/64"),
        ("", PEER),
        ("nonsense", PEER),
        ("999.0.0.1:1", PEER),
        (f"{CALLER}, 192.0.2.8:1", PEER),
    ],
)
def test_viewer_address_of_cloudfront_is_the_callers(trust: Trust, value: str, address: str) -> None:
    """It always has a port. A malformed value leaves the address that the gateway saw."""
    trust("CloudFront-Viewer-Address")
    assert seen(CloudFront_Viewer_Address=value) == address


@pytest.mark.parametrize(
    ("hops", "value", "address"),
    [
        (1, f"{CALLER}, {PEER}", CALLER),
        (1, CALLER, CALLER),  # a gateway that does not append what it saw
        (1, f"10.9.9.9, {CALLER}, {PEER}", CALLER),
        (2, f"10.9.9.9, {CALLER}, 198.51.100.1, {PEER}", CALLER),
        (2, f"{CALLER}, {PEER}", PEER),  # fewer entries than proxies
        (1, f"{CALLER}:51000, {PEER}", CALLER),
        (1, f"[2001:db8:1:2::6]:51000, {PEER}", "2001:db8:1:2::/64"),
        (1, f"2001:db8:1:2::6, {PEER}", "2001:db8:1:2::/64"),
        (1, f"unknown, {PEER}", PEER),
        (1, f", {PEER}", PEER),
        (1, "", PEER),
    ],
)
def test_entry_of_the_outermost_trusted_proxy_counts(trust: Trust, hops: int, value: str, address: str) -> None:
    """What stands before it came with the request, and never counts."""
    trust("X-Forwarded-For", hops)
    assert seen(X_Forwarded_For=value) == address


@pytest.mark.parametrize("secret", [None, "", "another secret", HASH])
def test_header_of_a_caller_past_the_proxy_never_counts(trust: Trust, secret: str | None) -> None:
    """Someone who calls the gateway directly does not know the secret; its hash is not the secret."""
    trust("X-Forwarded-For")
    assert seen(secret, X_Forwarded_For=f"{CALLER}, {PEER}") == PEER


def test_repeated_secret_counts_as_none(trust: Trust) -> None:
    """A caller cannot add a guess to what the proxy sends, or send many at once."""
    trust("X-Forwarded-For")
    headers = {"x-proxy-secret": [SECRET, "guess"], "x-forwarded-for": [CALLER]}
    event = {"requestContext": {"identity": {"sourceIp": PEER}}, "multiValueHeaders": headers}
    assert origins.address(event) == PEER


def test_headers_of_payload_2_are_read_too(trust: Trust) -> None:
    """An HTTP API has no list of values."""
    trust("X-Forwarded-For")
    event: dict[str, Any] = {"requestContext": {"http": {"sourceIp": PEER}}}
    event["headers"] = {"x-proxy-secret": SECRET, "x-forwarded-for": f"10.9.9.9,{CALLER},{PEER}"}
    assert origins.address(event) == CALLER


def test_many_callers_behind_a_proxy_have_addresses_of_their_own(trust: Trust) -> None:
    """A hundred callers behind one proxy are a hundred addresses, and what each of them forges changes none."""
    trust("X-Forwarded-For")
    addresses = {seen(X_Forwarded_For=f"192.0.2.200, 198.51.100.{number}, {PEER}") for number in range(100)}
    assert addresses == {f"198.51.100.{number}" for number in range(100)}


def test_proxy_without_a_secret_does_not_start(trust: Trust) -> None:
    """Its header could be forged by anyone."""
    trust("X-Forwarded-For", secret_hash="")
    with pytest.raises(BadSettings, match="LATCHKEY_PROXY_SECRET_HASH"):
        seen()
