"""The authorizer: four event formats, one decision, and an answer that the gateway may cache."""

from __future__ import annotations

import time
from typing import Any

import pytest

from latchkey.adapters.jwks import KeysUnavailable, TrustedKey
from latchkey.core.roles.roles import BUILT_IN
from latchkey.edge import authorizer
from latchkey.edge.authorizer import Unauthorized, Undecided, authorize
from latchkey.signing.accepted import Accepted
from latchkey.signing.key_set import SigningKey, generate
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.tokens import AccessClaims

ISSUER = "https://id.example"
USERS = BUILT_IN.roles["user"]
METHOD_ARN = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod/GET/v1/hello"


class Published:
    """The keys that the issuer publishes, and the names with them; as an older release, no names."""

    def __init__(self, *keys: SigningKey, accepted: Accepted | None = None) -> None:
        self._keys = {key.kid: TrustedKey(key.verification_key(), accepted or Accepted()) for key in keys}

    def find(self, kid: str) -> TrustedKey | None:
        """Return the key of this id."""
        return self._keys.get(kid)


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """The issuer's key."""
    return generate(Algorithm.EdDSA, now=0, entropy=bytes)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, key: SigningKey) -> list[str]:
    """Give the authorizer its key without a network, and keep the issuers that it asked for."""
    issuers: list[str] = []

    def keys(issuer: str) -> Published:
        issuers.append(issuer)
        return Published(key)

    monkeypatch.setattr(authorizer, "_keys", keys)
    monkeypatch.setenv("LATCHKEY_ISSUER", ISSUER)
    return issuers


def token(key: SigningKey, **changes: Any) -> str:
    """Return an access token that is valid except for the changes."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "usr_ann",
        "aud": "latchkey",
        "client_id": "cli_app",
        "iat": now,
        "exp": now + 900,
        "jti": "j",
        "scope": "openid",
        "sid": "ses_a",
        "roles": ("user",),
    }
    return mint_access(AccessClaims(**(claims | changes)), key)


def token_event(header: str) -> dict[str, Any]:
    """Return a REST `TOKEN` event."""
    return {"type": "TOKEN", "authorizationToken": header, "methodArn": METHOD_ARN}


def request_event(*headers: str) -> dict[str, Any]:
    """Return a REST `REQUEST` event."""
    return {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "headers": {"Authorization": headers[-1]} if headers else {},
        "multiValueHeaders": {"Authorization": list(headers)} if headers else {},
    }


def http_event(version: str, header: str) -> dict[str, Any]:
    """Return an HTTP API event of payload 1.0 or 2.0."""
    arn = {"1.0": "methodArn", "2.0": "routeArn"}[version]
    return {"version": version, "type": "REQUEST", arn: METHOD_ARN, "headers": {"authorization": header}}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_is_allowed_on_every_route_of_its_api(key: SigningKey, asked: list[str], scheme: str) -> None:
    """The gateway caches the answer for all routes of the token, so the policy must not name just one."""
    answer = authorize(token_event(f"{scheme} {token(key)}"))
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:execute-api:eu-west-1:123456789012:api1/prod/*/*"
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")


def test_context_adds_what_the_token_says_to_what_its_roles_permit(key: SigningKey, asked: list[str]) -> None:
    """The authorizer does not know a stack's own roles, so the token carries what they permit."""
    context = authorize(
        token_event(f"Bearer {token(key, roles=('desk', 'user'), permissions=('users:read', 'orders:read'))}")
    )
    permissions = context["context"]["permissions"].split()
    assert {"users:read", "orders:read"} <= set(permissions)
    assert "profile:read" in permissions
    assert "users:write" not in permissions


SCOPE = "openid profile email phone address offline_access orders:read"


