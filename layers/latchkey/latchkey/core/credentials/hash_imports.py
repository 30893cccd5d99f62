"""Reads password hashes as other systems export them."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from latchkey.core.credentials.foreign_hashes import (
    MAX_TEXT,
    ForeignHash,
    Recipe,
    UnusableHash,
    decoded,
    make_hash,
    malformed,
)
from latchkey.core.credentials.passwords import WRAPPED_PREFIX, is_strong, recipe_of
from latchkey.core.credentials.sha_crypt import DEFAULT_ROUNDS
from latchkey.signing.strict_json import StrictJsonError, loads

_LOCKED = ("!", "*")
"""How the text of an account without a password begins: in Django (`!`), and in /etc/shadow (shadow(5))."""

_KEYCLOAK = frozenset({"secretData", "credentialData"})
_KEYCLOAK_BESIDE = frozenset({"id", "type", "userLabel", "createdDate", "priority", "temporary"})
_KEYCLOAK_PBKDF2 = MappingProxyType({"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"})
_KEYCLOAK_ARGON2_VERSION = "1.3"
_FIREBASE = frozenset({"passwordHash", "salt", "signerKey", "saltSeparator", "rounds", "memCost"})
_URL_SAFE = str.maketrans("-_", "+/")
_SPRING_SALT = 8
_SPRING_ITERATIONS = 185_000
_ASPNET_PRFS = ("sha1", "sha256", "sha512")
_ASPNET_V2 = (16, 1000, 32)  # salt, iterations, output
_PREFIX = re.compile(
    r"argon2(?=\$argon2)"  # Django
    r"|bcrypt\$(?=\$2)"  # Django
    r"|\{ldap\}(?=\{)"  # Spring
    r"|\{bcrypt\}(?=\$2)"
    r"|\{argon2(?:@SpringSecurity_v5_8)?\}(?=\$argon2)"
    r"|\{scrypt(?:@SpringSecurity_v5_8)?\}(?=\$)"
    r"|\{(?i:crypt)\}(?=\$)"  # LDAP
)
"""What other systems write before a form that stands in `_FORMS`."""


@dataclass(frozen=True, slots=True)
class WrappedHash:
    """A hash that was exported from here before its owner had signed in: it is stored as it is."""

    text: str
    recipe: Recipe


ImportedHash: TypeAlias = "ForeignHash | WrappedHash | None"
"""The password of an imported account; `None` means that it has none."""


def read_hash(exported: object) -> ImportedHash:
    """Return the password hash of a record, given as a text or as an object of Keycloak or Firebase.

    Raises `UnusableHash` for an unknown format, or a hash that is too expensive to check.
    """
    if isinstance(exported, Mapping):
        return _of_object(exported)
    if not isinstance(exported, str):
        raise _malformed("a password hash is a text or an object")
    if not exported or exported.startswith(_LOCKED):
        return None
    if len(exported) > MAX_TEXT:
        raise _unknown()
    if exported.startswith(WRAPPED_PREFIX):
        return _wrapped(exported)
    return _of_text(_PREFIX.sub("", exported, count=1) if _PREFIX.match(exported) else exported)


def _wrapped(text: str) -> WrappedHash:
    recipe = recipe_of(text)
    if recipe is None or not is_strong(text):
        raise malformed()
    return WrappedHash(text, recipe)


def _of_text(text: str) -> ForeignHash:
    for shape, build in _FORMS:
        if found := shape.fullmatch(text):
            return build(**found.groupdict())
    raise _unknown()


def _argon2(variant: str, m: str, t: str, p: str, salt: str, tag: str) -> ForeignHash:  # noqa: PLR0913, PLR0917 - as many as the form has
    output = decoded(tag)
    return make_hash(output, variant, decoded(salt), m=int(m), t=int(t), p=int(p), l=len(output))


def _bcrypt(kind: str) -> Callable[..., ForeignHash]:
    def build(cost: str, salt: str, output: str) -> ForeignHash:
        return make_hash(output.encode(), kind, salt.encode(), r=int(cost))

    return build


def _scrypt_phc(ln: str, r: str, p: str, salt: str, tag: str) -> ForeignHash:
    return _scrypt(int(ln), int(r), int(p), decoded(salt), decoded(tag))


def _scrypt_django(n: str, salt: str, r: str, p: str, tag: str) -> ForeignHash:
    return _scrypt(_log2(n), int(r), int(p), salt.encode(), decoded(tag, padded=True))


def _scrypt_werkzeug(n: str, r: str, p: str, salt: str, tag: str) -> ForeignHash:
    return _scrypt(_log2(n), int(r), int(p), salt.encode(), bytes.fromhex(tag))


def _scrypt_spring(parameters: str, salt: str, tag: str) -> ForeignHash:
    """Read log2(N), r and p from one number: two octets for the first, one for each of the others."""
    number = int(parameters, 16)
    return _scrypt(number >> 16, number >> 8 & 255, number & 255, decoded(salt, padded=True), decoded(tag, padded=True))


def _scrypt(ln: int, r: int, p: int, salt: bytes, output: bytes) -> ForeignHash:
    return make_hash(output, "scrypt", salt, ln=ln, r=r, p=p, l=len(output))


def _log2(n: str) -> int:
    number = int(n)
    if number & (number - 1):
        raise malformed()
    return number.bit_length() - 1


def _firebase_text(ln: str, r: str, p: str, separator: str, signer_key: str, salt: str, tag: str) -> ForeignHash:  # noqa: PLR0913, PLR0917 - as many as the form has
    salted = decoded(salt, padded=True) + decoded(separator, padded=True)
    return _firebase(int(ln), int(r), int(p), salted, decoded(signer_key, padded=True), decoded(tag, padded=True))


def _firebase(ln: int, r: int, p: int, salt: bytes, signer_key: bytes, tag: bytes) -> ForeignHash:  # noqa: PLR0913, PLR0917 - as many as the form has
    """Take the project's signer key off the hash: what is left is the key stream that encrypted it."""
    if len(signer_key) != len(tag):
        raise malformed()
    stream = bytes(key ^ sealed for key, sealed in zip(signer_key, tag, strict=True))
    return make_hash(stream, "fbscrypt", salt, ln=ln, r=r, p=p, l=len(stream))


