"""Checks of a partner's token: every flaw gets the same answer, and its own reason in the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Partner, Status
from latchkey.core.throttle import JUNK_RULE
from latchkey.signing.base64url import b64url_decode, b64url_encode
from latchkey.signing.policy import Moment, plan_issuer_move
from tests.partner_world import ADMIN, PartnerWorld, Signer, claims, new_partner
from tests.world import NOW

ISSUER = "https://shop.example"
Forge = Callable[[PartnerWorld], str]


@pytest.fixture
def world() -> PartnerWorld:
    """A stack with one partner."""
    world = PartnerWorld()
    world.partner(ISSUER)
    return world


def signed(**members: Any) -> Forge:
    """Return the maker of a correctly signed token with these claims."""
    return lambda world: world.signer.sign(claims(ISSUER, **members))


def headed(**header: Any) -> Forge:
    """Return the maker of a correctly signed token with another header."""
    return lambda world: world.signer.sign(claims(ISSUER), **header)


def raw(header: str, payload: str, signature: bytes = b"x") -> str:
    """Return a token of these texts."""
    return ".".join(map(b64url_encode, (header.encode(), payload.encode(), signature)))


def with_public_key_as_secret(world: PartnerWorld) -> str:
    """Return an HS256 token whose secret is the partner's public key (CVE-2015-9235)."""
    header, payload = b64url_encode(b'{"alg":"HS256","kid":"k1"}'), b64url_encode(json.dumps(claims(ISSUER)).encode())
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = algorithm.sign(f"{header}.{payload}".encode(), world.signer.pem().encode())
    return f"{header}.{payload}.{b64url_encode(signature)}"


def without_encoding(world: PartnerWorld) -> str:
    """Return a token that says that its payload is not encoded (RFC 7797), signed as if it were."""
    header = b64url_encode(b'{"alg":"ES256","kid":"k1","b64":false}')
    signed = f"{header}.{b64url_encode(json.dumps(claims(ISSUER)).encode())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), world.signer.private)
    return f"{signed}.{b64url_encode(signature)}"


def by_another_key(world: PartnerWorld) -> str:
    return Signer("k1").sign(claims(ISSUER))


def of_another_algorithm(world: PartnerWorld) -> str:
    return Signer("k1", "EdDSA", Ed25519PrivateKey.generate()).sign(claims(ISSUER))


def with_claim(name: str, text: str) -> Forge:
    """Return the maker of a correctly signed token in which one claim is this JSON text."""

    def forge(world: PartnerWorld) -> str:
        rest = json.dumps({each: value for each, value in claims(ISSUER).items() if each != name})
        payload = f'{rest[:-1]},"{name}":{text}}}'.encode()
        return jwt.PyJWS().encode(payload, world.signer.private, "ES256", headers={"kid": "k1"})

    return forge


def resigned(change: Callable[[bytes], bytes]) -> Forge:
    """Return the maker of a token whose signature was changed."""

    def forge(world: PartnerWorld) -> str:
        signed, _, signature = world.signer.sign(claims(ISSUER)).rpartition(".")
        return f"{signed}.{b64url_encode(change(b64url_decode(signature)))}"

    return forge


