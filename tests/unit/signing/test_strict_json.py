"""The strict JSON reader takes what RFC 8259 takes, in one reading, and nothing else."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.signing import strict_json
from latchkey.signing.strict_json import MAX_DEPTH, StrictJsonError, integer_member, loads, string_member

REFUSED = [
    (b"", "not_json"),
    (b" ", "not_json"),
    (b"{", "not_json"),
    (b"{}x", "not_json"),
    (b"{'a':1}", "not_json"),
    (b'{"a":1,}', "not_json"),
    (b"[1,]", "not_json"),
    (b"[01]", "not_json"),
    (b"[+1]", "not_json"),
    (b"[.5]", "not_json"),
    (b'["\t"]', "not_json"),
    (b'["\\x41"]', "not_json"),
    (b"[True]", "not_json"),
    (b"\xef\xbb\xbf{}", "not_json"),
    ("\ufeff{}", "not_json"),
    ("{}".encode("utf-16"), "not_utf8"),
    ("{}".encode("utf-16-le"), "not_json"),
    (b'["\xe9"]', "not_utf8"),
    (b'["\xed\xa0\x80"]', "not_utf8"),
    (b'["\xc0\x80"]', "not_utf8"),
    ('["\ud800"]', "not_utf8"),
    (b'["\\ud800"]', "bad_string"),
    (b'["\\udc00\\ud800"]', "bad_string"),
    (b'[{"\\udfff":1}]', "bad_string"),
    (b"[NaN]", "bad_number"),
    (b"[Infinity]", "bad_number"),
    (b"[-Infinity]", "bad_number"),
    (b"[1e400]", "bad_number"),
    (b"[-1e400]", "bad_number"),
    (b"[9223372036854775808]", "bad_number"),
    (b"[-9223372036854775809]", "bad_number"),
    (b"[" + b"9" * 5000 + b"]", "bad_number"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep"),
    (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "too_deep"),
    (b"[" * 1_000_000, "too_deep"),
    (b'{"a":1,"a":1}', "duplicate_member"),
    (b'[[{"b":{"a":1,"a":2}}]]', "duplicate_member"),
    (b'{"a":1,"\\u0061":2}', "duplicate_member"),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_ambiguous_text_is_refused(text: bytes | str, code: str) -> None:
    """A text that two readers could read in two ways is refused with a stable code."""
    with pytest.raises(StrictJsonError) as caught:
        loads(text)
    assert caught.value.code == code


ACCEPTED = [
    (b"null", None),
    (b" \t\r\n[] ", []),
    (b'"\\ud83d\\udd11"', "🔑"),
    ('"🔑"'.encode(), "🔑"),
    (b'"\\\\ud800"', "\\ud800"),
    (b"[9223372036854775807,-9223372036854775808]", [2**63 - 1, -(2**63)]),
    (b"[1.5,1e3,-0.0]", [1.5, 1000.0, 0.0]),
    (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    (b"[" + b'{"a":[]},' * 100 + b"1]", [{"a": []}] * 100 + [1]),
    (b'["' + b"[" * 1000 + b'\\"{"]', ["[" * 1000 + '"{']),
    ('{"a":{"a":1}}', {"a": {"a": 1}}),
]


@pytest.mark.parametrize(("text", "value"), ACCEPTED)
def test_plain_text_is_accepted(text: bytes | str, value: object) -> None:
    """A text that is unusual and unambiguous is read."""
    assert loads(text) == value


def test_duplicate_is_named() -> None:
    """The error names the member that is there twice."""
    with pytest.raises(StrictJsonError) as caught:
        loads('{"a":1,"login":1,"login":2}')
    assert caught.value.member == "login"


def test_duplicate_with_a_surrogate_can_be_sent_back() -> None:
    """The name of a duplicate is always a text that can be encoded."""
    with pytest.raises(StrictJsonError) as caught:
        loads(b'{"\\ud800":1,"\\ud800":2}')
    assert caught.value.member.encode() == b"?"


def test_message_never_quotes_a_value() -> None:
    """The message and the chain of causes in a traceback do not have the text."""
    with pytest.raises(StrictJsonError) as caught:
        loads('{"password":"hunter2",}')
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_depth_is_bounded_without_recursion() -> None:
    """A text that nests deeper than Python's stack is refused without reaching its end."""
    with pytest.raises(StrictJsonError):
        loads('{"a":[' * sys.getrecursionlimit())


def test_unterminated_string_is_passed_over_once() -> None:
    """A string that never ends is swallowed whole: tried again from each quote in it, it would cost the square."""
    assert strict_json._STRING.findall('"' + '\\"' * 1000 + "\\") == ['"' + '\\"' * 1000]


TEXT = st.text('a"\\[{\n\x00\u00e9\u2028\U0001f511', max_size=6)
SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.5, -1e300, 5e-324]) | TEXT
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


@given(value=JSON, escape=st.booleans())
def test_what_json_writes_is_read_back(value: object, escape: bool) -> None:
    """Every text that the standard library writes, in either spelling, reads back unchanged."""
    assert loads(json.dumps(value, ensure_ascii=escape)) == value


@given(st.binary(max_size=40) | st.text('[]{}",:\\u0d8fe+-.1NaInfity', max_size=40))
def test_nothing_but_its_own_error_comes_out(data: bytes | str) -> None:
    """Any input is read or rejected. The standard library reads accepted input in the same way."""
    try:
        value = loads(data)
    except StrictJsonError:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize("value", [None, "", 1, True, [], {}])
def test_string_member_is_a_string_with_something_in_it(value: object) -> None:
    """A member that is no string, or empty, is refused by name."""
    with pytest.raises(StrictJsonError, match="bad_member: a"):
        string_member({"a": value}, "a")


@pytest.mark.parametrize("value", [None, "1", 1.0, True, [1]])
def test_integer_member_is_an_integer(value: object) -> None:
    """A member that is no integer, or a boolean, is refused by name."""
    with pytest.raises(StrictJsonError, match="bad_member: a"):
        integer_member({"a": value}, "a")