def _pbkdf2_phc(digest: str, i: str, length: str, salt: str, tag: str) -> ForeignHash:
    output = decoded(tag)
    if len(output) != int(length):
        raise malformed()
    return _pbkdf2(digest, int(i), decoded(salt), output)


def _pbkdf2_passlib(digest: str | None, i: str, salt: str, tag: str) -> ForeignHash:
    """Read passlib's "adapted" Base64, which has a dot for the plus."""
    octets = [decoded(text.replace(".", "+")) for text in (salt, tag)]
    return _of_digest_size(digest or "sha1", int(i), *octets)


def _pbkdf2_django(digest: str, i: str, salt: str, tag: str) -> ForeignHash:
    return _of_digest_size(digest, int(i), salt.encode(), decoded(tag, padded=True))


def _pbkdf2_werkzeug(digest: str, i: str, salt: str, tag: str) -> ForeignHash:
    return _of_digest_size(digest, int(i), salt.encode(), bytes.fromhex(tag))


def _pbkdf2_spring(octets: str) -> ForeignHash:
    """Read the default of Spring Security 5.5: 8 bytes of salt, 32 of output."""
    both = bytes.fromhex(octets)
    return _pbkdf2("sha1", _SPRING_ITERATIONS, both[:_SPRING_SALT], both[_SPRING_SALT:])


def _of_digest_size(digest: str, iterations: int, salt: bytes, output: bytes) -> ForeignHash:
    if len(output) != _DIGEST_SIZES[digest]:
        raise malformed()
    return _pbkdf2(digest, iterations, salt, output)


def _pbkdf2(digest: str, iterations: int, salt: bytes, output: bytes) -> ForeignHash:
    return make_hash(output, f"pbkdf2-{digest}", salt, i=iterations, l=len(output))


def _aspnet_v2(text: str) -> ForeignHash:
    """Read the format of ASP.NET Identity 2: a zero, salt and output."""
    octets = decoded(text, padded=True)
    salt, iterations, length = _ASPNET_V2
    return _pbkdf2("sha1", iterations, octets[1 : 1 + salt], octets[-length:])


