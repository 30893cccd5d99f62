"""Parsing and signatures, against the examples of the standards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.signing.jws import InvalidToken, Jws, b64url_decode, b64url_encode, parse, verify
from latchkey.signing.keys import Algorithm, VerificationKey, verification_key_from_jwk
from tests.unit.signing.forge import forge, load, signing_key

EXAMPLES = load("rfc_examples.json")
SIGNATURES = [pytest.param(example, id=example["id"]) for example in EXAMPLES["signatures"]]


def _example(example: Mapping[str, Any]) -> tuple[Jws, VerificationKey]:
    """Return the parts of an example, whose header has fewer members than ours, and its key."""
    alg = Algorithm(example["alg"])
    if alg is Algorithm.HS256:
        key = VerificationKey("example", alg, b64url_decode(example["secret"]))
    else:
        key = verification_key_from_jwk({**example["jwk"], "kid": "example", "alg": alg.value})
    signing_input, _, signature = example["token"].rpartition(".")
    payload = b64url_decode(signing_input.partition(".")[2])
    return Jws(alg.value, "example", "", payload, signing_input.encode(), b64url_decode(signature)), key


@pytest.mark.parametrize("example", SIGNATURES)
def test_example_of_the_standard_verifies(example: Mapping[str, Any]) -> None:
    """The signature of a published example is true."""
    verify(*_example(example))


@pytest.mark.parametrize("example", SIGNATURES)
@pytest.mark.parametrize("position", [0, -1])
def test_example_with_a_changed_octet_is_refused(example: Mapping[str, Any], position: int) -> None:
    """A published example whose signed text differs in one octet is refused."""
    jws, key = _example(example)
    changed = bytearray(jws.signing_input)
    changed[position] ^= 1
    with pytest.raises(InvalidToken, match="signature is wrong"):
        verify(Jws(jws.alg, jws.kid, jws.typ, jws.payload, bytes(changed), jws.signature), key)


@pytest.mark.parametrize("example", SIGNATURES)
def test_example_is_not_one_of_our_tokens(example: Mapping[str, Any]) -> None:
    """A published example lacks the header members that our tokens must have."""
    with pytest.raises(InvalidToken, match="header members"):
        parse(example["token"], typ="JWT")


def test_unsecured_example_is_refused() -> None:
    """The unsecured token of RFC 7519 section 6.1 is refused."""
    with pytest.raises(InvalidToken):
        parse(EXAMPLES["unsecured"]["token"], typ="JWT")


@pytest.mark.parametrize("alg", Algorithm)
def test_algorithm_is_the_keys(alg: Algorithm) -> None:
    """A header that names another algorithm than the key's is refused before any signature is checked."""
    jws = parse(forge({}, alg), typ="at+jwt")
    other = next(other for other in Algorithm if other is not alg)
    with pytest.raises(InvalidToken, match="alg"):
        verify(jws, signing_key(other).verification_key())


def test_parse_returns_the_parts() -> None:
    """A good token is taken apart into its header's facts, its payload and what is signed."""
    token = forge({"payload": '{"a":1}'}, Algorithm.HS256)
    jws = parse(token, typ="at+jwt")
    assert (jws.alg, jws.kid, jws.typ, jws.payload) == ("HS256", "HS256-0", "at+jwt", b'{"a":1}')
    assert f"{jws.signing_input.decode()}.{b64url_encode(jws.signature)}" == token


@pytest.mark.parametrize("alg", Algorithm)
@given(data=st.data())
def test_flipped_bit_is_refused(alg: Algorithm, data: st.DataObject) -> None:
    """A token with any one bit changed is refused."""
    token = forge({}, alg)
    position = data.draw(st.integers(0, len(token) - 1))
    bit = data.draw(st.integers(0, 6))
    changed = token[:position] + chr(ord(token[position]) ^ 1 << bit) + token[position + 1 :]
    with pytest.raises(InvalidToken):
        verify(parse(changed, typ="at+jwt"), signing_key(alg).verification_key())


@given(st.binary(max_size=40))
def test_base64url_comes_back(data: bytes) -> None:
    """Any octets are spelt in one way, and read back."""
    assert b64url_decode(b64url_encode(data)) == data


@given(st.text("AQgw-_+/= \n.é", max_size=8))
def test_base64url_has_one_spelling(text: str) -> None:
    """A text is refused unless it is how its octets are spelt."""
    try:
        data = b64url_decode(text)
    except ValueError:
        return
    assert b64url_encode(data) == text


@pytest.mark.parametrize("text", ["A", "AA=", "AA==", "AB", "AAB", "A A", "AA\n", "+A", "/A", "é", "AAAAA"])
def test_other_base64_is_refused(text: str) -> None:
    """Padding, foreign characters, set unused bits and left-over bits are refused."""
    with pytest.raises(ValueError, match="canonical"):
        b64url_decode(text)
