"""A stack that allows HS256: the algorithm changes to a shared secret and back, and the secret stays where it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from latchkey.core.model import RECENT_SIGN_IN
from latchkey.signing.base64url import b64url_decode
from tests.e2e.accounts import Person, bearer, person
from tests.e2e.client import Response, RunningTwin, start_twin
from tests.e2e.signing_admin import ROUTE, SigningAdmin, done
from tests.e2e.tokens import forged, header, kid

KEY_ROUTE = f"{ROUTE}/validation-key"


@dataclass(frozen=True)
class Journey:
    """The way from RS256 to HS256 and back: one person's tokens and the JWKS on every leg, and who got the secret."""

    twin: RunningTwin
    tokens: tuple[str, str, str]
    jwks: tuple[Response, Response, Response]
    fresh: Response
    stale: Response
    stale_show: Response

    @property
    def secret(self) -> bytes:
        """The shared secret."""
        return str(self.fresh.json["secret"]).encode()

    def forged(self, **changes: Any) -> str:
        """Return a token that anyone holding the secret can make: the person's own, with these claims."""
        return forged(self.tokens[1], self.secret, **changes)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """The journey, on a twin of its own."""
    folder = tmp_path_factory.mktemp("hs256-twin")
    with start_twin(folder, LIMITS="off", PARAMETERS="AllowHS256=true AuthorizerCacheSeconds=2") as twin:
        yield travel(twin)
        assert twin.leaks() == []  # no token and no secret in any log line


def travel(twin: RunningTwin) -> Journey:
    """Change to HS256, ask for the secret soon and late after the sign-in, and change back."""
    operator, someone = SigningAdmin.of(twin), person(twin)
    legs = [leg(someone)]
    operator.switch("HS256")
    legs.append(leg(someone))
    fresh = operator.ask("GET", "/validation-key")
    late = forged(
        operator.me.tokens["access_token"],
        done(fresh)["secret"].encode(),
        auth_time=int(time.time()) - RECENT_SIGN_IN,
    )
    stale, stale_show = (twin.call("GET", path, headers=bearer(late)) for path in (KEY_ROUTE, ROUTE))
    operator.switch("RS256")
    legs.append(leg(someone))
    (one, jwks_one), (two, jwks_two), (three, jwks_three) = legs
    return Journey(twin, (one, two, three), (jwks_one, jwks_two, jwks_three), fresh, stale, stale_show)


def leg(someone: Person) -> tuple[str, Response]:
    """Return a token as they are now signed, and the JWKS as it now is."""
    return someone.refresh()["access_token"], someone.twin.call("GET", "/.well-known/jwks.json")


def verdicts(twin: RunningTwin, token: str) -> tuple[int, int, int]:
    """Return the statuses from the authorizer, a function that reads the store, and the validating route."""
    return (
        twin.call("GET", "/v1/hello", headers=bearer(token)).status,
        twin.call("GET", "/v1/auth/me", headers=bearer(token)).status,
        twin.call("POST", "/v1/auth/validate", json={"token": token}).status,
    )


def test_tokens_of_both_algorithms_outlive_the_changes(journey: Journey) -> None:
    """RS256, HS256 and RS256 again: each token is good to its end."""
    assert [header(token)["alg"] for token in journey.tokens] == ["RS256", "HS256", "RS256"]
    assert [verdicts(journey.twin, token) for token in journey.tokens] == [(200, 200, 204)] * 3


def test_jwks_never_shows_a_shared_secret(journey: Journey) -> None:
    """Before, during and after HS256, the JWKS holds public keys only (RFC 7518 section 6.4)."""
    shown = [key for answer in journey.jwks for key in answer.json["keys"]]
    assert [{key["kty"] for key in answer.json["keys"]} for answer in journey.jwks] == [{"RSA"}] * 3
    assert kid(journey.tokens[1]) not in {key["kid"] for key in shown}
    assert journey.fresh.json["secret"].encode() not in b"".join(answer.body for answer in journey.jwks)


