"""The public documents about the issuer, while it moves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.well_known import app
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.edge import bootstrap
from latchkey.edge.http import Request
from latchkey.signing.accepted import MEMBER
from tests.world import NOW

OLD, NEW = "https://old.example/live", "https://id.example"
NAMES = {"issuers": [{"iss": OLD, "until": NOW + 900}, {"iss": NEW}], "audiences": [{"aud": "latchkey"}]}
KEYS = PublishedKeys(7, OLD, "RS256", '{"keys": []}', names=json.dumps(NAMES), next_issuer=NEW, next_issuer_at=NOW)


class Table:
    """A store of public keys that has these."""

    def published_keys(self) -> PublishedKeys:
        """Return them."""
        return KEYS


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The public keys of a stack whose issuer moves at `NOW`."""
    monkeypatch.setattr(bootstrap, "store", Table)


def get(path: str, now: int) -> Any:
    """Return a document as it is served at that time."""
    request = Request("GET", f"/.well-known/{path}", {}, b"", {}, "192.0.2.7", {}, "r-1", now)
    return app.routes.answer(request).body


@pytest.mark.parametrize("path", ["openid-configuration", "oauth-authorization-server"])
@pytest.mark.parametrize(("now", "issuer"), [(NOW - 1, OLD), (NOW, NEW)])
def test_metadata_move_with_the_tokens(path: str, now: int, issuer: str) -> None:
    """When tokens start to name another issuer, so do the metadata and every address in them."""
    document = get(path, now)
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == f"{issuer}/.well-known/jwks.json"
    assert document["token_endpoint"] == f"{issuer}/oauth2/token"
    assert document["revocation_endpoint"] == f"{issuer}/oauth2/revoke"


@pytest.mark.parametrize(("now", "accepted"), [(NOW + 899, [OLD, NEW]), (NOW + 900, [NEW])])
def test_accepted_issuers_stand_beside_the_keys(now: int, accepted: list[str]) -> None:
    """Verifiers learn which issuers to accept from the document that they fetch anyway."""
    assert [each["iss"] for each in get("jwks.json", now)[MEMBER]["issuers"]] == accepted
