"""Events of the authorizers that no gateway should send: they are refused, and no error of the code's own comes out.

API Gateway makes a 401 of the exception `Unauthorized`, and a 500 of any other.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.edge import authorizer, key_authorizer, origins
from latchkey.edge.authorizer import Unauthorized

ARN = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod/GET/v1/hello"
JWT = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "authorization", "X-API-Key", "x-api-key"]),
    JSON | st.lists(st.sampled_from([f"Bearer {JWT}", "Bearer ", "lk_x", "", None]), max_size=2),
)
EVENTS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "type": JSON | st.sampled_from(["TOKEN", "REQUEST"]),
        "version": JSON | st.sampled_from(["1.0", "2.0"]),
        "methodArn": JSON | st.just(ARN),
        "routeArn": JSON | st.just(ARN),
        "authorizationToken": JSON | st.sampled_from(["Bearer", f"Bearer {JWT}", f"Basic {JWT}"]),
        "headers": JSON | HEADERS,
        "multiValueHeaders": JSON | HEADERS,
        "queryStringParameters": JSON,
        "requestContext": JSON | st.dictionaries(st.sampled_from(["identity", "http", "requestId"]), JSON),
    },
)


def answer(authorize: Any, event: Any) -> object:
    """Return the answer of an authorizer, or `Unauthorized`; any other exception comes out."""
    try:
        return authorize(event)
    except Unauthorized as error:
        return str(error)


@given(event=EVENTS)
def test_any_event_without_a_good_token_is_unauthorized(event: Any) -> None:
    """The simple format of HTTP APIs says it with a member, and every other format with the exception."""
    assert answer(authorizer.authorize, event) in ("Unauthorized", {"isAuthorized": False})


@given(event=EVENTS)
def test_any_event_without_a_good_key_is_unauthorized(event: Any) -> None:
    """No malformed event gets as far as the store."""
    assert answer(key_authorizer.authorize, event) == "Unauthorized"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"type": "TOKEN", "methodArn": ARN},
        {"type": "TOKEN", "methodArn": ARN, "authorizationToken": None},
        {"type": "TOKEN", "methodArn": ARN, "authorizationToken": ["Bearer a.b.c"]},
        {"type": "TOKEN", "authorizationToken": f"Bearer {JWT}"},
        {"type": "TOKEN", "methodArn": None, "authorizationToken": f"Bearer {JWT}"},
        {"type": "TOKEN", "methodArn": "arn:aws:execute-api", "authorizationToken": f"Bearer {JWT}"},
        {"type": "REQUEST", "methodArn": ARN, "headers": None, "multiValueHeaders": None},
        {"type": "REQUEST", "methodArn": ARN, "headers": ["Authorization"]},
        {"type": "REQUEST", "methodArn": ARN, "headers": {"Authorization": None, "X-API-Key": None}},
        {"type": "REQUEST", "methodArn": ARN, "multiValueHeaders": {"Authorization": None, "X-API-Key": None}},
        {"type": "REQUEST", "methodArn": ARN, "multiValueHeaders": {"Authorization": [None], "X-API-Key": [7]}},
        {"type": None, "methodArn": ARN, "headers": {"Authorization": ["Bearer a.b.c"]}},
    ],
    ids=str,
)
def test_both_authorizers_refuse_what_is_malformed(event: Any) -> None:
    """Null or a list for token or headers, no ARN, or half of one."""
    assert [answer(each.authorize, event) for each in (authorizer, key_authorizer)] == ["Unauthorized"] * 2


@pytest.mark.parametrize(
    "context", [None, [], "x", {"identity": None}, {"identity": [], "http": "x"}, {"requestId": 7}]
)
def test_journal_takes_what_the_event_says_of_its_request(context: Any) -> None:
    """A key is judged without an address or an id of the request."""
    event = {"requestContext": context}
    request_id, address = origins.request_id(event), origins.address(event)
    assert (request_id in {"", "7"}, address) == (True, "")
