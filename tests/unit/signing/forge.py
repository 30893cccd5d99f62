"""A forge of tokens, good and bad, that shares no code with what it tests: it signs with `cryptography` alone.

A recipe of `tests/vectors/malformed_tokens.json` starts from a good token and says what to change:

    header, claims    members to set; {"delete": true} removes one, {"now": n} is a time n seconds from now,
                      {"json": "text"} is raw JSON, {"fill": n} a string and {"digits": n} a number that long
    header_start, claims_start      raw text put behind the first brace
    header_codec, claims_codec      a Python codec to encode with instead of UTF-8
    payload           raw text instead of the claims; payload_nest: that many arrays inside each other
    align             spaces are added until the payload's length is this, modulo 3
    unsigned_edit     edits of the three segments before they are signed
    sign              the signer, or the text in place of a signature: see `_SIGNERS`
    edit              edits of the finished token
    token             the whole token, literally
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from latchkey.signing.key_set import KeyState, SigningKey
from latchkey.signing.keys import Algorithm, VerificationKey
from latchkey.signing.tokens import AccessClaims, verify

VECTORS = Path(__file__).parents[2] / "vectors"
NOW = 1_800_000_000
ISSUER = "https://id.example"
AUDIENCE = "latchkey"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Recipe = Mapping[str, Any]


def load(name: str) -> Any:
    """Return the content of a vector file."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


@cache
def signing_key(alg: Algorithm, number: int = 0, state: KeyState = KeyState.CURRENT) -> SigningKey:
    """Return one of the three test keys of an algorithm."""
    private = load("signing_keys.json")[alg.value][number]
    return SigningKey(f"{alg.value}-{number}", alg, state, private, published_at=NOW, max_ttl=900)


def find_key(kid: str) -> VerificationKey | None:
    """Return the first test key of an algorithm by its kid; the others are strangers."""
    keys = {f"{alg.value}-0": alg for alg in Algorithm}
    return signing_key(keys[kid]).verification_key() if kid in keys else None


def check(token: str, *, now: int = NOW, leeway: int = 30) -> AccessClaims:
    """Verify as a resource server with the test keys would."""
    return verify(token, find_key=find_key, issuers={ISSUER}, audiences={AUDIENCE}, now=now, leeway=leeway)


def base_claims() -> dict[str, Any]:
    """Return the claims of a good token."""
    return {
        "iss": ISSUER,
        "sub": "usr_ann",
        "aud": AUDIENCE,
        "client_id": "cli_app",
        "iat": NOW,
        "exp": NOW + 900,
        "jti": "j-1",
        "scope": "profile",
        "sid": "s-1",
        "roles": ["user"],
        "auth_time": NOW,
        "amr": ["pwd"],
    }


def forge(recipe: Recipe, alg: Algorithm) -> str:
    """Return the token that a recipe describes, made with the test key of `alg`."""
    if "token" in recipe:
        return str(recipe["token"])
    key = signing_key(alg)
    segments = [_b64(_header(recipe, key)), _b64(_payload(recipe))]
    for operation, *arguments in recipe.get("unsigned_edit", ()):
        segments = _EDITS[operation](segments, *arguments)
    signing_input = ".".join(segments).encode()
    segments.append(_b64(_signature(recipe.get("sign", "own"), signing_input, key)))
    for operation, *arguments in recipe.get("edit", ()):
        segments = _EDITS[operation](segments, *arguments)
    return ".".join(segments)


