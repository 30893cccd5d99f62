"""Minted tokens verify, and every token that verifies here verifies with PyJWT too."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import api_jwt

from latchkey.signing.jws import InvalidToken, b64url_decode, b64url_encode
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.tokens import MAX_LEEWAY, AccessClaims, verify
from tests.unit.signing.forge import AUDIENCE, ISSUER, NOW, base_claims, check, find_key, forge, sign, signing_key

USER = AccessClaims(
    iss=ISSUER,
    sub="usr_ann",
    aud=AUDIENCE,
    client_id="cli_app",
    iat=NOW,
    exp=NOW + 900,
    jti="j-1",
    scope="profile",
    sid="s-1",
    roles=("user", "admin"),
    auth_time=NOW - 5,
    amr=("pwd", "otp"),
    org="acme",
)
CLIENT = AccessClaims(
    iss=ISSUER, sub="cli_billing", aud=AUDIENCE, client_id="cli_billing", iat=NOW, exp=NOW + 60, jti="j", scope=""
)


@pytest.mark.parametrize("alg", Algorithm)
@pytest.mark.parametrize("claims", [USER, CLIENT], ids=["user", "client"])
def test_minted_token_verifies(alg: Algorithm, claims: AccessClaims) -> None:
    """Verification returns the claims that were minted."""
    assert check(mint_access(claims, signing_key(alg))) == claims


@pytest.mark.parametrize("alg", Algorithm)
def test_minted_header_has_three_members(alg: Algorithm) -> None:
    """The header of a minted token is exactly alg, typ and kid."""
    header = mint_access(USER, signing_key(alg)).partition(".")[0]
    assert json.loads(b64url_decode(header)) == {"alg": alg, "typ": "at+jwt", "kid": f"{alg}-0"}


def test_absent_claims_are_not_minted() -> None:
    """A client's token has no member for what it does not have."""
    payload = mint_access(CLIENT, signing_key(Algorithm.HS256)).split(".")[1]
    assert json.loads(b64url_decode(payload)).keys() == {
        "iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope",
    }  # fmt: skip


@pytest.mark.parametrize(
    "claims",
    [
        replace(USER, sub="ann"),
        replace(USER, aud=""),
        replace(USER, jti=""),
        replace(USER, exp=NOW),
        replace(USER, exp=NOW + 86_401),
        replace(USER, roles=("",)),
        replace(USER, sid=""),
        replace(USER, scope="x" * 9000),
    ],
)
def test_token_that_no_verifier_takes_is_not_minted(claims: AccessClaims) -> None:
    """Claims that verification would refuse fail when they are minted."""
    with pytest.raises(ValueError, match=r"claim|sub|exp"):
        mint_access(claims, signing_key(Algorithm.HS256))


@pytest.mark.parametrize(("leeway", "late"), [(0, 0), (10, 10), (30, 30)])
def test_leeway_ends_to_the_second(leeway: int, late: int) -> None:
    """A token is good for its life and the leeway, and not one second more."""
    token = forge({}, Algorithm.HS256)
    assert check(token, now=NOW + 900 + late - 1, leeway=leeway)
    with pytest.raises(InvalidToken, match="expired"):
        check(token, now=NOW + 900 + late, leeway=leeway)


@pytest.mark.parametrize("leeway", [-1, MAX_LEEWAY + 1])
def test_leeway_is_bounded(leeway: int) -> None:
    """A leeway beyond half a minute is a mistake of the caller."""
    with pytest.raises(ValueError, match="leeway"):
        check(forge({}, Algorithm.HS256), leeway=leeway)


def test_issuer_and_audience_are_the_callers() -> None:
    """A token is good for the issuer and the audience that the caller expects, and for no other."""
    token = forge({}, Algorithm.HS256)
    with pytest.raises(InvalidToken, match="iss or aud"):
        verify(token, find_key=find_key, issuers={ISSUER}, audiences={"other"}, now=NOW)
    with pytest.raises(InvalidToken, match="iss or aud"):
        verify(token, find_key=find_key, issuers={"https://other.example"}, audiences={AUDIENCE}, now=NOW)


def test_every_issuer_and_audience_that_is_accepted_is_good() -> None:
    """During a move, tokens with either name are good. A part of a name is not accepted."""
    token = forge({}, Algorithm.HS256)
    issuers, audiences = {"https://other.example", ISSUER}, {"other", AUDIENCE}
    assert verify(token, find_key=find_key, issuers=issuers, audiences=audiences, now=NOW).iss == ISSUER
    for spoilt in ({"iss": ISSUER[:-1]}, {"iss": ISSUER + "/"}, {"aud": AUDIENCE[1:]}, {"aud": [AUDIENCE]}):
        with pytest.raises(InvalidToken):
            verify(
                forge({"claims": spoilt}, Algorithm.HS256),
                find_key=find_key,
                issuers=issuers,
                audiences=audiences,
                now=NOW,
            )


