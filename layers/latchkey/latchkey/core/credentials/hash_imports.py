"""Converts the hashes that other systems export into the text that a credential stores."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from types import MappingProxyType

from latchkey.core.credentials.foreign_hashes import UnusableHash, parse, unpadded
from latchkey.signing.strict_json import StrictJsonError, loads

_DJANGO_PREFIX = re.compile(r"(?:argon2(?=\$argon2)|bcrypt\$(?=\$2))")
_KEYCLOAK = frozenset({"secretData", "credentialData"})
_KEYCLOAK_BESIDE = frozenset({"id", "type", "userLabel", "createdDate", "priority", "temporary"})
_KEYCLOAK_PBKDF2 = MappingProxyType({"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"})
_KEYCLOAK_ARGON2_VERSION = "1.3"
_FIREBASE = frozenset({"passwordHash", "salt", "signerKey", "saltSeparator", "rounds", "memCost"})
_URL_SAFE = str.maketrans("-_", "+/")


def canonical_hash(exported: object) -> str:
    """Return the text to store for a hash, given as a text or as an object of Keycloak or Firebase.

    Raises `UnusableHash` for an unknown format, or a hash that is too expensive to check.
    """
    text = _of_object(exported) if isinstance(exported, Mapping) else exported
    if not isinstance(text, str):
        raise _malformed("a password hash is a text or an object")
    text = _DJANGO_PREFIX.sub("", text, count=1) if text.startswith(("argon2$", "bcrypt$")) else text
    parse(text)
    return text


def _of_object(members: Mapping[str, object]) -> str:
    if members.keys() >= _KEYCLOAK:
        _require_only(members, _KEYCLOAK | _KEYCLOAK_BESIDE)
        return _of_keycloak(members)
    _require_only(members, _FIREBASE)
    return _of_firebase(members)


def _require_only(members: Mapping[str, object], known: frozenset[str]) -> None:
    unknown = sorted(members.keys() - known)
    if unknown:
        raise _malformed(f"{unknown[0][:64]} is no member of it")


def _of_keycloak(members: Mapping[str, object]) -> str:
    """Read a credential of a realm export: its two parts are JSON within texts."""
    if members.get("type", "password") != "password":
        raise _malformed("this credential is no password")
    secret, data = _json(members, "secretData"), _json(members, "credentialData")
    salt, tag = _octets(secret, "salt"), _octets(secret, "value")
    iterations = _number(data, "hashIterations")
    algorithm = _text(data, "algorithm")
    if algorithm == "argon2":
        return _keycloak_argon2(data, iterations, salt, tag)
    if algorithm not in _KEYCLOAK_PBKDF2:
        raise UnusableHash("unknown_hash", f"Keycloak's {algorithm[:32]} is not known here.")
    digest = _KEYCLOAK_PBKDF2[algorithm]
    return f"$pbkdf2-{digest}$i={iterations},l={len(tag)}${unpadded(salt)}${unpadded(tag)}"


def _keycloak_argon2(data: Mapping[str, object], iterations: int, salt: bytes, tag: bytes) -> str:
    parameters = data.get("additionalParameters")
    if not isinstance(parameters, Mapping):
        raise _malformed("additionalParameters is missing")
    variant, memory, lanes = (_first(parameters, name) for name in ("type", "memory", "parallelism"))
    if _first(parameters, "version") != _KEYCLOAK_ARGON2_VERSION:
        raise UnusableHash("unknown_hash", "Argon2 is known here in its version 1.3 alone.")
    return f"$argon2{variant}$v=19$m={memory},t={iterations},p={lanes}${unpadded(salt)}${unpadded(tag)}"


def _of_firebase(members: Mapping[str, object]) -> str:
    """Join the Firebase hash of a user with the parameters of the project, as Supabase Auth writes them."""
    signer_key, salt, tag = (_standard(members, name) for name in ("signerKey", "salt", "passwordHash"))
    separator = _standard(members, "saltSeparator") if members.get("saltSeparator") else ""
    rounds, memory = _number(members, "rounds"), _number(members, "memCost")
    return f"$fbscrypt$v=1,n={memory},r={rounds},p=1,ss={separator},sk={signer_key}${salt}${tag}"


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


def _standard(members: Mapping[str, object], name: str) -> str:
    """Return Base64 of either alphabet, padded or not, in the standard one, padded."""
    text = _text(members, name).translate(_URL_SAFE).rstrip("=")
    try:
        return b64encode(b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except (NotBase64, ValueError):
        raise _malformed(f"{name} is not Base64") from None


def _malformed(what: str) -> UnusableHash:
    return UnusableHash("malformed_hash", f"This password hash cannot be read: {what}.")