@pytest.mark.parametrize(
    ("claims", "permissions"),
    [
        ({"roles": (), "scope": SCOPE}, {"orders:read"}),
        ({"roles": (), "scope": "openid"}, set()),
        ({"roles": (), "scope": "openid", "permissions": ("users:read",)}, set()),
        ({"roles": ("user",), "scope": SCOPE}, set(BUILT_IN.roles["user"])),
        ({"sub": "cli_a", "sid": None, "roles": (), "scope": SCOPE}, {"orders:read"}),
        ({"sub": "cli_a", "sid": None, "roles": ("service",), "scope": "x"}, {"x", "token:issue", *USERS}),
    ],
    ids=["scope", "openid alone", "no roles", "first-party", "machine by scope", "machine by both"],
)
def test_what_a_token_permits(key: SigningKey, asked: list[str], claims: dict[str, Any], permissions: set[str]) -> None:
    """A first-party token permits what its roles do, a person's other token its scope, a machine's token both."""
    context = authorize(token_event(f"Bearer {token(key, **claims)}"))["context"]
    assert set(context["permissions"].split()) == permissions


def test_the_context_is_flat_text(key: SigningKey, asked: list[str]) -> None:
    """API Gateway accepts no lists, and neither a token nor an e-mail address is passed on."""
    assert authorize(token_event(f"Bearer {token(key)}"))["context"] == {
        "sub": "usr_ann",
        "client_id": "cli_app",
        "sid": "ses_a",
        "roles": "user",
        "permissions": "hello:read profile:read profile:write sessions:end sessions:read",
        "scope": "openid",
        "auth_time": "",
    }


def test_every_format_of_event_gets_the_same_decision(key: SigningKey, asked: list[str]) -> None:
    """REST `TOKEN` and `REQUEST`, HTTP API 1.0 and 2.0."""
    header = f"Bearer {token(key)}"
    policies = [authorize(event) for event in (token_event(header), request_event(header), http_event("1.0", header))]
    simple = authorize(http_event("2.0", header))
    assert all(policy == policies[0] for policy in policies)
    assert simple == {"isAuthorized": True, "context": policies[0]["context"]}


def spoiled(key: SigningKey) -> dict[str, str]:
    """Return headers that must be rejected, by name."""
    good = token(key)
    return {
        "no scheme": good,
        "another scheme": f"Basic {good}",
        "two blanks": f"Bearer  {good}",
        "a tab": f"Bearer\t{good}",
        "nothing": "",
        "scheme alone": "Bearer",
        "a stranger's key": f"Bearer {token(generate(Algorithm.EdDSA, now=0, entropy=bytes))}",
        "expired": f"Bearer {token(key, iat=1, exp=2)}",
        "another issuer": f"Bearer {token(key, iss='https://evil.example')}",
        "another audience": f"Bearer {token(key, aud='other')}",
        "cut": f"Bearer {good[:-1]}",
    }


@pytest.mark.parametrize("name", spoiled(generate(Algorithm.EdDSA, now=0, entropy=bytes)))
def test_a_bad_token_is_refused_in_every_format(key: SigningKey, asked: list[str], name: str) -> None:
    """A REST API gets an exception, and an HTTP API gets `isAuthorized: false`."""
    header = spoiled(key)[name]
    for event in (token_event(header), request_event(header), http_event("1.0", header)):
        with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
            authorize(event)
    assert authorize(http_event("2.0", header)) == {"isAuthorized": False}


class OutOfReach:
    """Keys that cannot be fetched."""

    def find(self, kid: str) -> TrustedKey | None:
        """Raise `KeysUnavailable`."""
        raise KeysUnavailable("JWKS: TimeoutError")


