"""Password hashes of other systems: how each kind is computed, and what that costs.

A recipe is everything about such a hash but its output: the kind, its numbers and its salt. A credential stores the
recipe beside an Argon2id hash of the output (`passwords.py`), and the output itself is never stored.

The import rejects a recipe that takes more than `MAX_SECONDS` of a CPU or `MAX_MEMORY` bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id

from latchkey.core.credentials.sha_crypt import FEWEST_ROUNDS, LENGTHS, LONGEST_SALT, sha_crypt

MAX_TEXT = 1024
"""Characters of a hash of any kind."""

MAX_SECONDS = 0.95
"""CPU seconds that a recipe may take. With our own Argon2id on top, a sign-in stays at about a second."""

MAX_MEMORY = 2**28
"""Bytes that a recipe may take."""

MAX_ARGON2_LANES = 16

BCRYPT_READS = 72
"""Bytes of a password that bcrypt has ever looked at."""

# Microseconds of one vCPU, by `tests/bench/foreign_hashes.py`: Intel Xeon (Sapphire Rapids), both threads of its core
# busy, OpenSSL 3.0 without the CPU's SHA instructions, the longest password. Lambda gives one such vCPU at 1,769 MB.
# An Arm or an Intel CPU with SHA instructions is up to twice as fast at PBKDF2.
_ARGON2_KIB = 1.4  # per KiB and pass
_ARGON2_THREAD = 12.0  # per lane, pass and quarter, if there are several lanes
_BCRYPT = 85.0  # per 2^cost
_SCRYPT_MIX = 0.55  # per n, r and p
_SCRYPT_EDGE = 3.0  # per r and p: the PBKDF2 before the mixing
_SCRYPT_OUT = 0.6  # per r and p, and 32 bytes of output: the PBKDF2 behind it
_PBKDF2 = MappingProxyType({"sha1": 0.44, "sha256": 0.62, "sha512": 0.78})  # per iteration, and block of output
_PHPASS = MappingProxyType({"md5": 3.0, "sha512": 3.6})  # per iteration
_SHA_CRYPT = MappingProxyType({"sha256": 8.0, "sha512": 6.0})  # per round

_DIGESTS = MappingProxyType({"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64})
_SHORTEST_OUTPUT = 16
_LONGEST = 128  # bytes of a salt or an output
_BCRYPT_SALT = re.compile(rb"[./A-Za-z0-9]{21}[.Oeu]")  # the last character holds four unused bits
_PHPASS_SALT = re.compile(rb"[./A-Za-z0-9]{8}")
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIR = "[a-z]{1,2}=[0-9]{1,10}"
_FORM = re.compile(rf"\$([a-z0-9-]{{1,32}})\$((?:{_PAIR}(?:,{_PAIR}){{0,3}})?)\$([A-Za-z0-9+/]*)")

Numbers = Mapping[str, int]
"""The numbers of a recipe, by their names in its text."""


class UnusableHash(ValueError):
    """A hash that cannot be used to sign in here: `code` is stable, `message` is a public sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of hash: the names of its numbers, and what its recipes do with them and a salt."""

    names: tuple[str, ...]
    derive: Callable[[Numbers, bytes, bytes], bytes]
    microseconds: Callable[[Numbers], float]
    length: Callable[[Numbers], int]
    accepts: Callable[[Numbers, bytes], bool]
    memory: Callable[[Numbers], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to compute a hash. The text that `parse_recipe` reads back is all there is to it."""

    kind: str
    numbers: Numbers
    salt: bytes

    @property
    def text(self) -> str:
        """The recipe as a credential stores it: `$kind$name=number,…$salt`, in the manner of a PHC string."""
        numbers = ",".join(f"{name}={self.numbers[name]}" for name in _KINDS[self.kind].names)
        return f"${self.kind}${numbers}${unpadded(self.salt)}"

    @property
    def seconds(self) -> float:
        """The CPU seconds that the model of this module expects."""
        return _KINDS[self.kind].microseconds(self.numbers) / 1e6

    @property
    def length(self) -> int:
        """The bytes of the output."""
        return _KINDS[self.kind].length(self.numbers)

    def derive(self, password: bytes) -> bytes:
        """Return what the other system computed of a password, as the kind defines it."""
        return _KINDS[self.kind].derive(self.numbers, self.salt, password)


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash of another system: a recipe, and what it gave for the password."""

    recipe: Recipe
    output: bytes = field(repr=False)


def make_recipe(kind: str, salt: bytes, **numbers: int) -> Recipe:
    """Return a recipe. Raises `UnusableHash` if it is malformed, or costs more than a sign-in may."""
    rules = _KINDS.get(kind)
    if rules is None or tuple(numbers) != rules.names:
        raise UnusableHash("unknown_hash", "This is no password hash of a kind that is known here.")
    if min(numbers.values(), default=1) < 1 or len(salt) > _LONGEST:
        raise malformed()
    if rules.memory(numbers) > MAX_MEMORY or rules.microseconds(numbers) > MAX_SECONDS * 1e6:
        raise UnusableHash("hash_too_costly", "To check this password hash would take more work than a sign-in may.")
    if not rules.accepts(numbers, salt):
        raise malformed()
    return Recipe(kind, MappingProxyType(numbers), salt)


def make_hash(output: bytes, kind: str, salt: bytes, **numbers: int) -> ForeignHash:
    """Return a hash. Raises `UnusableHash` as `make_recipe` does, and if the output has another length."""
    recipe = make_recipe(kind, salt, **numbers)
    if len(output) != recipe.length:
        raise malformed()
    return ForeignHash(recipe, output)


def parse_recipe(text: str) -> Recipe:
    """Return the recipe of a text in its one form. Raises `UnusableHash`."""
    found = _FORM.fullmatch(text) if len(text) <= MAX_TEXT else None
    if found is None:
        raise malformed()
    numbers = dict(pair.split("=") for pair in found[2].split(",")) if found[2] else {}
    recipe = make_recipe(found[1], decoded(found[3]), **{name: int(value) for name, value in numbers.items()})
    if recipe.text != text:
        raise malformed()
    return recipe


def unpadded(octets: bytes) -> str:
    """Return octets as a PHC string writes them: Base64 without its padding."""
    return b64encode(octets).decode().rstrip("=")


def decoded(text: str, *, padded: bool = False) -> bytes:
    """Return the octets of Base64 in its one canonical form. Raises `UnusableHash`."""
    try:
        found = b64decode(text if padded else text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise malformed() from None
    if text != (b64encode(found).decode() if padded else unpadded(found)):
        raise malformed()
    return found


def malformed() -> UnusableHash:
    """Return the error of a hash that is not written as its kind requires."""
    return UnusableHash("malformed_hash", "This password hash is not written as its kind asks.")


def _own_length(numbers: Numbers) -> int:
    return numbers["l"]


def _fits(numbers: Numbers) -> bool:
    return _SHORTEST_OUTPUT <= numbers["l"] <= _LONGEST


def _argon2(variant: type[Argon2id | Argon2i | Argon2d]) -> _Kind:
    def derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
        m, t, p, length = numbers.values()
        return variant(salt=salt, length=length, iterations=t, lanes=p, memory_cost=m).derive(password)

    def microseconds(numbers: Numbers) -> float:
        m, t, p, _ = numbers.values()
        return _ARGON2_KIB * m * t + (_ARGON2_THREAD * 4 * t * p if p > 1 else 0)

    def accepts(numbers: Numbers, salt: bytes) -> bool:
        m, _, p, _ = numbers.values()
        # RFC 9106 section 3.1: at least 8 KiB a lane, and 8 bytes of salt.
        return _fits(numbers) and p <= MAX_ARGON2_LANES and m >= 8 * p and len(salt) >= 8  # noqa: PLR2004

    return _Kind(("m", "t", "p", "l"), derive, microseconds, _own_length, accepts, lambda numbers: numbers["m"] * 1024)


def _bcrypt(prepared: Callable[[bytes, bytes], bytes]) -> _Kind:
    """Return bcrypt of a prepared password. The output is the text behind the salt, in bcrypt's own Base64."""

    def derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
        import bcrypt

        settings = b"$2b$%02d$" % numbers["r"] + salt
        return bcrypt.hashpw(prepared(password, salt)[:BCRYPT_READS], settings)[len(settings) :]

    def accepts(numbers: Numbers, salt: bytes) -> bool:
        return numbers["r"] >= 4 and _BCRYPT_SALT.fullmatch(salt) is not None  # noqa: PLR2004 - bcrypt's least

    return _Kind(("r",), derive, lambda numbers: _BCRYPT * 2.0 ** min(numbers["r"], 64), lambda _: 31, accepts)


