"""A running stack changes, and no one is signed out: it gets a domain, another audience, each of its parameters."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.packaging import template
from infra.packaging.parameters import PARAMETERS, Effect
from latchkey.signing.accepted import MEMBER
from tests.e2e.accounts import bearer, new_login, person, sign_in
from tests.e2e.client import RunningTwin
from tests.e2e.mailbox import letters
from tests.e2e.signing_admin import SigningAdmin, done
from tests.e2e.tokens import claims, header
from tests.e2e.updates import ChangingTwin, Crowd

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/latchkey"
PASSWORD = "harbour lights at four"


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[ChangingTwin]:
    """A twin of its own for each test. Its gateway caches no answer of an authorizer."""
    (tmp_path / "key.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    started = ChangingTwin.start(tmp_path, KEY="key.pem", PARAMETERS="Algorithm=ES256 AuthorizerCacheSeconds=0")
    with started.twin:
        yield started
        assert started.twin.leaks() == []


KEY = ec.generate_private_key(ec.SECP256R1())
"""The key with which the twin of a test begins: with it, a test can sign what the twin would not sign any more."""


def signed_now(changing: ChangingTwin, token: str) -> str:
    """Return a token with the same claims that is valid now, signed with `KEY`."""
    now = int(changing.now())
    renewed = claims(token) | {"iat": now, "exp": now + 600, "jti": uuid.uuid4().hex}
    return jwt.encode(renewed, KEY, "ES256", headers={"typ": "at+jwt", "kid": header(token)["kid"]})


def let_through(twin: RunningTwin, token: str) -> tuple[int, int]:
    """Return what the authorizer says of a token, and what the function that validates says."""
    return (
        twin.call("GET", "/v1/hello", headers=bearer(token)).status,
        twin.call("POST", "/v1/auth/validate", json={"token": token}).status,
    )


# ---- The names that tokens carry -------------------------------------------------------------------------------------


def test_domain_given_to_a_running_stack_signs_no_one_out(changing: ChangingTwin) -> None:
    """The domain is an address until the issuer moves there; the old issuer ends when stated, and not before."""
    twin, someone = changing.twin, person(changing.twin)
    with Crowd(changing) as crowd:
        before = someone.tokens["access_token"]
        changing.update(IssuerDomain="localhost", CertificateArn=CERTIFICATE)
        crowd.everyone_goes_on()
        domain = changing.at_domain()
        assert claims(before)["iss"] == claims(someone.refresh()["access_token"])["iss"] == twin.address
        assert [let_through(each, before) for each in (twin, domain)] == [(200, 204)] * 2

        plan = changing.issuer(iss=domain.address)["next_issuer"]
        crowd.everyone_goes_on()
        changing.wait_until(plan["at"])
        after = someone.refresh()["access_token"]
        assert claims(after)["iss"] == twin.call("GET", "/.well-known/openid-configuration").json["issuer"]
        assert claims(after)["iss"] == domain.address
        crowd.everyone_goes_on()
        assert [let_through(twin, token) for token in (before, after)] == [(200, 204)] * 2

        changing.wait_until(plan["previous_until"] - 30)
        assert let_through(twin, signed_now(changing, before)) == (200, 204)
        changing.wait_until(plan["previous_until"])
        assert let_through(twin, signed_now(changing, before)) == (401, 401)
        assert let_through(twin, signed_now(changing, after)) == (200, 204)
        crowd.everyone_goes_on()
    assert crowd.mishaps == []
    assert changing.issuer()["previous_issuers"] == []


def test_other_audience_signs_no_one_out(changing: ChangingTwin) -> None:
    """Tokens carry it after the next rotation; the old audience is published with its end, and then it is gone."""
    twin, someone = changing.twin, person(changing.twin)
    with Crowd(changing) as crowd:
        before = someone.tokens["access_token"]
        changing.update(Audience="shop")
        crowd.everyone_goes_on()
        assert claims(someone.refresh()["access_token"])["aud"] == claims(before)["aud"] == "latchkey"

        changing.rotate()
        plan = changing.issuer()["next_audience"]
        crowd.everyone_goes_on()
        changing.wait_until(plan["at"])
        after = someone.refresh()["access_token"]
        assert claims(after)["aud"] == plan["aud"] == "shop"
        assert [let_through(twin, token) for token in (before, after)] == [(200, 204)] * 2
        crowd.everyone_goes_on()

        changing.wait_until(plan["previous_until"] - 30)
        assert accepted_audiences(twin) == {"latchkey", "shop"}
        changing.wait_until(plan["previous_until"])
        assert accepted_audiences(twin) == {"shop"}
        crowd.everyone_goes_on()
    assert crowd.mishaps == []


def accepted_audiences(twin: RunningTwin) -> set[str]:
    """Return the audiences that are published with the keys."""
    accepted = done(twin.call("GET", "/.well-known/jwks.json"))[MEMBER]
    return {each["aud"] for each in accepted["audiences"]}


def test_shared_secret_comes_and_goes_and_signs_no_one_out(changing: ChangingTwin) -> None:
    """`AllowHS256` turns true, HS256 signs, and false again as soon as no such key verifies any more."""
    operator, someone = SigningAdmin.of(changing.twin), person(changing.twin)
    with Crowd(changing) as crowd:
        refused = operator.ask("PATCH", json={"algorithm": "HS256"})
        changing.update(AllowHS256="true")
        crowd.everyone_goes_on()
        tokens = []
        for algorithm in ("HS256", "ES256"):
            planned = done(operator.ask("PATCH", json={"algorithm": algorithm}))
            changing.wait_until(max(key["activates_at"] or 0 for key in planned["keys"]))
            crowd.everyone_goes_on()
            tokens.append(someone.refresh()["access_token"])
        assert [header(token)["alg"] for token in tokens] == ["HS256", "ES256"]
        assert [let_through(changing.twin, token) for token in tokens] == [(200, 204)] * 2
        ends = {key["alg"]: key["retire_at"] for key in operator.policy()["keys"]}
        changing.wait_until(ends["HS256"])
        operator.me.refresh()
        assert "HS256" not in {key["alg"] for key in operator.policy()["keys"]}
        changing.update(AllowHS256="false")
        crowd.everyone_goes_on()
        again = operator.ask("PATCH", json={"algorithm": "HS256"})
    assert (refused.status, again.status) == (422, 422)
    assert crowd.mishaps == []


# ---- Every parameter -------------------------------------------------------------------------------------------------

Probe = Callable[[ChangingTwin], Any]


class Change(NamedTuple):
    """A second value of a parameter, and what can be seen of it over HTTP: before the update, and right after it."""

    value: str
    probe: Probe
    before: Any
    after: Any


def unseen(value: str) -> Change:
    """Return a change of which nothing can be seen here: a machine, a log group, an alarm."""
    return Change(value, lambda _: None, None, None)


def first_only(value: str, member: str, stays: Any) -> Change:
    """Return a change of a parameter of the first signing policy: the policy stays as it is."""
    return Change(value, lambda changing: changing.issuer()[member], stays, stays)


def registration(password: str = PASSWORD, **members: str) -> Probe:
    """Return the probe that opens a new account, and returns the status."""

    def register(changing: ChangingTwin) -> int:
        account = {"login": new_login(), "password": password} | members
        return changing.twin.call("POST", "/v1/user", json=account).status

    return register


def _max_age(changing: ChangingTwin) -> str:
    return changing.twin.call("GET", "/.well-known/jwks.json").headers["cache-control"]


def _with_api_key(changing: ChangingTwin) -> int:
    return changing.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": changing.twin.dev["api_key"]}).status


def _allowed_origin(changing: ChangingTwin) -> str | None:
    answer = changing.twin.call("GET", "/status", headers={"Origin": "https://app.example.com"})
    return answer.headers.get("access-control-allow-origin")


def _allowed_headers(changing: ChangingTwin) -> bool:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    answer = changing.twin.call("OPTIONS", "/v1/auth/login", headers=asked)
    return "X-Shop-Version" in answer.headers.get("access-control-allow-headers", "")


def _key_count(changing: ChangingTwin) -> int:
    return len(changing.issuer()["keys"])


def _link_in_mail(changing: ChangingTwin) -> bool:
    """Return whether the links of a mail begin at the app. That it arrives shows that the sender may send."""
    someone = person(changing.twin)
    changing.twin.call("POST", "/v1/user/password/restore", json={"email": someone.login})
    deadline = time.monotonic() + 60
    while not (found := letters(changing.twin, someone.login)):
        assert time.monotonic() < deadline, "no mail arrives"
        time.sleep(0.02)
    return "https://app.example.com" in found[-1]["html"]


def _addresses(changing: ChangingTwin) -> list[int]:
    return [each.call("GET", "/status").status for each in (changing.twin, changing.at_domain())]


def _sessions_of_three_sign_ins(changing: ChangingTwin) -> int:
    someone = person(changing.twin)
    newest = [sign_in(changing.twin, someone.login) for _ in range(2)][-1]
    answer = changing.twin.call("GET", "/v1/auth/sessions", headers=newest.bearer)
    return len(done(answer)["sessions"])


CHANGES = {
    "Algorithm": first_only("EdDSA", "algorithm", "ES256"),
    "RsaBits": first_only("3072", "rsa_bits", 2048),
    "AccessTokenTtl": first_only("1200", "access_ttl", 900),
    "RefreshTokenTtl": first_only("8000000", "refresh_ttl", 7_776_000),
    "RefreshTokenIdleTtl": first_only("2000000", "refresh_idle_ttl", 2_592_000),
    "RefreshRetryLimit": first_only("3", "refresh_retry_limit", 12),
    "Audience": first_only("shop", "audience", "latchkey"),  # until the next rotation, which is below
    "RotationDays": Change("31", _key_count, 2, 3),
    "AllowHS256": unseen("true"),
    "MaxSessions": Change("2", _sessions_of_three_sign_ins, 3, 2),
    "PolicyCacheSeconds": unseen("2"),
    "JwksMaxAgeSeconds": Change("2", _max_age, "public, max-age=1", "public, max-age=2"),
    "AuthorizerCacheSeconds": unseen("1"),
    "AuthMode": Change("bearer", _with_api_key, 200, 401),
    "MailFrom": Change("other@example.com", _link_in_mail, False, False),
    "MailIdentity": unseen("example.org"),
    "MailLinkBase": Change("https://app.example.com/links", _link_in_mail, False, True),
    "ServiceName": Change("harbourmaster", registration("harbourmaster"), 201, 400),
    "AllowedSources": Change("web,ios", registration(source="android"), 201, 400),
    "PasswordMinLength": Change("23", registration(), 201, 400),
    "Registration": Change("closed", registration(PASSWORD * 2), 201, 403),
    "AllowedOrigins": Change("https://app.example.com", _allowed_origin, None, "https://app.example.com"),
    "AllowedHeaders": Change("X-Shop-Version", _allowed_headers, False, True),
    "CertificateArn": unseen(CERTIFICATE),
    "IssuerDomain": Change("localhost", _addresses, [200, 200], [200, 200]),
    "HostedZoneId": unseen("Z0123456789ABC"),
    "TrustedProxySecretHash": unseen("ab" * 32),
    "TrustedProxyHeader": unseen("X-Forwarded-For"),
    "TrustedProxyHops": unseen("2"),
    "Architecture": unseen("x86_64"),
    "HashingMemory": unseen("2048"),
    "HashingConcurrency": unseen("5"),
    "WafAddressLimit": unseen("300"),
    "DeletionProtection": unseen("false"),
    "KmsKeyArn": unseen("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    "LogLevel": unseen("DEBUG"),
    "LogRetentionDays": unseen("30"),
    "AuditRetentionDays": unseen("30"),
    "DetailedMetrics": unseen("true"),
    "ManageApiLogging": unseen("false"),
    "DisableDefaultEndpoint": Change("true", _addresses, [200, 200], [403, 200]),
}
"""In the order in which they are made. Each stays as it is while the next is made."""


def test_every_parameter_has_a_change() -> None:
    """None is the default; and what sets the first policy only is seen to change nothing."""
    declared = template.load()["Parameters"]
    assert CHANGES.keys() == declared.keys()
    assert [name for name, change in CHANGES.items() if change.value == str(declared[name].get("Default"))] == []
    first = {name: CHANGES[name] for name, parameter in PARAMETERS.items() if parameter.effect is Effect.FIRST}
    assert [name for name, change in first.items() if change.before is None or change.before != change.after] == []


def test_every_parameter_changes_while_people_are_signed_in(changing: ChangingTwin) -> None:
    """One at a time: each counts as soon as the update is done, and phones and operators go on without a failure."""
    seen, mishaps = {}, {}
    with Crowd(changing) as crowd:
        for name, change in CHANGES.items():
            if name == "DisableDefaultEndpoint":
                crowd.address = changing.at_domain().address  # the clients move before the address is closed
                crowd.everyone_goes_on()
            before = change.probe(changing)
            changing.update(**{name: change.value})
            seen[name] = (before, change.probe(changing))
            crowd.everyone_goes_on()
            if crowd.mishaps:
                mishaps[name], crowd.mishaps = crowd.mishaps, []
    assert mishaps == {}
    assert seen == {name: (change.before, change.after) for name, change in CHANGES.items()}
