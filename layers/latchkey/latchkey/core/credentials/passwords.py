"""Passwords: the rules that they must satisfy, and their hashes."""

from __future__ import annotations

import hmac
import re
import unicodedata
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import InitVar, dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from latchkey.core.credentials.logins import context_words

if TYPE_CHECKING:
    from latchkey.core.credentials.foreign_hashes import ForeignHash, Recipe

MIN_LENGTH_FLOOR = 8
MIN_LENGTH_CEILING = 64
"""A password of 64 characters must always be allowed (NIST SP 800-63B-4 section 3.1.1.2)."""

MAX_BYTES = 1024
"""The most bytes, in UTF-8, that are ever normalised or hashed."""

FINGERPRINT_BYTES = 6
"""With 26,000 entries, one good password in ten billion is wrongly rejected as a listed one."""

NO_PASSWORD = "!"  # noqa: S105 - what stands where a hash would
"""The hash of an account without a password: it opens only after a password is set."""

SALT_BYTES = 16
TAG_BYTES = 32
OWASP_MEMORY_KIB = 19_456
OWASP_ITERATIONS = 2
MAX_MEMORY_KIB = 262_144
MAX_ITERATIONS = 10
MAX_LANES = 4

_BYTES_PER_CODE_POINT = 4
_FEW_CHARACTERS = 2
_SEPARATORS = " .,_+@-"  # what joins words
_COUNTING_UP = frozenset({1, -9})  # 9 is followed by 0
_COUNTING_DOWN = frozenset({-1, 9})
WRAPPED_PREFIX = "$argon2id-wrap$"
"""How the text of a wrapped hash begins: `$argon2id-wrap$v=19$m=…,t=…,p=…$salt$tag` and then the recipe."""

_STORED = re.compile(
    r"\$argon2id(?P<wrap>-wrap)?\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,9})"
    r"\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"  # 16 and 32 bytes: only what is written here
    r"(?P<recipe>(?(wrap)\$.+))"
)


class Weakness(StrEnum):
    """Why a password may not be set."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    COMMON = "common"
    CONTEXT = "context"
    TRIVIAL = "trivial"
    BAD_CHARACTERS = "bad_characters"


class WeakPassword(ValueError):
    """A password that may not be set; `message` is a public sentence that says why."""

    def __init__(self, code: Weakness, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WrongPassword(Exception):
    """The password is not the one that was hashed.

    `corrupt` is only for the log: it says that the stored text is not a known hash.
    """

    def __init__(self, *, corrupt: bool = False) -> None:
        super().__init__("wrong password")
        self.corrupt = corrupt


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules for a new password: `min_length` in code points, `max_bytes` in UTF-8; no composition rules.

    Raise `ValueError` when the numbers are out of bounds or a service word is empty.
    """

    min_length: int = MIN_LENGTH_FLOOR
    max_bytes: int = MAX_BYTES
    service_words: tuple[str, ...] = ("latchkey",)

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not MIN_LENGTH_FLOOR <= self.min_length <= MIN_LENGTH_CEILING:
            message = f"min_length must be {MIN_LENGTH_FLOOR} to {MIN_LENGTH_CEILING}"
            raise ValueError(message)
        if not MIN_LENGTH_CEILING * _BYTES_PER_CODE_POINT <= self.max_bytes <= MAX_BYTES:
            message = f"max_bytes must be {MIN_LENGTH_CEILING * _BYTES_PER_CODE_POINT} to {MAX_BYTES}"
            raise ValueError(message)
        if not all(self.service_words):
            message = "a service word is empty"
            raise ValueError(message)