def test_secret_is_for_an_admin_who_has_just_signed_in(journey: Journey) -> None:
    """Ten minutes after the sign-in the same admin gets 403 for the secret, and can still use the other routes."""
    assert journey.fresh.json.keys() == {"kid", "alg", "secret", "jwk", "next"}
    assert (journey.fresh.json["kid"], journey.fresh.json["alg"]) == (kid(journey.tokens[1]), "HS256")
    assert (journey.stale.status, journey.stale.json["code"]) == (403, "recent_sign_in_required")
    assert journey.stale_show.status == 200


def test_validation_key_of_a_key_pair_is_its_public_half(journey: Journey) -> None:
    """Once a key pair signs again, the route returns the key of the JWKS, as JWK and as PEM."""
    answer = done(SigningAdmin.of(journey.twin).ask("GET", "/validation-key"))
    assert answer.keys() == {"kid", "alg", "jwk", "pem", "next"}
    assert answer["jwk"] in journey.jwks[2].json["keys"]
    assert answer["kid"] == answer["jwk"]["kid"] == kid(journey.tokens[2])
    verified = jwt.decode(journey.tokens[2], answer["pem"], ["RS256"], audience=journey.twin.dev["audience"])
    assert verified["iss"] == journey.twin.dev["issuer"]


def test_who_can_verify_can_mint(journey: Journey) -> None:
    """Anyone with the secret can mint tokens, so a stack must allow HS256 first. The forgeries below rely on this."""
    assert verdicts(journey.twin, journey.forged(jti="made by someone else")) == (200, 200, 204)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_600_000_900, "iat": 1_600_000_000},
        {"exp": 2_000_000_000},
        {"aud": "https://other.example"},
        {"iss": "https://other.example"},
        {"sub": "adm_1"},
        {"scope": None},
    ],
    ids=["expired", "too long", "other audience", "other issuer", "other subject", "no scope"],
)
def test_good_signature_is_not_enough(journey: Journey, changes: dict[str, Any]) -> None:
    """A token with the right key and a wrong claim is refused everywhere."""
    assert verdicts(journey.twin, journey.forged(**changes)) == (401, 401, 401)


def test_public_key_is_no_secret(journey: Journey) -> None:
    """An HS256 token made with what the JWKS shows is refused, even where HS256 is allowed."""
    (published,) = (key for key in journey.jwks[0].json["keys"] if key["kid"] == kid(journey.tokens[0]))
    secrets = [json.dumps(published).encode(), published["n"].encode(), b64url_decode(published["n"])]
    tokens = [forged(journey.tokens[0], secret) for secret in secrets]
    assert [verdicts(journey.twin, token) for token in tokens] == [(401, 401, 401)] * len(tokens)


def test_a_stack_that_begins_with_hs256_lets_services_copy_each_key_in_time(tmp_path: Path) -> None:
    """Copy the current and the next key, then rotate: every token verifies with a key copied before."""
    with start_twin(
        tmp_path, LIMITS="off", PARAMETERS="AllowHS256=true Algorithm=HS256 AuthorizerCacheSeconds=0"
    ) as twin:
        operator, someone = SigningAdmin.of(twin), person(twin)
        first = someone.tokens["access_token"]
        assert header(first)["alg"] == "HS256"
        assert verdicts(twin, first) == (200, 200, 204)
        assert twin.call("GET", "/.well-known/jwks.json").json["keys"] == []
        copied = done(operator.ask("GET", "/validation-key"))
        operator.rotate()
        second = someone.refresh()["access_token"]
        assert kid(second) == copied["next"]["kid"]
        assert verdicts(twin, second) == (200, 200, 204)
        for token, key in ((first, copied), (second, copied["next"])):
            for form in (key["secret"], jwt.PyJWK(key["jwk"])):
                claims = jwt.decode(token, form, ["HS256"], audience=twin.dev["audience"], issuer=twin.dev["issuer"])
                assert claims["client_id"] == "cli_app"
        assert twin.leaks() == []