def sign(key: SigningKey, data: bytes) -> bytes:
    """Return the raw JOSE signature (RFC 7518 section 3, RFC 8037 section 3.1)."""
    match key.material:
        case rsa.RSAPrivateKey() as private:
            return private.sign(data, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePrivateKey() as private:
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case ed25519.Ed25519PrivateKey() as private:
            return private.sign(data)
        case secret:
            return hmac.digest(secret, data, "sha256")


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _header(recipe: Recipe, key: SigningKey) -> bytes:
    base = {"alg": key.alg.value, "typ": "at+jwt", "kid": key.kid}
    text = _json(base, recipe.get("header", {}), recipe.get("header_start", ""))
    return text.encode(recipe.get("header_codec", "utf-8"), "surrogatepass")


def _payload(recipe: Recipe) -> bytes:
    depth = recipe.get("payload_nest", 0)
    text = "[" * depth + "]" * depth or recipe.get("payload")
    if text is None:
        text = _json(base_claims(), recipe.get("claims", {}), recipe.get("claims_start", ""))
    while "align" in recipe and len(text) % 3 != recipe["align"]:
        text += " "
    return str(text).encode(recipe.get("claims_codec", "utf-8"), "surrogatepass")


def _json(base: Mapping[str, Any], changes: Mapping[str, Any], start: str) -> str:
    members = {name: json.dumps(value) for name, value in base.items()}
    for name, value in changes.items():
        match value:
            case {"delete": True}:
                del members[name]
            case {"now": seconds}:
                members[name] = str(NOW + seconds)
            case {"json": text}:
                members[name] = text
            case {"fill": length}:
                members[name] = json.dumps("x" * length)
            case {"digits": length}:
                members[name] = "9" * length
            case _:
                members[name] = json.dumps(value)
    return "{" + start + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"


def _signature(who: str, data: bytes, key: SigningKey) -> bytes:
    kind, _, detail = who.partition(":")
    return _SIGNERS[kind](data, key, detail)


def _halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


def _der(data: bytes, key: SigningKey, _: str) -> bytes:
    assert isinstance(key.material, ec.EllipticCurvePrivateKey)
    return key.material.sign(data, ec.ECDSA(SHA256()))


def _rs512(data: bytes, key: SigningKey, _: str) -> bytes:
    assert isinstance(key.material, rsa.RSAPrivateKey)
    return key.material.sign(data, padding.PKCS1v15(), SHA512())


def _ps256(data: bytes, key: SigningKey, _: str) -> bytes:
    assert isinstance(key.material, rsa.RSAPrivateKey)
    return key.material.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


_SIGNERS: Mapping[str, Callable[[bytes, SigningKey, str], bytes]] = {
    "own": lambda data, key, _: sign(key, data),
    "stranger": lambda data, key, _: sign(signing_key(key.alg, 1), data),
    "other": lambda data, _, alg: sign(signing_key(Algorithm(alg)), data),
    "elsewhere": lambda _, key, __: sign(key, b"another.token"),  # a true signature, of another token
    "none": lambda *_: b"",
    "octets": lambda _, __, octets: bytes.fromhex(octets),
    "trimmed": lambda data, key, count: sign(key, data)[: -int(count)],
    "extended": lambda data, key, count: sign(key, data) + bytes(int(count)),
    "widened": lambda data, key, _: b"\0".join(_halves(sign(key, data))),
    "secret": lambda data, _, secret: hmac.digest(secret.encode(), data, "sha256"),
    "public": lambda data, key, form: hmac.digest(_public(key, form), data, "sha256"),
    "der": _der,
    "rs512": _rs512,
    "ps256": _ps256,
}


def _public(key: SigningKey, form: str) -> bytes:
    """Return the public key as the octets that an attacker would try as an HMAC secret."""
    jwk = json.dumps(key.verification_key().to_jwk())
    if form.startswith("jwk"):
        return {"jwk": jwk, "jwks": json.dumps({"keys": [json.loads(jwk)]})}[form].encode()
    material = key.material
    assert not isinstance(material, bytes)
    public = material.public_key()
    if form == "der":
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if form == "pkcs1":
        return public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem,
        "pem_crlf": pem.replace(b"\n", b"\r\n"),
        "pem_stripped": pem.strip(),
        "pem_blanks": b"  " + pem,
        "pem_one_line": pem.replace(b"\n", b""),
    }[form]


def _append(segments: list[str], text: str, times: int = 1) -> list[str]:
    return [*segments[:-1], segments[-1] + text * times]


def _prepend(segments: list[str], text: str) -> list[str]:
    return [text + segments[0], *segments[1:]]


def _drop(segments: list[str], index: int) -> list[str]:
    return segments[:index] + segments[index + 1 :]


def _replace(segments: list[str], index: int, text: str) -> list[str]:
    return [*segments[:index], text, *segments[index + 1 :]]


def _insert(segments: list[str], index: int, text: str) -> list[str]:
    middle = len(segments[index]) // 2
    return _replace(segments, index, segments[index][:middle] + text + segments[index][middle:])


def _pad(segments: list[str], index: int) -> list[str]:
    padded = segments[index] + "=" * (-len(segments[index]) % 4)
    assert padded != segments[index], "nothing to pad: use align"
    return _replace(segments, index, padded)


def _unused_bits(segments: list[str], index: int) -> list[str]:
    assert len(segments[index]) % 4, "no unused bits: use align"
    last = _ALPHABET[_ALPHABET.index(segments[index][-1]) + 1]
    return _replace(segments, index, segments[index][:-1] + last)


def _standard_alphabet(segments: list[str], index: int) -> list[str]:
    changed = segments[index].replace("-", "+").replace("_", "/")
    assert changed != segments[index], "no character of the URL-safe alphabet"
    return _replace(segments, index, changed)


def _flip(segments: list[str], index: int) -> list[str]:
    other = "B" if segments[index][0] == "A" else "A"
    return _replace(segments, index, other + segments[index][1:])


def _swap(segments: list[str], one: int, other: int) -> list[str]:
    segments = list(segments)
    segments[one], segments[other] = segments[other], segments[one]
    return segments


_EDITS: Mapping[str, Callable[..., list[str]]] = {
    "append": _append,
    "prepend": _prepend,
    "drop": _drop,
    "replace": _replace,
    "insert": _insert,
    "pad": _pad,
    "unused_bits": _unused_bits,
    "standard_alphabet": _standard_alphabet,
    "flip": _flip,
    "swap": _swap,
}