def _aspnet_v3(text: str) -> ForeignHash:
    """Read the format of ASP.NET Core Identity: a one, three numbers of four octets each, salt and output."""
    octets = decoded(text, padded=True)
    prf, iterations, length = (int.from_bytes(octets[start : start + 4]) for start in (1, 5, 9))
    salt, output = octets[13 : 13 + length], octets[13 + length :]
    if prf >= len(_ASPNET_PRFS) or len(salt) != length:
        raise malformed()
    return _pbkdf2(_ASPNET_PRFS[prf], iterations, salt, output)


def _ldap(salted: str, scheme: str, octets: str) -> ForeignHash:
    """Read what RFC 2307 and its successors write: a digest, and the salt behind it if the name begins with S."""
    digest = {"sha": "sha1"}.get(scheme.lower(), scheme.lower())
    both = decoded(octets, padded=True)
    size = _DIGEST_SIZES[digest]
    if bool(salted) != (len(both) > size):
        raise malformed()
    return make_hash(both[:size], f"{digest}-password-salt", both[size:])


def _digest_django(digest: str, salt: str, tag: str) -> ForeignHash:
    return make_hash(bytes.fromhex(tag), f"{digest}-salt-password", salt.encode())


def _phpass(kind: str) -> Callable[..., ForeignHash]:
    def build(rounds: str, salt: str, output: str) -> ForeignHash:
        return make_hash(output.encode(), kind, salt.encode(), r=_ITOA64.index(rounds))

    return build


def _sha_crypt(digest: str) -> Callable[..., ForeignHash]:
    def build(rounds: str | None, salt: str, output: str) -> ForeignHash:
        return make_hash(output.encode(), f"crypt-{digest}", salt.encode(), r=int(rounds or DEFAULT_ROUNDS))

    return build


def _of_object(members: Mapping[str, object]) -> ImportedHash:
    if members.keys() >= _KEYCLOAK:
        _require_only(members, _KEYCLOAK | _KEYCLOAK_BESIDE)
        return _of_keycloak(members)
    _require_only(members, _FIREBASE)
    if members.get("passwordHash") == "" and not members.get("salt"):  # a user who signs in by other means
        return None
    return _of_firebase(members)


def _require_only(members: Mapping[str, object], known: frozenset[str]) -> None:
    unknown = sorted(members.keys() - known)
    if unknown:
        raise _malformed(f"{unknown[0][:64]} is no member of it")


def _of_keycloak(members: Mapping[str, object]) -> ForeignHash:
    """Read a credential of a realm export: its two parts are JSON within texts."""
    if members.get("type", "password") != "password":
        raise _malformed("this credential is no password")
    secret, data = _json(members, "secretData"), _json(members, "credentialData")
    salt, output = _octets(secret, "salt"), _octets(secret, "value")
    iterations = _number(data, "hashIterations")
    algorithm = _text(data, "algorithm")
    if algorithm == "argon2":
        return _keycloak_argon2(data, iterations, salt, output)
    if algorithm not in _KEYCLOAK_PBKDF2:
        raise UnusableHash("unknown_hash", f"Keycloak's {algorithm[:32]} is not known here.")
    return _pbkdf2(_KEYCLOAK_PBKDF2[algorithm], iterations, salt, output)


def _keycloak_argon2(data: Mapping[str, object], iterations: int, salt: bytes, output: bytes) -> ForeignHash:
    parameters = data.get("additionalParameters")
    if not isinstance(parameters, Mapping):
        raise _malformed("additionalParameters is missing")
    variant, memory, lanes = (_first(parameters, name) for name in ("type", "memory", "parallelism"))
    if _first(parameters, "version") != _KEYCLOAK_ARGON2_VERSION:
        raise UnusableHash("unknown_hash", "Argon2 is known here in its version 1.3 alone.")
    if not (_is_number(memory) and _is_number(lanes)):
        raise _malformed("memory and parallelism are numbers")
    return make_hash(output, f"argon2{variant[:8]}", salt, m=int(memory), t=iterations, p=int(lanes), l=len(output))