class BlockList:
    """A set of common passwords, kept as the sorted `fingerprint` of each, one after the other.

    Raise `ValueError` when `data` is not a whole number of fingerprints.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % FINGERPRINT_BYTES:
            message = "the block list is truncated"
            raise ValueError(message)
        self._data = data

    def __len__(self) -> int:
        return len(self._data) // FINGERPRINT_BYTES

    def __contains__(self, password: str) -> bool:
        wanted = fingerprint(password)
        index = bisect_left(range(len(self)), wanted, key=self._entry)
        return self._entry(index) == wanted  # past the end there is an empty entry

    def _entry(self, index: int) -> bytes:
        return self._data[index * FINGERPRINT_BYTES : (index + 1) * FINGERPRINT_BYTES]


def fingerprint(password: str) -> bytes:
    """Return the fingerprint that a block list stores of a password: a truncated SHA-256 that ignores case."""
    return sha256(_folded(password).encode()).digest()[:FINGERPRINT_BYTES]


def normalise(password: str) -> str:
    """Return a password as it is compared: in NFC, with plain blanks, cased as typed.

    This is OpaqueString of RFC 8265 section 4.2. Applied twice, it returns the same as once. Unassigned code
    points and joiners are let through: they are the emoji of a newer phone. Raise `WeakPassword` when it is empty,
    longer than 1024 bytes, or has control characters or lone surrogates.
    """
    _refuse_longer_than(MAX_BYTES, password)
    if not password:
        raise WeakPassword(Weakness.TOO_SHORT, "A password cannot be empty.")
    categories = [unicodedata.category(character) for character in password]
    if {"Cc", "Cs"} & set(categories):
        raise WeakPassword(Weakness.BAD_CHARACTERS, "A password cannot hold control characters or broken Unicode.")
    blanks = "".join(
        " " if category == "Zs" else character for character, category in zip(password, categories, strict=True)
    )
    normal = unicodedata.normalize("NFC", blanks)
    _refuse_longer_than(MAX_BYTES, normal)  # NFC lengthens some scripts up to threefold
    return normal


def check_password(password: str, *, login: str, rules: PasswordRules, blocklist: BlockList) -> str:
    """Return a new password, normalised, if the canonical `login` may have it; raise `WeakPassword` otherwise.

    NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 6.2.1, 6.2.4, 6.2.5 and 6.2.11.
    """
    _refuse_longer_than(rules.max_bytes, password)
    normal = normalise(password)
    if len(normal) < rules.min_length:
        raise WeakPassword(Weakness.TOO_SHORT, f"A password needs at least {rules.min_length} characters.")
    if normal in blocklist:
        raise WeakPassword(Weakness.COMMON, "This password is on the list of the most common ones.")
    folded = _folded(normal)
    if _is_trivial(folded):
        raise WeakPassword(Weakness.TRIVIAL, "This password is one or two characters repeated, or a plain sequence.")
    bare = _without(folded, (*rules.service_words, *context_words(login)))
    if bare != folded and _is_weak_remainder(bare.strip(_SEPARATORS), blocklist):
        raise WeakPassword(Weakness.CONTEXT, "This password is little more than your login or the name of the service.")
    return normal


def _is_affordable(memory_kib: int, iterations: int, lanes: int) -> bool:
    # RFC 9106 section 3.1: at least 8 KiB of memory per lane.
    return 1 <= lanes <= MAX_LANES and 8 * lanes <= memory_kib <= MAX_MEMORY_KIB and 1 <= iterations <= MAX_ITERATIONS


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """The cost of hashing a password, in the terms of RFC 9106 section 3.1: m in KiB, t iterations, p lanes.

    The defaults are OWASP's minimum (Password Storage Cheat Sheet). Raise `ValueError` below it, unless
    `for_tests_only` is set, and above the highest cost that a stored hash may have.
    """

    memory_kib: int = OWASP_MEMORY_KIB
    iterations: int = OWASP_ITERATIONS
    lanes: int = 1
    for_tests_only: InitVar[bool] = False

    def __post_init__(self, for_tests_only: bool) -> None:
        """Check the bounds."""
        is_strong = self.memory_kib >= OWASP_MEMORY_KIB and self.iterations >= OWASP_ITERATIONS
        if not (is_strong or for_tests_only):
            message = "the cost is below OWASP's minimum of 19 MiB and 2 iterations"
            raise ValueError(message)
        if not _is_affordable(self.memory_kib, self.iterations, self.lanes):
            message = f"the cost must be within {MAX_MEMORY_KIB} KiB, {MAX_ITERATIONS} iterations, {MAX_LANES} lanes"
            raise ValueError(message)


CHEAPEST_FOR_TESTS = Argon2Cost(memory_kib=8, iterations=1, lanes=1, for_tests_only=True)
"""The least work that Argon2id can do. It protects nothing: for tests only."""


def hash_password(password: str, cost: Argon2Cost, salt: bytes) -> str:
    """Return the PHC string of a password, normalised, under 16 random bytes of `salt`.

    Raise `WeakPassword` when it cannot be normalised and `ValueError` when the salt has another length.
    """
    if len(salt) != SALT_BYTES:
        message = f"the salt must have {SALT_BYTES} bytes"
        raise ValueError(message)
    octets = normalise(password).encode()
    return _argon2id(cost.memory_kib, cost.iterations, cost.lanes, salt).derive_phc_encoded(octets)


def protect(foreign: ForeignHash, cost: Argon2Cost, salt: bytes) -> str:
    """Return the text to store for a hash of another system, so that no weak hash is in the table.

    An Argon2id hash as `hash_password` makes them, at OWASP's minimum or above, stays as it is: wrapping it would add
    work and no strength. Any other is wrapped: Argon2id of its output, under 16 random bytes of `salt`, with its recipe
    beside it.
    """
    plain = _plain_text(foreign)
    if is_strong(plain):
        return plain
    phc = _argon2id(cost.memory_kib, cost.iterations, cost.lanes, salt).derive_phc_encoded(foreign.output)
    return WRAPPED_PREFIX + phc.removeprefix("$argon2id$") + foreign.recipe.text


def is_strong(text: str) -> bool:
    """Say whether a text is a hash or a wrapped hash as they are stored here, at OWASP's minimum or above."""
    stored = _parse(text)
    return stored is not None and stored.memory_kib >= OWASP_MEMORY_KIB and stored.iterations >= OWASP_ITERATIONS