def test_kid_is_looked_up_once_and_exactly() -> None:
    """The caller is asked for the header's kid, unchanged."""
    asked: list[str] = []

    def find(kid: str) -> None:
        asked.append(kid)

    with pytest.raises(InvalidToken, match="kid is unknown"):
        verify(forge({}, Algorithm.HS256), find_key=find, issuers={ISSUER}, audiences={AUDIENCE}, now=NOW)
    assert asked == ["HS256-0"]


def test_key_is_not_looked_up_for_a_malformed_token() -> None:
    """A token of the wrong form never reaches the key store."""

    def find(kid: str) -> None:
        pytest.fail(f"looked up {kid}")

    with pytest.raises(InvalidToken, match="header members"):
        verify(
            forge({"header": {"jku": "https://evil.example"}}, Algorithm.HS256),
            find_key=find,
            issuers={ISSUER},
            audiences={AUDIENCE},
            now=NOW,
        )


class Clock(dt.datetime):
    """The clock that PyJWT reads, standing still at `NOW`."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Clock:
        """Return the time of the tests."""
        return cls.fromtimestamp(NOW, tz)


def pyjwt_takes(token: str, alg: Algorithm) -> bool:
    """Say whether PyJWT accepts the token with the same key, issuer and audience."""
    try:
        jwt.decode(
            token,
            signing_key(alg).verification_key().material,
            algorithms=[alg.value],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=30,
            options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
        )
    except jwt.InvalidTokenError:
        return False
    return True


def we_take(token: str) -> bool:
    """Say whether our own verification accepts the token."""
    try:
        check(token)
    except InvalidToken:
        return False
    return True


@pytest.fixture
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_jwt, "datetime", Clock)


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("alg", Algorithm)
def test_oracle_takes_what_it_should(alg: Algorithm) -> None:
    """The oracle takes a good token and no bad one, so that its agreement means something."""
    recipes: list[dict[str, Any]] = [{}, {"sign": "stranger"}, {"claims": {"exp": {"now": -31}}}]
    assert [pyjwt_takes(forge(recipe, alg), alg) for recipe in recipes] == [True, False, False]


NEAR = st.integers(NOW - 40, NOW + 40)
ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, True, "", "usr_ann", AUDIENCE, [AUDIENCE], [], {}, 0, -1, 1.5, NOW + 0.5]
)
DATES = st.dictionaries(st.sampled_from(["iat", "exp", "nbf", "auth_time"]), NEAR, max_size=2)
ANYTHING = st.dictionaries(st.sampled_from([*base_claims(), "nbf", "org", "cnf", "other"]), ODD, max_size=2)


@pytest.mark.usefixtures("_still")
def test_pyjwt_takes_whatever_we_take() -> None:
    """A token with any claims, truly signed, that we accept is one that PyJWT accepts; and some of each are drawn."""
    verdicts: list[bool] = []
    alg = Algorithm.HS256

    @given(DATES | ANYTHING)
    def compare(changes: dict[str, object]) -> None:
        token = forge({"payload": json.dumps(base_claims() | changes)}, alg)
        verdicts.append(we_take(token))
        assert not verdicts[-1] or pyjwt_takes(token, alg)

    compare()
    # Neither the claims as they are nor those that are broken can be missed; how many of each is left to chance.
    assert set(verdicts) == {True, False}


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("alg", Algorithm)
def test_pyjwt_takes_whatever_we_take_of_a_broken_text(alg: Algorithm) -> None:
    """A token with characters cut, doubled or replaced that we accept is one that PyJWT accepts."""
    token = forge({}, alg)

    @given(st.integers(0, len(token)), st.integers(0, 3), st.text("A=._-+ ", max_size=3))
    def compare(position: int, cut: int, text: str) -> None:
        changed = token[:position] + text + token[position + cut :]
        assert not we_take(changed) or pyjwt_takes(changed, alg)

    compare()


@pytest.mark.parametrize("alg", Algorithm)
def test_forge_and_mint_make_the_same_form(alg: Algorithm) -> None:
    """The forge of the tests signs as PyJWT does: its tokens differ from good ones only where a recipe says so."""
    key = signing_key(alg)
    text = f"{b64url_encode(b'x')}.{b64url_encode(b'y')}".encode()
    assert jwt.get_algorithm_by_name(alg.value).verify(text, key.verification_key().material, sign(key, text))