def test_without_keys_no_token_is_judged_in_any_format(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exception makes a 5xx in every format. `Unauthorized` or `isAuthorized: false` would sign apps out."""
    monkeypatch.setattr(authorizer, "_keys", lambda issuer: OutOfReach())
    monkeypatch.setenv("LATCHKEY_ISSUER", ISSUER)
    header = f"Bearer {token(key)}"
    events = (token_event(header), request_event(header), http_event("1.0", header), http_event("2.0", header))
    for event in events:
        with pytest.raises(Undecided) as caught:
            authorize(event)
        assert str(caught.value) != "Unauthorized"
    assert capsys.readouterr().out.count("JWKS: TimeoutError") == len(events)


def test_a_malformed_token_is_refused_without_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key could make it a good one."""
    monkeypatch.setattr(authorizer, "_keys", lambda issuer: OutOfReach())
    monkeypatch.setenv("LATCHKEY_ISSUER", ISSUER)
    with pytest.raises(Unauthorized):
        authorize(token_event("Bearer a.b.c"))


def test_two_authorization_headers_are_refused(key: SigningKey, asked: list[str]) -> None:
    """The authorizer does not guess which of them counts."""
    header = f"Bearer {token(key)}"
    with pytest.raises(Unauthorized):
        authorize(request_event(header, header))


def test_without_a_domain_the_issuer_is_the_api_of_the_event(
    key: SigningKey, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from the ARN, which the gateway sets, never from a Host header."""
    monkeypatch.setenv("LATCHKEY_ISSUER", "")
    own = "https://api1.execute-api.eu-west-1.amazonaws.com/prod"
    authorize(token_event(f"Bearer {token(key, iss=own)}") | {"headers": {"Host": "evil.example"}})
    assert asked == [own]


MOVED = "https://auth.example"


def publish(monkeypatch: pytest.MonkeyPatch, key: SigningKey, accepted: Accepted) -> None:
    """Let the issuer publish its key with these names."""
    monkeypatch.setattr(authorizer, "_keys", lambda issuer: Published(key, accepted=accepted))


@pytest.mark.parametrize("configured", [ISSUER, MOVED, "https://elsewhere.example"])
def test_published_issuers_are_accepted_wherever_the_keys_come_from(
    key: SigningKey, asked: list[str], monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    """The address in the environment says where the keys are, and nothing about tokens: a stack may get a domain."""
    monkeypatch.setenv("LATCHKEY_ISSUER", configured)
    publish(monkeypatch, key, Accepted({ISSUER: int(time.time()) + 60, MOVED: None}, {"latchkey": None}))
    for iss in (ISSUER, MOVED):
        assert authorize(token_event(f"Bearer {token(key, iss=iss)}"))["principalId"] == "usr_ann"


def test_published_audiences_are_accepted_whatever_is_configured(
    key: SigningKey, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that changes the parameter has no effect before the policy has moved."""
    monkeypatch.setenv("LATCHKEY_AUDIENCE", "shop")
    publish(monkeypatch, key, Accepted({ISSUER: None}, {"latchkey": None}))
    assert authorize(token_event(f"Bearer {token(key)}"))["principalId"] == "usr_ann"
    with pytest.raises(Unauthorized):
        authorize(token_event(f"Bearer {token(key, aud='shop')}"))


def test_a_name_that_has_ended_is_refused(key: SigningKey, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is rejected after its end by the authorizer's clock, even if it is the configured one."""
    now = int(time.time())
    publish(monkeypatch, key, Accepted({ISSUER: now, MOVED: None}, {"latchkey": now, "shop": None}))
    for iss, aud in ((ISSUER, "shop"), (MOVED, "latchkey"), (ISSUER, "latchkey")):
        with pytest.raises(Unauthorized):
            authorize(token_event(f"Bearer {token(key, iss=iss, aud=aud)}"))
    assert authorize(token_event(f"Bearer {token(key, iss=MOVED, aud='shop')}"))["principalId"] == "usr_ann"


def test_a_malformed_token_asks_for_no_keys(key: SigningKey, asked: list[str]) -> None:
    """No key is fetched for a malformed token."""
    with pytest.raises(Unauthorized):
        authorize(token_event("Bearer a.b.c"))
    assert asked == []


def test_a_refusal_says_why_in_the_log_and_never_quotes_the_token(
    key: SigningKey, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Operators read the reason there, and the token is never logged."""
    bad = token(key, aud="other")
    with pytest.raises(Unauthorized):
        authorize(token_event(f"Bearer {bad}"))
    log = capsys.readouterr().out
    assert "iss or aud is another" in log
    assert bad not in log