def _of_firebase(members: Mapping[str, object]) -> ForeignHash:
    """Join the Firebase hash of a user with the parameters of the project."""
    signer_key, salt, tag = (_either(members, name) for name in ("signerKey", "salt", "passwordHash"))
    separator = _either(members, "saltSeparator") if members.get("saltSeparator") else b""
    return _firebase(_number(members, "memCost"), _number(members, "rounds"), 1, salt + separator, signer_key, tag)


def _json(members: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = members[name]
    if isinstance(value, str):
        try:
            value = loads(value.encode("utf-8", "surrogatepass"))
        except StrictJsonError:
            raise _malformed(f"{name} is not JSON") from None
    if not isinstance(value, Mapping):
        raise _malformed(f"{name} is not an object")
    return value


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise _malformed(f"{name} is missing")
    return value


def _number(members: Mapping[str, object], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _malformed(f"{name} is not a whole number")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10  # noqa: PLR2004 - no number of a hash is longer


def _first(parameters: Mapping[str, object], name: str) -> str:
    """Return the one value of a parameter of Keycloak's, which stands in a list."""
    value = parameters.get(name)
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str):
        raise _malformed(f"{name} is missing")
    return str(value[0])


def _octets(members: Mapping[str, object], name: str) -> bytes:
    try:
        return b64decode(_text(members, name), validate=True)
    except (NotBase64, ValueError):
        raise _malformed(f"{name} is not Base64") from None


def _either(members: Mapping[str, object], name: str) -> bytes:
    """Return the octets of Base64 of either alphabet, padded or not."""
    text = _text(members, name).translate(_URL_SAFE).rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (NotBase64, ValueError):
        raise _malformed(f"{name} is not Base64") from None


def _malformed(what: str) -> UnusableHash:
    return UnusableHash("malformed_hash", f"This password hash cannot be read: {what}.")


def _unknown() -> UnusableHash:
    return UnusableHash("unknown_hash", "This is no password hash of a kind that is known here.")


_DIGEST_SIZES = MappingProxyType({"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64})
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_B64 = "[A-Za-z0-9+/]+"
_PADDED = f"{_B64}={{0,2}}"
_CRYPT64 = "[./A-Za-z0-9]"
_SALT_TEXT = "(?P<salt>[!-#%-~]{1,128})"  # printable ASCII, without the dollar
# The last characters of salt and output hold four and two unused bits, which must be zero.
_BCRYPT_COST, _ROUNDS = "(?P<cost>0[4-9]|[12][0-9]|3[01])", "(?P<cost>[4-9]|[12][0-9]|3[01])"
_BCRYPT_SALT, _BCRYPT_OUTPUT = f"(?P<salt>{_CRYPT64}{{21}}[.Oeu])", f"(?P<output>{_CRYPT64}{{31}})"
_BCRYPT = rf"\$2[aby]\${_BCRYPT_COST}\${_BCRYPT_SALT}{_BCRYPT_OUTPUT}"


def _number_as(name: str) -> str:
    return f"(?P<{name}>[1-9][0-9]{{0,9}})"


_M, _T, _P, _R, _N, _I, _L = map(_number_as, ("m", "t", "p", "r", "n", "i", "length"))
_LN = "(?P<ln>[1-9]|[12][0-9])"
_SALT, _TAG = f"(?P<salt>{_B64})", f"(?P<tag>{_B64})"
_FIREBASE_TEXT = (
    rf"\$fbscrypt\$v=1,n={_LN},r={_R},p={_P},ss=(?P<separator>(?:{_PADDED})?),sk=(?P<signer_key>{_PADDED})"
    rf"\$(?P<salt>{_PADDED})\$(?P<tag>{_PADDED})"
)
_PHPASS = f"(?P<rounds>{_CRYPT64})(?P<salt>{_CRYPT64}{{8}})"
_CRYPT = rf"(?:rounds={_number_as('rounds')}\$)?(?P<salt>{_CRYPT64}{{0,16}})\$"
_Build: TypeAlias = Callable[..., ForeignHash]
_SHAPES: tuple[tuple[str, _Build], ...] = (
    (rf"\$(?P<variant>argon2(?:id|i|d))\$v=19\$m={_M},t={_T},p={_P}\${_SALT}\${_TAG}", _argon2),
    (_BCRYPT, _bcrypt("bcrypt")),
    (rf"bcrypt_sha256\${_BCRYPT}", _bcrypt("bcrypt-sha256-hex")),  # Django
    (rf"\$wp{_BCRYPT}", _bcrypt("bcrypt-wordpress")),
    (rf"\$bcrypt-sha256\$2[ab],{_ROUNDS}\${_BCRYPT_SALT}\${_BCRYPT_OUTPUT}", _bcrypt("bcrypt-sha256")),
    (rf"\$bcrypt-sha256\$v=2,t=2b,r={_ROUNDS}\${_BCRYPT_SALT}\${_BCRYPT_OUTPUT}", _bcrypt("bcrypt-hmac-sha256")),
    (rf"\$scrypt\$ln={_LN},r={_R},p={_P}\${_SALT}\${_TAG}", _scrypt_phc),
    (rf"scrypt\${_N}\${_SALT_TEXT}\${_R}\${_P}\$(?P<tag>{_PADDED})", _scrypt_django),
    (rf"scrypt:{_N}:{_R}:{_P}\${_SALT_TEXT}\$(?P<tag>[0-9a-f]{{128}})", _scrypt_werkzeug),
    (rf"\$(?P<parameters>[1-9a-f][0-9a-f]{{4,7}})\$(?P<salt>{_PADDED})\$(?P<tag>{_PADDED})", _scrypt_spring),
    (_FIREBASE_TEXT, _firebase_text),
    (rf"\$pbkdf2-(?P<digest>sha1|sha256|sha512)\$i={_I},l={_L}\${_SALT}\${_TAG}", _pbkdf2_phc),
    (
        rf"\$pbkdf2(?:-(?P<digest>sha256|sha512))?\${_I}\$(?P<salt>[A-Za-z0-9./]+)\$(?P<tag>[A-Za-z0-9./]+)",
        _pbkdf2_passlib,
    ),
    (rf"pbkdf2_(?P<digest>sha1|sha256)\${_I}\${_SALT_TEXT}\$(?P<tag>{_PADDED})", _pbkdf2_django),
    (
        rf"pbkdf2:(?P<digest>sha1|sha256|sha512):{_I}\${_SALT_TEXT}\$(?P<tag>(?:[0-9a-f]{{2}})+)",
        _pbkdf2_werkzeug,
    ),
    (r"\{pbkdf2\}(?P<octets>[0-9a-f]{80})", _pbkdf2_spring),
    (r"(?P<text>A[A-P][A-Za-z0-9+/]{64}==)", _aspnet_v2),
    (r"(?P<text>AQAAAA[A-Za-z0-9+/]{50,}={0,2})", _aspnet_v3),
    (rf"\{{(?P<salted>(?i:s)?)(?P<scheme>(?i:sha(?:256|384|512)?|md5))\}}(?P<octets>{_PADDED})", _ldap),
    (r"(?P<digest>md5|sha1)\$(?P<salt>[!-#%-~]{0,128})\$(?P<tag>(?:[0-9a-f]{2})+)", _digest_django),
    (rf"\$[PH]\${_PHPASS}(?P<output>{_CRYPT64}{{22}})", _phpass("phpass-md5")),
    (rf"\$S\${_PHPASS}(?P<output>{_CRYPT64}{{43}})", _phpass("phpass-sha512")),
    (rf"U\$S\${_PHPASS}(?P<output>{_CRYPT64}{{43}})", _phpass("phpass-sha512-of-md5")),
    (rf"\$5\${_CRYPT}(?P<output>{_CRYPT64}{{43}})", _sha_crypt("sha256")),
    (rf"\$6\${_CRYPT}(?P<output>{_CRYPT64}{{86}})", _sha_crypt("sha512")),
)
"""Every form that a hash may have as a text, and what reads it."""

_FORMS = tuple((re.compile(shape), build) for shape, build in _SHAPES)
