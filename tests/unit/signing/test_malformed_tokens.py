"""Every malformed token of the vector file is refused, for the reason that it is malformed, under every algorithm."""

from __future__ import annotations

import pytest

from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import Algorithm
from tests.unit.signing.forge import AUDIENCE, Recipe, check, forge, load

CASES = load("malformed_tokens.json")


def _cases(*, accepted: bool) -> list[object]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case.get("accepted", False) is accepted]


def _tokens(case: Recipe) -> list[str]:
    return [forge(case, Algorithm(alg)) for alg in case.get("only", list(Algorithm))]


def _reason(token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        check(token)
    return str(caught.value)


@pytest.mark.parametrize("case", _cases(accepted=False))
def test_malformed_token_is_refused(case: Recipe) -> None:
    """A token with exactly one fault is refused for that fault."""
    reasons = [_reason(token) for token in _tokens(case)]
    assert [reason for reason in reasons if case["reason"] not in reason] == []


@pytest.mark.parametrize("case", _cases(accepted=True))
def test_good_token_is_accepted(case: Recipe) -> None:
    """A token that is unusual and not malformed is accepted: the refusals above are not for the forge's own faults."""
    assert {check(token).aud for token in _tokens(case)} == {AUDIENCE}


def test_refusal_never_quotes_the_token() -> None:
    """The message of a refusal holds no segment of the token, and no claim."""
    tokens = [forge(case, Algorithm.HS256) for case in CASES if "reason" in case and "only" not in case]
    reasons = {_reason(token) for token in tokens}
    parts = {part for token in tokens for part in (*token.split("."), "usr_", "cli_") if len(part) > 3}
    assert [part for part in parts if any(part in reason for reason in reasons)] == []


def test_every_case_is_a_sentence() -> None:
    """Every case says what happens in one sentence, and no two have the same id."""
    assert all(case["sentence"].endswith(".") for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
