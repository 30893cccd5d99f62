"""The issuers and audiences that verifiers learn with the public keys: read strictly, ended to the second."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from latchkey.signing.accepted import MEMBER, Accepted, from_member
from latchkey.signing.keys import Algorithm
from latchkey.signing.strict_json import StrictJsonError
from tests.unit.signing.forge import NOW, signing_key

OLD, NEW = "https://old.example", "https://id.example"
BOTH = Accepted({OLD: NOW, NEW: None}, {"latchkey": None})


def test_member_comes_back() -> None:
    """A verifier reads the names as they were published, and the member is plain JSON."""
    member = BOTH.to_member()
    assert member == {"issuers": [{"iss": OLD, "until": NOW}, {"iss": NEW}], "audiences": [{"aud": "latchkey"}]}
    assert from_member(json.loads(json.dumps(member))) == BOTH


def test_members_to_come_are_ignored() -> None:
    """A newer release may say more of a name, or of another claim."""
    assert from_member({"issuers": [{"iss": NEW, "since": 1}], "clients": 7}) == Accepted({NEW: None})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {"issuers": {}},
        {"issuers": None},
        {"issuers": [NEW]},
        {"issuers": [{}]},
        {"issuers": [{"iss": ""}]},
        {"issuers": [{"iss": 1}]},
        {"issuers": [{"iss": NEW, "until": None}]},
        {"issuers": [{"iss": NEW, "until": "1800000000"}]},
        {"issuers": [{"iss": NEW, "until": True}]},
        {"audiences": [{"iss": "latchkey"}]},
    ],
)
def test_malformed_member_is_refused(value: Any) -> None:
    """A name that is only partly understood is not accepted."""
    with pytest.raises(StrictJsonError, match="bad_member"):
        from_member(value)


def test_name_is_accepted_until_its_end() -> None:
    """From that second on, the name is rejected."""
    assert [BOTH.issuers_at(now) for now in (NOW - 1, NOW)] == [{OLD, NEW}, {NEW}]
    assert BOTH.at(NOW) == Accepted({NEW: None}, {"latchkey": None})


def test_list_that_says_nothing_leaves_it_to_the_caller() -> None:
    """A JWKS of an older release has an empty list. If the caller has no name either, nothing is accepted."""
    assert Accepted().issuers_at(NOW, otherwise=NEW) == {NEW}
    assert Accepted().audiences_at(NOW, otherwise="latchkey") == {"latchkey"}
    assert (Accepted().issuers_at(NOW), Accepted().audiences_at(NOW)) == (set(), set())


def test_list_that_says_something_is_all_there_is() -> None:
    """The caller's own name is then ignored, even if every name in the list has ended."""
    assert BOTH.issuers_at(NOW, otherwise=OLD) == {NEW}
    assert BOTH.audiences_at(NOW, otherwise="other") == {"latchkey"}
    assert Accepted({OLD: NOW}).issuers_at(NOW, otherwise=OLD) == set()


def test_joined_names_end_when_the_later_one_does() -> None:
    """No name is rejected too soon, whichever of two policies comes about."""
    one = Accepted({"a": 1, "b": 5, "c": 1}, {"x": None})
    other = Accepted({"a": 3, "b": None, "d": None})
    assert one.joined(other) == Accepted({"a": 3, "b": None, "c": 1, "d": None}, {"x": None})
    assert one.joined(other) == other.joined(one)


def test_other_verifiers_ignore_the_member() -> None:
    """A JWKS with it is a JWKS (RFC 7517 section 5)."""
    key = signing_key(Algorithm.EdDSA).verification_key()
    read = jwt.PyJWKSet.from_dict({"keys": [key.to_jwk()], MEMBER: BOTH.to_member()})
    assert [each.key_id for each in read.keys] == [key.kid]