def _scrypt_memory(numbers: Numbers) -> int:
    ln, r, p, _ = numbers.values()
    return int(128 * r * (2 ** min(ln, 64) + p + 2))


def _scrypt_microseconds(numbers: Numbers) -> float:
    ln, r, p, length = numbers.values()
    blocks = -(-length // 32)
    return r * p * (_SCRYPT_MIX * 2.0 ** min(ln, 64) + _SCRYPT_EDGE + _SCRYPT_OUT * blocks)


def _scrypt_accepts(numbers: Numbers, salt: bytes) -> bool:
    return _fits(numbers) and bool(salt) and numbers["ln"] < 16 * numbers["r"]  # RFC 7914 section 2


def _scrypt_derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
    ln, r, p, length = numbers.values()
    # OpenSSL counts some buffers more than the bound does.
    return hashlib.scrypt(password, salt=salt, n=2**ln, r=r, p=p, dklen=length, maxmem=MAX_MEMORY + MAX_MEMORY // 4)


def _firebase_derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
    """Return the key stream with which Firebase encrypts the signer key of a project: its scrypt gives the key."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = _scrypt_derive({**numbers, "l": 32}, salt, password)
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(numbers["l"]))


def _pbkdf2(digest: str) -> _Kind:
    def derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
        return hashlib.pbkdf2_hmac(digest, password, salt, numbers["i"], numbers["l"])

    def microseconds(numbers: Numbers) -> float:
        # Each block of output iterates again (RFC 8018 section 5.2).
        return _PBKDF2[digest] * numbers["i"] * -(-numbers["l"] // _DIGESTS[digest])

    return _Kind(("i", "l"), derive, microseconds, _own_length, lambda numbers, salt: _fits(numbers) and len(salt) > 0)


def _digest(digest: str, *, salt_first: bool = False) -> _Kind:
    def derive(_: Numbers, salt: bytes, password: bytes) -> bytes:
        return _hashed(digest, salt + password if salt_first else password + salt)

    return _Kind((), derive, lambda _: 10.0, lambda _: _DIGESTS[digest], lambda *_: True)


def _phpass(digest: str, length: int, prepared: Callable[[bytes], bytes] = lambda password: password) -> _Kind:
    """Return the hash of phpass (WordPress, phpBB, Drupal 7). The output is its text, in its own Base64."""

    def derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
        typed = prepared(password)
        state = _hashed(digest, salt + typed)
        for _ in range(2 ** numbers["r"]):
            state = _hashed(digest, state + typed)
        return _itoa64(state)[:length]

    def accepts(numbers: Numbers, salt: bytes) -> bool:
        return numbers["r"] >= 7 and _PHPASS_SALT.fullmatch(salt) is not None  # noqa: PLR2004 - the least of phpass

    return _Kind(
        ("r",), derive, lambda numbers: _PHPASS[digest] * 2.0 ** min(numbers["r"], 64), lambda _: length, accepts
    )


def _sha_crypt(digest: str) -> _Kind:
    def derive(numbers: Numbers, salt: bytes, password: bytes) -> bytes:
        return sha_crypt(digest, password, salt, numbers["r"])

    def accepts(numbers: Numbers, salt: bytes) -> bool:
        return numbers["r"] >= FEWEST_ROUNDS and len(salt) <= LONGEST_SALT

    return _Kind(("r",), derive, lambda numbers: _SHA_CRYPT[digest] * numbers["r"], lambda _: LENGTHS[digest], accepts)


def _hashed(digest: str, octets: bytes) -> bytes:
    return hashlib.new(digest, octets, usedforsecurity=False).digest()


def _itoa64(octets: bytes) -> bytes:
    """Return octets in the Base64 of phpass: the lowest six bits come first."""
    groups = [octets[start : start + 3] for start in range(0, len(octets), 3)]
    text = "".join(
        _ITOA64[int.from_bytes(group, "little") >> 6 * place & 63]
        for group in groups
        for place in range(len(group) + 1)
    )
    return text.encode()


def _hmac_base64(key: bytes, password: bytes, digest: str) -> bytes:
    return b64encode(hmac.digest(key, password, digest))


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "argon2id": _argon2(Argon2id),
        "argon2i": _argon2(Argon2i),
        "argon2d": _argon2(Argon2d),
        "bcrypt": _bcrypt(lambda password, _: password),
        # Django's BCryptSHA256PasswordHasher
        "bcrypt-sha256-hex": _bcrypt(lambda password, _: _hashed("sha256", password).hex().encode()),
        # passlib's bcrypt_sha256, in its first and its second version
        "bcrypt-sha256": _bcrypt(lambda password, _: b64encode(_hashed("sha256", password))),
        "bcrypt-hmac-sha256": _bcrypt(lambda password, salt: _hmac_base64(salt, password, "sha256")),
        # WordPress since 6.8, which cuts white space off a password
        "bcrypt-wordpress": _bcrypt(lambda password, _: _hmac_base64(b"wp-sha384", password.strip(), "sha384")),
        "scrypt": _Kind(
            ("ln", "r", "p", "l"), _scrypt_derive, _scrypt_microseconds, _own_length, _scrypt_accepts, _scrypt_memory
        ),
        "fbscrypt": _Kind(
            ("ln", "r", "p", "l"), _firebase_derive, _scrypt_microseconds, _own_length, _scrypt_accepts, _scrypt_memory
        ),
        **{f"pbkdf2-{digest}": _pbkdf2(digest) for digest in _PBKDF2},
        **{f"{digest}-password-salt": _digest(digest) for digest in _DIGESTS},
        **{f"{digest}-salt-password": _digest(digest, salt_first=True) for digest in ("md5", "sha1")},
        "phpass-md5": _phpass("md5", 22),
        "phpass-sha512": _phpass("sha512", 43),
        # Drupal 7, of a password that Drupal 6 had stored as an MD5
        "phpass-sha512-of-md5": _phpass("sha512", 43, lambda password: _hashed("md5", password).hex().encode()),
        **{f"crypt-{digest}": _sha_crypt(digest) for digest in LENGTHS},
    }
)