FLAWS: dict[str, tuple[Forge, str]] = {
    "wrong audience": (signed(aud="https://other.example"), "wrong_audience"),
    "our audience among others": (signed(aud=["https://id.example", "https://other.example"]), "wrong_audience"),
    "no audience": (signed(aud=None), "wrong_audience"),
    "unknown issuer": (signed(iss="https://unknown.example"), "unknown_partner"),
    "no issuer": (signed(iss=None), "unknown_partner"),
    "issuer that is a list": (signed(iss=[ISSUER]), "unknown_partner"),
    "expired": (signed(iat=NOW - 400, exp=NOW - 30), "expired"),
    "no expiry": (signed(exp=None), "bad_exp"),
    "expiry with a fraction": (signed(exp=NOW + 0.5), "bad_exp"),
    "expiry that is a text": (signed(exp=str(NOW + 60)), "bad_exp"),
    "too old": (signed(iat=NOW - 631), "too_old"),
    "issued in the future": (signed(iat=NOW + 31, exp=NOW + 60), "iat_in_future"),
    "no time of issue": (signed(iat=None), "bad_iat"),
    "a life of more than an hour": (signed(exp=NOW + 3601), "life_too_long"),
    "expiry before issue": (signed(iat=NOW + 20, exp=NOW + 10), "life_too_long"),
    "not valid yet": (signed(nbf=NOW + 31), "not_valid_yet"),
    "no jti": (signed(jti=None), "bad_jti"),
    "jti that is a number": (signed(jti=7), "bad_jti"),
    "no subject": (lambda world: world.signer.sign(claims(ISSUER) | {"sub": ""}), "bad_subject"),
    "subject that is a list": (signed(sub=["u"]), "bad_subject"),
    "subject of 10 KB": (lambda world: world.signer.sign(claims(ISSUER, "s" * 5000)), "bad_subject"),
    "subject with a line break": (lambda world: world.signer.sign(claims(ISSUER, "a\nb")), "bad_subject"),
    "roles that are no texts": (signed(roles=[["admin"]]), "bad_roles"),
    "attributes of 3 KB": (signed(more="x" * 3000), "attributes_too_large"),
    "expiry that is true": (with_claim("exp", "true"), "bad_exp"),
    "expiry before the epoch": (with_claim("exp", "-1"), "expired"),
    "expiry without end": (with_claim("exp", "1e400"), "malformed: bad_number"),
    "expiry of 3,000 digits": (with_claim("exp", "9" * 3000), "malformed: bad_number"),
    "subject twice, once escaped": (with_claim("s\\u0075b", '"u-2"'), "malformed: duplicate_member"),
    "claim nested 2,000 deep": (with_claim("x", "[" * 2000 + "]" * 2000), "malformed: too_deep"),
    "subject that is a number": (signed(sub=7), "bad_subject"),
    "subject that turns the text round": (signed(sub="a\u202eb"), "bad_subject"),
    "subject that is half a character": (with_claim("sub", '"\\ud800"'), "malformed: bad_string"),
    "issuer with a slash more": (signed(iss=ISSUER + "/"), "unknown_partner"),
    "issuer of another case": (signed(iss=ISSUER.upper()), "unknown_partner"),
    "signature of 63 bytes": (resigned(lambda good: good[:63]), "wrong_signature"),
    "signature of 65 bytes": (resigned(lambda good: good + b"\0"), "wrong_signature"),
    "signature in ASN.1": (
        resigned(lambda good: encode_dss_signature(int.from_bytes(good[:32]), int.from_bytes(good[32:]))),
        "wrong_signature",
    ),
    "signature of nothing": (resigned(lambda _: bytes(64)), "wrong_signature"),
    "unknown kid": (headed(kid="k2"), "unknown_kid"),
    "kid of another case": (headed(kid="K1"), "unknown_kid"),
    "no kid": (headed(kid=None), "unknown_kid"),
    "access token's type": (headed(typ="at+jwt"), "wrong_type"),
    "embedded key": (headed(jwk={"kty": "EC"}), "malformed: members of the header"),
    "address of a key": (headed(jku="https://evil.example"), "malformed: members of the header"),
    "address of a certificate": (headed(x5u="https://evil.example"), "malformed: members of the header"),
    "embedded certificate": (headed(x5c=["MII"]), "malformed: members of the header"),
    "payload that is not encoded": (without_encoding, "wrong_signature"),
    "type that is a list": (headed(typ=["JWT"]), "wrong_type"),
    "critical header": (headed(crit=["exp"], exp=1), "malformed: members of the header"),
    "another's signature": (by_another_key, "wrong_signature"),
    "another algorithm": (of_another_algorithm, "wrong_algorithm"),
    "public key as secret": (with_public_key_as_secret, "wrong_algorithm"),
    "alg none": (lambda _: raw('{"alg":"none","kid":"k1"}', json.dumps(claims(ISSUER))), "wrong_algorithm"),
    "byte order mark": (lambda _: raw('\ufeff{"alg":"ES256","kid":"k1"}', "{}"), "malformed: not_json"),
    "duplicate member": (lambda _: raw('{"alg":"ES256","kid":"k1","kid":"k2"}', "{}"), "malformed: duplicate_member"),
    "payload that is a list": (
        lambda _: raw('{"alg":"ES256","kid":"k1"}', "[]"),
        "malformed: the payload is not an object",
    ),
    "padding": (lambda world: world.signer.sign(claims(ISSUER)) + "=", "malformed: not canonical base64url"),
    "four parts": (lambda world: world.signer.sign(claims(ISSUER)) + ".x", "malformed: not three segments"),
    "no text": (lambda _: "", "malformed: not three segments"),
    "over 8 KB": (lambda _: "a" * 8193, "too_long"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaw_is_refused_with_a_reason_in_the_log_alone(world: PartnerWorld, flaw: str) -> None:
    """Every flaw gets the same answer. No account is created, and no assertion is used up."""
    forge, reason = FLAWS[flaw]
    with pytest.raises(ServiceError) as refused:
        world.enter(forge(world))
    assert (refused.value.error, refused.value.fields, refused.value.members) == (Errors.INVALID_GRANT, (), {})
    assert world.reasons() == [reason]
    assert world.store.list_users(after="", limit=9).items == ()
    assert vars(world.store)["_used_assertions"] == set()


def refusal(world: PartnerWorld, assertion: str, **asked: Any) -> str:
    """Return the reason for which an assertion is rejected."""
    with pytest.raises(ServiceError, match="invalid_grant"):
        world.enter(assertion, **asked)
    return world.reasons()[-1]


def test_assertion_works_once(world: PartnerWorld) -> None:
    """A second use is a replay, even in the last second of the assertion's life."""
    assertion = world.signer.sign(claims(ISSUER))
    world.enter(assertion)
    assert refusal(world, assertion) == "replayed"
    assert refusal(world, assertion, now=NOW + 329) == "replayed"


def test_replay_in_another_spelling_is_a_replay(world: PartnerWorld) -> None:
    """Each ECDSA signature has a second valid form, so a token is identified by its jti, or by the signed text."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    world.partner("https://other.example", allow_missing=("jti",))
    for assertion in (
        world.signer.sign(claims(ISSUER)),
        world.signer.sign(claims("https://other.example", jti=None)),
    ):
        world.enter(assertion)
        text, _, signature = assertion.rpartition(".")
        r, s = b64url_decode(signature)[:32], int.from_bytes(b64url_decode(signature)[32:])
        assert refusal(world, f"{text}.{b64url_encode(r + (order - s).to_bytes(32))}") == "replayed"


def test_same_jti_in_another_token_is_a_replay(world: PartnerWorld) -> None:
    """A partner's jti counts once, even if the second token names another user."""
    world.enter(world.signer.sign(claims(ISSUER, jti="one")))
    assert refusal(world, world.signer.sign(claims(ISSUER, "u-2", jti="one"))) == "replayed"


def test_jti_is_one_partners_own(world: PartnerWorld) -> None:
    """Two partners may use the same jti."""
    other = world.partner("https://other.example")
    world.enter(world.signer.sign(claims(ISSUER, jti="one")))
    assert world.come(other, jti="one").created


def test_refused_request_uses_nothing_up(world: PartnerWorld) -> None:
    """A request with a scope that is too wide does not use up the assertion."""
    assertion = world.signer.sign(claims(ISSUER))
    with pytest.raises(ServiceError, match="invalid_scope"):
        world.enter(assertion, scope="everything")
    assert world.enter(assertion).created


def test_partner_opens_nothing_of_another(world: PartnerWorld) -> None:
    """A's key under B's name proves nothing, and the same external id at B is another user."""
    mine = Signer("k1")
    other = world.partner("https://other.example", [mine])
    assert refusal(world, mine.sign(claims(ISSUER))) == "wrong_signature"
    assert refusal(world, mine.sign(claims(ISSUER)), issuer_id=other.partner_id) == "wrong_issuer"
    ours, theirs = world.enter(world.signer.sign(claims(ISSUER))), world.enter(mine.sign(claims(other.issuer)))
    assert ours.sub != theirs.sub


def test_disabled_and_deleted_partner_open_nothing(world: PartnerWorld) -> None:
    """A partner that is enabled again works again."""
    [partner] = world.store.list_partners(after="", limit=9).items
    world.set_partner(partner, status=Status.DISABLED)
    assert refusal(world, world.signer.sign(claims(ISSUER))) == "partner_disabled"
    world.set_partner(partner, status=Status.ACTIVE)
    assert world.come(partner).created
    world.admin.delete(ADMIN, partner.partner_id)
    assert refusal(world, world.signer.sign(claims(ISSUER))) == "unknown_partner"


def test_each_of_two_keys_proves_by_its_own_id(world: PartnerWorld) -> None:
    """During a rotation both keys are good. Once the old one is removed, only the new one is."""
    old, new = Signer("old"), Signer("new")
    partner = world.partner("https://two.example", [old, new])
    for signer in (old, new):
        world.enter(signer.sign(claims(partner.issuer)))
    world.admin.remove_key(ADMIN, partner.partner_id, "old")
    assert refusal(world, old.sign(claims(partner.issuer))) == "unknown_kid"
    assert world.enter(new.sign(claims(partner.issuer))).tokens.access_token


RELAXED: dict[str, dict[str, Any]] = {
    "jti": {"jti": None},
    "iss": {"iss": None},
    "aud": {"aud": None},
    "iat": {"iat": None},
}


def relaxed(world: PartnerWorld, *flags: str) -> Partner:
    """Return a partner whose tokens may lack these."""
    return world.partner("https://lax.example", allow_missing=flags)


@pytest.mark.parametrize("flag", RELAXED)
def test_claim_may_be_missing_where_the_record_says_so(world: PartnerWorld, flag: str) -> None:
    """Each relaxed assertion is logged, and still works only once."""
    partner = relaxed(world, flag)
    assertion = world.signer.sign(claims(partner.issuer, **RELAXED[flag]))
    assert world.enter(assertion, issuer_id=partner.partner_id).created
    used = [event for event in world.journal.events if event.name == "assertion_relaxed"]
    assert [(event.reason, event.partner_id) for event in used] == [(flag, partner.partner_id)]
    assert refusal(world, assertion, issuer_id=partner.partner_id) == "replayed"


def test_claim_that_is_there_must_be_right_all_the_same(world: PartnerWorld) -> None:
    """A relaxation applies only to a missing claim."""
    partner = relaxed(world, "jti", "iss", "aud", "kid", "iat")
    wrong: dict[str, Any] = {"aud": "https://other.example", "iss": ISSUER, "iat": NOW + 60, "jti": 7}
    reasons = [
        refusal(world, world.signer.sign(claims(partner.issuer, **{name: value})), issuer_id=partner.partner_id)
        for name, value in wrong.items()
    ]
    assert reasons == ["wrong_audience", "wrong_issuer", "iat_in_future", "bad_jti"]


def test_token_without_iat_must_expire_soon(world: PartnerWorld) -> None:
    """Its age is unknown, so its end must be within the age that is allowed."""
    partner = relaxed(world, "iat")
    late = world.signer.sign(claims(partner.issuer, iat=None, exp=NOW + 631))
    assert refusal(world, late) == "life_too_long"


def test_kid_may_be_missing_where_the_record_says_so(world: PartnerWorld) -> None:
    """The request must also name the partner. Each key of the token's algorithm is tried."""
    partner = relaxed(world, "kid")
    assertion = world.signer.sign(claims(partner.issuer), kid=None)
    assert refusal(world, assertion) == "unknown_kid"
    assert world.enter(assertion, issuer_id=partner.partner_id).created
    second, stranger = Signer("k0"), Signer("k1")
    world.admin.add_key(ADMIN, partner.partner_id, second.key())
    for signer in (second, world.signer):
        assert world.enter(signer.sign(claims(partner.issuer), kid=None), issuer_id=partner.partner_id).sub
    forged = stranger.sign(claims(partner.issuer), kid=None)
    assert refusal(world, forged, issuer_id=partner.partner_id) == "wrong_signature"
    other = Signer("k1", "EdDSA", Ed25519PrivateKey.generate()).sign(claims(partner.issuer), kid=None)
    assert refusal(world, other, issuer_id=partner.partner_id) == "wrong_algorithm"


def test_kid_may_be_missing_with_published_keys_too(world: PartnerWorld) -> None:
    """A JWKS of one key need not name it (RFC 7517 section 4.5)."""
    address = "https://keys.example/jwks.json"
    world.published.keys[address] = {key.kid: key for key in (Signer("k0").key(), world.signer.key())}
    asked = new_partner("P", "https://p.example", jwks_uri=address, allow_missing=("kid",))
    partner = world.admin.create(ADMIN, asked, now=NOW)
    assert world.enter(world.signer.sign(claims(partner.issuer), kid=None), issuer_id=partner.partner_id).created
    world.published.keys.clear()
    fresh = world.signer.sign(claims(partner.issuer), kid=None)
    assert refusal(world, fresh, issuer_id=partner.partner_id) == "keys_unreachable: away"


VENDORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nodul": ({"tenant_id": 1, "user_id": "u", "no_personal_space": False}, {"kid": None}),
    "activepieces": ({"externalProjectId": "1", "externalUserId": "u", "role": "EDITOR"}, {}),
}


@pytest.mark.parametrize("profile", VENDORS)
def test_profile_knows_what_its_vendor_never_sends(world: PartnerWorld, profile: str) -> None:
    """No setting of the record is needed, each use is logged, and the token works once. Everything else is required."""
    payload, header = VENDORS[profile]
    asked = new_partner("V", "https://v.example", keys=(world.signer.key(),), profile=profile, tenant="1")
    partner = world.admin.create(ADMIN, asked, now=NOW)
    token = world.signer.sign(payload | {"exp": NOW + 300}, **header)
    assert world.enter(token, issuer_id=partner.partner_id).created
    assert "assertion_relaxed" in [event.name for event in world.journal.events]
    assert refusal(world, token, issuer_id=partner.partner_id) == "replayed"
    assert refusal(world, world.signer.sign(payload, **header), issuer_id=partner.partner_id) == "bad_exp"


def test_activepieces_always_names_its_key(world: PartnerWorld) -> None:
    """It refuses tokens without `kid` itself."""
    asked = new_partner("V", "https://v.example", keys=(world.signer.key(),), profile="activepieces", tenant="1")
    partner = world.admin.create(ADMIN, asked, now=NOW)
    token = world.signer.sign(VENDORS["activepieces"][0] | {"exp": NOW + 300}, kid=None)
    assert refusal(world, token, issuer_id=partner.partner_id) == "unknown_kid"


@pytest.mark.parametrize(
    "header",
    [{"x5t": "abc"}, {"x5t#S256": "abc"}, {"nonce": "n"}, {"cty": "x"}, {"typ": "jwt"}, {"typ": None}, {"ver": 1}],
)
def test_unknown_member_of_a_header_is_ignored(world: PartnerWorld, header: dict[str, Any]) -> None:
    """RFC 7515 section 4. Entra and AD FS always send `x5t`, and a media type may have any case."""
    assert world.enter(world.signer.sign(claims(ISSUER), **header)).created


def test_names_and_languages_of_a_token_are_cleaned(world: PartnerWorld) -> None:
    """Nothing depends on them, so what cannot be shown is left out and the rest is kept."""
    answer = world.come(world.store.list_partners(after="", limit=1).items[0], name="A\u202enn\n", locale="pt_BR.UTF-8")
    user = world.store.find_user(answer.sub)
    assert user
    assert (user.name, user.locale) == ("Ann", "pt-BR")


def test_audience_of_the_partners_own_choice(world: PartnerWorld) -> None:
    """If the record names an audience, the issuer's address is no longer accepted as one."""
    partner = world.partner("https://own.example", audience="latchkey-prod")
    assert world.come(partner, aud="latchkey-prod").created
    assert world.come(partner, aud=["latchkey-prod"]).created is False
    assert refusal(world, world.signer.sign(claims(partner.issuer))) == "wrong_audience"


def test_assertion_may_be_for_any_issuer_that_is_ours(world: PartnerWorld) -> None:
    """During a move of the issuer, each partner may change its audience at any time."""
    partner = world.partner("https://moving.example")
    world.source.held = plan_issuer_move(world.source.held, "https://auth.example", Moment(NOW, world.entropy))
    planned = world.source.held.issuers.planned
    assert planned is not None
    for now in (NOW, planned.at, planned.previous_until - 1):
        for aud in ("https://id.example", "https://auth.example"):
            world.come(partner, now=now, aud=aud)
    both = claims(partner.issuer, aud=["https://id.example", "https://auth.example"])
    assert refusal(world, world.signer.sign(both)) == "wrong_audience"
    late = world.signer.sign(claims(partner.issuer, now=planned.previous_until))
    with pytest.raises(ServiceError):
        world.enter(late, now=planned.previous_until)
    assert world.reasons()[-1] == "wrong_audience"
    assert world.come(partner, now=planned.previous_until, aud="https://auth.example").sub


def test_published_keys_prove_too(world: PartnerWorld) -> None:
    """If the published keys cannot be fetched, no assertion is accepted."""
    address = "https://keys.example/jwks.json"
    world.published.keys[address] = {"k1": world.signer.key()}
    partner = world.admin.create(ADMIN, new_partner("P", "https://p.example", jwks_uri=address), now=NOW)
    assert world.come(partner).created
    world.published.keys.clear()
    assert refusal(world, world.signer.sign(claims(partner.issuer))) == "keys_unreachable: away"


def test_many_bad_assertions_from_one_address_are_slowed_down(world: PartnerWorld) -> None:
    """Bad assertions are throttled like other bad tokens. A good one from the same address is never held up."""
    for _ in range(JUNK_RULE.free):
        with pytest.raises(ServiceError, match="invalid_grant"):
            world.enter("x")
    with pytest.raises(ServiceError, match="rate_limited"):
        world.enter("x")
    assert world.enter(world.signer.sign(claims(ISSUER))).created


def test_nothing_is_used_up_for_tokens_that_cannot_be_made(world: PartnerWorld) -> None:
    """While the signing policy is away, an assertion stays good."""
    assertion = world.signer.sign(claims(ISSUER))
    world.source.away = True
    with pytest.raises(ServiceError, match="temporarily_unavailable"):
        world.enter(assertion)
    world.source.away = False
    assert world.enter(assertion).created


@pytest.mark.parametrize(("exp", "last"), [(NOW + 300, NOW + 329), (NOW + 3600, NOW + 630)], ids=["exp", "age"])
def test_use_is_remembered_for_as_long_as_the_assertion_holds(
    world: PartnerWorld, monkeypatch: pytest.MonkeyPatch, exp: int, last: int
) -> None:
    """The store keeps the use until the last second in which the assertion is accepted, whatever its `exp` is."""
    kept: list[int] = []

    def keep(_: str, *, until: int) -> bool:
        kept.append(until)
        return True

    monkeypatch.setattr(world.store, "use_assertion", keep)
    world.enter(world.signer.sign(claims(ISSUER, exp=exp)), now=last)
    refusal(world, world.signer.sign(claims(ISSUER, exp=exp)), now=last + 1)
    assert last <= kept[0] <= last + 1
