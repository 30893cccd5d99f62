"""The function of the issuer: what it takes, what it shows, and what it never shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.issuer import app
from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.edge import bootstrap
from tests.signing_world import CACHES, ISSUER, LATER, MOVED, SigningWorld, begun


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SigningWorld:
    """A stack with its first policy."""
    world = begun()
    monkeypatch.setattr(app, "issuer_move", world.issuer_move)
    monkeypatch.setattr(bootstrap, "moment", lambda _: world.moment(LATER))
    return world


def invoke(members: Any) -> tuple[int, Any]:
    """Return status and document of an invocation as the command makes it."""
    event = {"httpMethod": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(members)}
    answer = app.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_empty_body_shows(world: SigningWorld) -> None:
    """The policy is shown as admins see it, with the time that a move needs, and nothing is written."""
    status, document = invoke({})
    assert (status, document["issuer"], document["next_issuer"]) == (200, ISSUER, None)
    assert document["publish_lead"] == CACHES.publish_lead
    assert {key["alg"] for key in document["keys"]} == {"EdDSA"}
    assert world.policy.version == 1


def test_issuer_moves(world: SigningWorld) -> None:
    """The answer says from when tokens name it, and until when the old one is accepted."""
    status, document = invoke({"iss": MOVED})
    assert (status, document["next_issuer"]["iss"]) == (200, MOVED)
    assert document["next_issuer"]["at"] == LATER + CACHES.publish_lead
    assert world.policy.issuers.minted(LATER + CACHES.publish_lead) == MOVED


def test_address_that_does_not_answer_is_named(world: SigningWorld) -> None:
    """The problem document says which member is wrong and why."""
    fields = (FieldError("iss", "no_answer", "It does not answer."),)
    world.address.refusal = ServiceError(Errors.VALIDATION_FAILED, "iss: no_answer", fields=fields)
    status, document = invoke({"iss": MOVED})
    assert (status, document["errors"][0]["field"], document["errors"][0]["code"]) == (422, "iss", "no_answer")
    assert world.policy.version == 1


@pytest.mark.parametrize(
    ("members", "field"),
    [({"iss": 1}, "iss"), ({"iss": "https://" + "a" * 300}, "iss"), ({"aud": "x"}, "aud"), ([], "")],
)
def test_bad_member_is_named(world: SigningWorld, members: Any, field: str) -> None:
    """A wrong or unknown member is named, and nothing is written."""
    status, document = invoke(members)
    assert (status, document["errors"][0]["field"]) == (400, field)
    assert world.policy.version == 1


@pytest.mark.parametrize("members", [{}, {"iss": MOVED}])
def test_no_private_half_is_answered_or_logged(
    world: SigningWorld, members: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function reads every key of the stack and shows none."""
    _, document = invoke(members)
    printed = capsys.readouterr()
    shown = str(document) + printed.out + printed.err
    secrets = [key["private"] for key in json.loads(world.secret.current())["keys"]]
    assert secrets
    assert not any(secret in shown or secret.split("\n")[1][:20] in shown for secret in secrets)
