"""The built stack in ministack: created by CloudFormation, used over HTTP, and updated three times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.packaging import prerequisites
from infra.sam_local.build import BUILT, build
from latchkey import __version__
from tests import sign_in_story
from tests.integration import ministack
from tests.proof.emulated_stack import ADMIN, EmulatedStack, parameters, zipped

BOB = {"login": "bob@example.com", "password": "a quiet river at night"}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0"
VERSION = "python/latchkey/__init__.py"


@pytest.fixture(scope="module")
def stack() -> Iterator[EmulatedStack]:
    python = f"python{prerequisites.VERSION}"
    if missing := list(prerequisites.missing(python)):
        pytest.fail(missing[0])
    build()
    with ministack.running(python) as address:
        deployed = EmulatedStack(address, parameters())
        deployed.create()
        yield deployed


@pytest.fixture
def tokens(stack: EmulatedStack) -> dict[str, Any]:
    """Return the tokens of a person who signed in before an update."""
    stack.send("POST /v1/user", BOB)
    return dict(stack.send("POST /v1/auth/login", BOB).json)


def assert_nothing_is_lost(stack: EmulatedStack, tokens: dict[str, Any], issuer: str) -> None:
    """Their tokens are accepted and renewed as before, and new tokens have the same issuer."""
    assert stack.send("GET /v1/hello", token=tokens["access_token"]).status == 200
    assert stack.send("POST /v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 200
    assert stack.send("GET /.well-known/openid-configuration").json["issuer"] == issuer


def test_people_sign_in_and_keys_rotate(stack: EmulatedStack) -> None:
    """The same story as on the twin and by `sam local`."""
    sign_in_story.tell(stack.send, ADMIN, stack.outputs["Issuer"])


def test_a_domain_signs_no_one_out(stack: EmulatedStack, tokens: dict[str, Any]) -> None:
    """The domain is an address: tokens keep their issuer until an operator moves it."""
    issuer = stack.send("GET /.well-known/openid-configuration").json["issuer"]
    stack.update(IssuerDomain="auth.example.com", CertificateArn=CERTIFICATE)
    assert_nothing_is_lost(stack, tokens, issuer)


def test_other_caches_sign_no_one_out(stack: EmulatedStack, tokens: dict[str, Any]) -> None:
    """Functions get the new values, and the documents say them."""
    issuer = stack.send("GET /.well-known/openid-configuration").json["issuer"]
    stack.update(JwksMaxAgeSeconds="120", PolicyCacheSeconds="30", AuthorizerCacheSeconds="0")
    assert_nothing_is_lost(stack, tokens, issuer)


def test_new_code_signs_no_one_out(stack: EmulatedStack, tokens: dict[str, Any]) -> None:
    """Another layer is published, and every function takes it."""
    issuer = stack.send("GET /.well-known/openid-configuration").json["issuer"]
    text = (BUILT / "LatchkeyLayer" / VERSION).read_text()
    stack.upload("NextLayer", zipped(BUILT / "LatchkeyLayer", {VERSION: text.replace(__version__, "9.9.9")}))
    stack.code["LatchkeyLayer"] = "NextLayer"
    stack.update()
    assert stack.send("GET /status").json["version"] == "9.9.9"
    assert_nothing_is_lost(stack, tokens, issuer)