def is_hash_of(text: str, foreign: ForeignHash) -> bool:
    """Say whether a stored text holds this hash of another system. Takes one Argon2id hash if the recipes agree."""
    stored = _parse(text)
    if stored is None:
        return False
    if stored.recipe is None:
        return hmac.compare_digest(text.encode(), _plain_text(foreign).encode())
    return stored.recipe == foreign.recipe and stored.proves(foreign.output)


def recipe_of(text: str) -> Recipe | None:
    """Return the recipe of a wrapped hash, or `None` if the text is none."""
    stored = _parse(text)
    return stored.recipe if stored else None


def verify_password(password: str, text: str, cost: Argon2Cost) -> bool:
    """Prove a password against its stored hash; return whether a rehash is due, because `cost` has risen since.

    A wrapped hash is always due. Raise `WrongPassword` if the password is wrong. It is `corrupt` if the hash is of an
    unknown kind or asks for more work than is allowed. That takes the same time, so callers cannot notice it.
    """
    stored = _parse(text)
    if stored is None:
        spend_time(password, cost)
        raise WrongPassword(corrupt=text != NO_PASSWORD)
    # An empty guess takes its time and proves nothing: other systems may have hashed an empty password.
    if not any(stored.matches(guess) and guess for guess in _guesses(password)):
        raise WrongPassword
    is_old = stored.memory_kib < cost.memory_kib or stored.iterations < cost.iterations
    return is_old or stored.recipe is not None


def spend_time(password: str, cost: Argon2Cost) -> None:
    """Do the work of `verify_password` for an unknown login, so that the time does not reveal it (ASVS 5.0 6.3.8).

    A hash older than the last rise of `cost` is checked at its own cost until its owner signs in, and a wrapped one
    takes the work of the other system besides. Until then, the time of a response may reveal that such an account
    exists.
    """
    for guess in _guesses(password):
        _argon2id(cost.memory_kib, cost.iterations, cost.lanes, bytes(SALT_BYTES)).derive(guess)


@dataclass(frozen=True, slots=True)
class _StoredHash:
    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes
    tag: bytes
    recipe: Recipe | None

    def matches(self, guess: bytes) -> bool:
        return self.proves(self.recipe.derive(guess) if self.recipe else guess)

    def proves(self, octets: bytes) -> bool:
        try:
            _argon2id(self.memory_kib, self.iterations, self.lanes, self.salt).verify(octets, self.tag)
        except InvalidKey:
            return False
        return True


def _parse(text: str) -> _StoredHash | None:
    match = _STORED.fullmatch(text)
    if match is None:
        return None
    memory_kib, iterations, lanes = map(int, match.group(2, 3, 4))
    # Someone who can write to the store must not be able to make a login take gigabytes.
    if not _is_affordable(memory_kib, iterations, lanes):
        return None
    recipe = None
    if match["recipe"]:
        from latchkey.core.credentials.foreign_hashes import UnusableHash, parse_recipe

        try:
            recipe = parse_recipe(match["recipe"])
        except UnusableHash:
            return None
    return _StoredHash(memory_kib, iterations, lanes, b64decode(match[5] + "=="), b64decode(match[6] + "="), recipe)


def _plain_text(foreign: ForeignHash) -> str:
    """Return the PHC string that an Argon2id hash of another system has; an empty text for any other kind."""
    recipe = foreign.recipe
    if recipe.kind != "argon2id":
        return ""
    m, t, p, _ = recipe.numbers.values()
    salt, tag = (b64encode(octets).decode().rstrip("=") for octets in (recipe.salt, foreign.output))
    return f"$argon2id$v=19$m={m},t={t},p={p}${salt}${tag}"


def _argon2id(memory_kib: int, iterations: int, lanes: int, salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=TAG_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory_kib)


def _guesses(password: str) -> tuple[bytes, ...]:
    """Return the octets that may have been hashed: the normalised password and, if it differs, the password as typed.

    Other systems hashed the password as typed, and their Argon2id hashes look exactly like ours.
    """
    try:
        normal = normalise(password)
    except WeakPassword:
        return (b"",)  # no account can have this password
    return tuple(dict.fromkeys((normal.encode(), password.encode())))


def _refuse_longer_than(max_bytes: int, password: str) -> None:
    # "surrogatepass" leaves the verdict on surrogates to `normalise`.
    if len(password.encode("utf-8", "surrogatepass")) > max_bytes:
        raise WeakPassword(Weakness.TOO_LONG, f"A password can have at most {max_bytes} bytes.")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def _is_weak_remainder(rest: str, blocklist: BlockList) -> bool:
    return len(rest) < MIN_LENGTH_FLOOR or rest in blocklist or _is_trivial(rest)


def _is_trivial(folded: str) -> bool:
    if len(set(folded)) <= _FEW_CHARACTERS:
        return True
    steps = {ord(after) - ord(before) for before, after in pairwise(folded)}
    return steps <= _COUNTING_UP or steps <= _COUNTING_DOWN


def _without(folded: str, words: Iterable[str]) -> str:
    longest_first = sorted(map(_folded, words), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    before = None
    while folded != before:  # removing a word may join the halves of another
        before, folded = folded, pattern.sub("", folded)
    return folded
