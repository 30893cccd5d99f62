"""Password hashes of other systems: read in their exact form, wrapped, and proven by the password that they had."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any

import bcrypt
import pytest
from werkzeug.security import generate_password_hash

from latchkey.core.credentials.foreign_hashes import (
    MAX_SECONDS,
    ForeignHash,
    UnusableHash,
    make_hash,
    make_recipe,
    parse_recipe,
)
from latchkey.core.credentials.hash_imports import WrappedHash, read_hash
from latchkey.core.credentials.passwords import (
    CHEAPEST_FOR_TESTS,
    NO_PASSWORD,
    WRAPPED_PREFIX,
    Argon2Cost,
    WrongPassword,
    hash_password,
    is_hash_of,
    is_strong,
    protect,
    recipe_of,
    verify_password,
)

SALT = b"sixteen bytes ok"
SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
FIREBASE = {
    "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    "salt": "42xEC+ixf3L2lw==",
    "signerKey": SIGNER_KEY,
    "saltSeparator": "Bw==",
    "rounds": 8,
    "memCost": 14,
}
"""The example of Firebase's own description of its scrypt."""

SUPABASE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
    "sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw=="
    "$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="
)
KEYCLOAK = {
    "type": "password",
    "credentialData": '{"hashIterations": 27500, "algorithm": "pbkdf2-sha256"}',
    "secretData": '{"salt": "x/bm4Y3DcuV9eU97ervkPA==", "value": "1u7BLvfSPxQFpwc5jpGSA+88EGl9pZYKhaZ8YPIu9N4="}',
}
BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


def keycloak_argon2(**changes: Any) -> dict[str, str]:
    """Return Keycloak's form of a hash that Django's tests have."""
    parameters = {"hashLength": ["16"], "memory": ["8"], "type": ["i"], "version": ["1.3"], "parallelism": ["1"]}
    data = {"hashIterations": 1, "algorithm": "argon2", "additionalParameters": parameters | changes}
    secret = {"value": "YC9+jJCrQhs5R6db7LlN8Q==", "salt": "c2FsdHNhbHQ=", "additionalParameters": {}}
    return {"secretData": json.dumps(secret), "credentialData": json.dumps(data)}


LIBRARY = "lètmein"
"""The password of the hashes that passlib 1.7.4, Django 5.2 and Werkzeug 3.1 made for these tests, at a low cost."""

KNOWN: dict[str, tuple[object, str]] = {
    "Argon2i of Django": ("argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "secret"),
    "Argon2id of passlib": (
        "$argon2id$v=19$m=64,t=1,p=1$zNkbAwBACEGIMcbYm5PS+g$59GuhPpWQ2QKeb7fs53hU73rrbikkfs+Aa2zt6gIeM4",
        LIBRARY,
    ),
    "Argon2 of Keycloak": (keycloak_argon2(), "secret"),
    "bcrypt 2a": (BCRYPT, "U*U"),
    "bcrypt 2b": (BCRYPT.replace("$2a", "$2b"), "U*U"),
    "bcrypt 2y": (BCRYPT.replace("$2a", "$2y"), "U*U"),
    "bcrypt of Django": ("bcrypt$" + BCRYPT, "U*U"),
    "bcrypt of Spring": ("{bcrypt}" + BCRYPT, "U*U"),
    "bcrypt of LDAP": ("{CRYPT}" + BCRYPT, "U*U"),
    "bcrypt and SHA-256 of Django": (
        "bcrypt_sha256$$2b$04$LCkhjskNHV66mX/ln6e1ueifD.BT6s9As3UDHRHaPiHt/4IZLqh9u",
        LIBRARY,
    ),
    "bcrypt and SHA-256 of passlib": (
        "$bcrypt-sha256$v=2,t=2b,r=4$nRb.eADqybmr8naXcuhL9u$X8br05xMcZfqSxA6OtEQqE4qyDHqEV2",
        LIBRARY,
    ),
    "bcrypt and SHA-256 of passlib, version 1": (
        "$bcrypt-sha256$2b,4$ED2OIenYSGtNEOWqmTSKne$Gz4hrCXq6RvDADBKGPVxpP62Nfovhii",
        LIBRARY,
    ),
    "scrypt of passlib, PHC": (
        "$scrypt$ln=4,r=8,p=1$TMl5bw0BwPi/V8o55xzDGA$QZ3p2j40CMvgx15yQmVqFllBgJT43pcWt+9zzSKr034",
        LIBRARY,
    ),
    "scrypt of Django": (
        "scrypt$16$seasalt$8$5$MNagTUULbE3qWBc16teWuFMMKJ7rbwPWx9H5NpJO2+i52+SwrIyLVZPFd3fT/YR6qTKaYLhMqyA9+pkPX+3Qcw==",
        LIBRARY,
    ),
    "scrypt of Werkzeug": (generate_password_hash(LIBRARY, "scrypt:1024:8:1"), LIBRARY),
    "PBKDF2 of Django": ("pbkdf2_sha256$29$seasalt$n4mwCo2UuhIEgnlmWeVAolT6fSLNpcH7fhqJePdgyc4=", LIBRARY),
    "PBKDF2 of Django, SHA-1 (RFC 6070)": ("pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=", "password"),
    "PBKDF2 of Keycloak": (KEYCLOAK, "admin"),
    **{
        f"PBKDF2 of Werkzeug, {digest}": (generate_password_hash(LIBRARY, f"pbkdf2:{digest}:29"), LIBRARY)
        for digest in ("sha1", "sha256", "sha512")
    },
    "PBKDF2 of passlib, SHA-1": ("$pbkdf2$13$oTRmDKGU0lqL0bp3LgUg5A$.PZ2qKythpFeNCZZus7a9GCoU/A", LIBRARY),
    "PBKDF2 of passlib": (
        "$pbkdf2-sha256$29$37sXQghBSOm91/rfuzdGyA$9scr.6DDX9BqjI5QOYX/rw91TB7wjbESWaSKw6P3OdU",
        LIBRARY,
    ),
    "PBKDF2 of passlib, SHA-512": (
        (
            "$pbkdf2-sha512$25$wlhLaU2plRICwHgPYWytNQ"
            "$0ZMxvAyMFBqd2ZXVS9SjY3aDmNgXWfoyIK9McJJPXix8TVtgVNi2pajRB/K2EeyicXOW6cK1F1KiGewrTuZeRQ"
        ),
        LIBRARY,
    ),
    # The next four are those of ASP.NET Core's own tests.
    "ASP.NET Identity 2": ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", "my password"),
    "ASP.NET Core, SHA-1": ("AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", "my password"),
    "ASP.NET Core, SHA-256": (
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        "my password",
    ),
    "ASP.NET Core, SHA-512": (
        (
            "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+"
            "ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw=="
        ),
        "my password",
    ),
    "LDAP, MD5": ("{MD5}iKQ0yIzKTpAPeHTNmBI/Qw==", LIBRARY),
    "LDAP, salted MD5": ("{SMD5}c39tvEAQOs+5cZjgjajgs11rrZU=", LIBRARY),
    "LDAP, SHA-1": ("{SHA}bROMo65UVjGzq9caTwds51nFcAs=", LIBRARY),
    "LDAP, salted SHA-1": ("{SSHA}3Px1P+JqeRUmMLTF73uK4osMPu9rLUUI", LIBRARY),
    "LDAP, salted SHA-1, by way of Spring": ("{ldap}{SSHA}3Px1P+JqeRUmMLTF73uK4osMPu9rLUUI", LIBRARY),
    "LDAP, salted SHA-256": (
        "{SSHA256}WsPrsWJSYfjfA78CKfzh/NaTwXinQtgbv40SzWdtClo8JwSAEGLsXQ==",
        LIBRARY,
    ),
    "LDAP, salted SHA-512": (
        "{SSHA512}E9eXGLMbpAm6W0a/xIuths5MS2fyM1q+z84+WtsdDganRutoWFwgGL5tcNqjUGH6+GCEIbBgf5J/+eOem0IVDYuR8h4jxLjX",
        LIBRARY,
    ),
    "MD5 of Django": ("md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3", LIBRARY),
    "phpass": ("$P$5PyV1Fv94bLKUa6GhLgVWKpGh/leHy.", LIBRARY),
    "SHA-256-crypt": ("$5$rounds=1000$b8A/3u8DxsBEp6MA$lEZaOX4AoWC9mY3GNPmqkLayvzBPJ487lJNmg.pXnn4", LIBRARY),
    "SHA-512-crypt": (
        (
            "$6$rounds=1000$/tjHjQkz05qNGbE9"
            "$PgxdAigx7MYetZEyTNKJr4jdNX1hlShyn.lWegMonX26Qj2qbDjyAtxpHiO1zZnbSinYHnOV7Omqn9Sa3bnD31"
        ),
        LIBRARY,
    ),
    "SHA-512-crypt of LDAP, rounds unsaid": (
        (
            "{CRYPT}$6$S3WQZRVrGjtpXyLj"
            "$GnmF/ZBKJ9lWk5bSZ/OeUKd.5dtkeWJDPBd4jsy.wpH5M1FGX.NZ5JP7XWts8IZ.1fASFHlp6JnTbXuYXP6ZT/"
        ),
        LIBRARY,
    ),
}


def wrapped(exported: object) -> str:
    """Return the text that a credential stores for a hash."""
    found = read_hash(exported)
    assert isinstance(found, ForeignHash)
    return protect(found, CHEAPEST_FOR_TESTS, SALT)


@pytest.mark.parametrize(("exported", "password"), KNOWN.values(), ids=KNOWN)
def test_password_of_another_system_is_proven(exported: object, password: str) -> None:
    """The hash is one that its own system made. It is due for one of ours, and another password does not open it."""
    text = wrapped(exported)
    assert verify_password(password, text, CHEAPEST_FOR_TESTS) is True
    with pytest.raises(WrongPassword) as raised:
        verify_password(password + "x", text, CHEAPEST_FOR_TESTS)
    assert not raised.value.corrupt


@pytest.mark.parametrize("exported", [exported for exported, _ in KNOWN.values()], ids=KNOWN)
def test_table_holds_no_output_of_another_system(exported: object) -> None:
    """What is stored has the recipe and an Argon2id hash, but in no spelling the hash that the other system made."""
    found = read_hash(exported)
    assert isinstance(found, ForeignHash)
    text = wrapped(exported)
    assert (text.startswith(WRAPPED_PREFIX), recipe_of(text)) == (True, found.recipe)
    output = found.output
    spellings = (output.hex(), b64encode(output).decode()[:20], output.decode("latin-1"), repr(output)[2:-1])
    assert not any(spelling in text or spelling in repr(found) for spelling in spellings)


@pytest.mark.parametrize("exported", [exported for exported, _ in KNOWN.values()], ids=KNOWN)
def test_recipe_has_one_text(exported: object) -> None:
    """The text of a recipe gives the same recipe again, and a change of any character gives another, or none."""
    found = read_hash(exported)
    assert isinstance(found, ForeignHash)
    text = found.recipe.text
    assert parse_recipe(text) == found.recipe
    for place in range(len(text)):
        for other in ("0", "A", "$", "=", ""):
            changed = text[:place] + other + text[place + 1 :]
            assert changed == text or recipe_text(changed) in {changed, None}


def recipe_text(text: str) -> str | None:
    """Return the text of the recipe that was read, or `None` if it was refused."""
    try:
        return parse_recipe(text).text
    except UnusableHash:
        return None


def test_wrapped_hash_is_imported_as_it_is() -> None:
    """What an export has of a user who never signed in is stored again unchanged, and still opens the account."""
    found = read_hash(BCRYPT)
    assert isinstance(found, ForeignHash)
    text = protect(found, Argon2Cost(), SALT)
    assert is_strong(text)
    assert read_hash(text) == WrappedHash(text, found.recipe)
    assert verify_password("U*U", text, Argon2Cost()) is True


def test_wrapped_hash_below_the_bar_is_refused() -> None:
    """A file cannot bring a hash whose Argon2id protects nothing."""
    with pytest.raises(UnusableHash) as raised:
        read_hash(wrapped(BCRYPT))
    assert raised.value.code == "malformed_hash"


def test_strong_argon2id_stays_as_it_is() -> None:
    """A hash like ours is not wrapped: that would double the work of a sign-in, and add no strength."""
    ours = hash_password("a quiet river", Argon2Cost(), SALT)
    found = read_hash(ours)
    assert isinstance(found, ForeignHash)
    assert protect(found, Argon2Cost(), SALT) == ours
    assert is_hash_of(ours, found)
    weak = hash_password("a quiet river", CHEAPEST_FOR_TESTS, SALT)
    assert wrapped(weak).startswith(WRAPPED_PREFIX)
    assert verify_password("a quiet river", wrapped(weak), CHEAPEST_FOR_TESTS) is True


def test_stored_hash_is_recognised_by_what_was_imported() -> None:
    """The same hash is found again behind its wrapping, and another one is not, not even with the same recipe."""
    found, text = read_hash(BCRYPT), wrapped(BCRYPT)
    assert isinstance(found, ForeignHash)
    other = ForeignHash(found.recipe, found.output[::-1])
    assert [is_hash_of(text, each) for each in (found, other)] == [True, False]
    assert not any(is_hash_of(stored, found) for stored in (NO_PASSWORD, "", BCRYPT, "$argon2id$"))


@pytest.mark.parametrize("text", [BCRYPT, KEYCLOAK["secretData"], "{SHA}bROMo65UVjGzq9caTwds51nFcAs="])
def test_hash_that_is_not_wrapped_proves_nothing(text: str) -> None:
    """A sign-in knows our own texts alone."""
    with pytest.raises(WrongPassword) as raised:
        verify_password("U*U", text, CHEAPEST_FOR_TESTS)
    assert raised.value.corrupt


@pytest.mark.parametrize("password", ["x" * 1025, "a\u0085b", "", "\ud800"])
def test_hash_of_an_empty_password_opens_nothing(password: str) -> None:
    """A password that no account can have is a wrong one, even if the other system had hashed an empty one."""
    text = wrapped(bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode())
    with pytest.raises(WrongPassword) as raised:
        verify_password(password, text, CHEAPEST_FOR_TESTS)
    assert not raised.value.corrupt


@pytest.mark.parametrize(
    "exported",
    [
        "",
        NO_PASSWORD,
        "*",
        "!hokaOnob31mZzxOnt8DmcboPhesO51Pz8CdclCSi",  # Django's for a user without a usable password
        {"passwordHash": "", "salt": ""},
        FIREBASE | {"passwordHash": "", "salt": ""},
    ],
)
def test_stand_in_for_a_hash_is_no_password(exported: object) -> None:
    """What systems write for users without a password brings an account without one."""
    assert read_hash(exported) is None


def test_bcrypt_reads_72_bytes() -> None:
    """The bytes after the 72nd were never compared, so they are ignored here too."""
    text = wrapped(bcrypt.hashpw(b"x" * 72, b"$2b$04$" + b"." * 22).decode())
    assert verify_password("x" * 72 + "tail", text, CHEAPEST_FOR_TESTS)
    with pytest.raises(WrongPassword):
        verify_password("x" * 71, text, CHEAPEST_FOR_TESTS)


@pytest.mark.parametrize("typed", ["cafe\u0301", "caf\u00e9"])
def test_password_is_tried_as_typed_and_normalised(typed: str) -> None:
    """Another system hashed the text as typed, and ours normalises it. Both forms open the account."""
    text = wrapped(generate_password_hash(typed, "scrypt:1024:8:1"))
    assert verify_password("cafe\u0301", text, CHEAPEST_FOR_TESTS)


def test_argon2_of_our_own_shape_is_tried_as_typed_too() -> None:
    """An Argon2id hash does not show which system made it."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    maker = Argon2id(salt=b"s" * 16, length=32, iterations=1, lanes=1, memory_cost=8)
    assert verify_password("cafe\u0301", maker.derive_phc_encoded("cafe\u0301".encode()), CHEAPEST_FOR_TESTS) is False


def test_account_without_a_password_has_none() -> None:
    """No text opens the account, and the missing hash is not reported as corrupt."""
    for guess in ("", NO_PASSWORD, "anything"):
        with pytest.raises(WrongPassword) as raised:
            verify_password(guess, NO_PASSWORD, CHEAPEST_FOR_TESTS)
        assert not raised.value.corrupt


TAG = "A" * 43
TOO_COSTLY = [
    # Two that took 6.2 and 3.4 seconds under earlier bounds
    f"$scrypt$ln=1,r=8,p=262000$c2FsdA${TAG}",
    f"$pbkdf2-sha512$i=3000000,l=64$c2FsdA${'A' * 85}Q",
    f"$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=262144,t=3,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=128,t=4000,p=16$c2FsdHNhbHQ${TAG}",
    BCRYPT.replace("$05$", "$14$"),
    "bcrypt_sha256$" + BCRYPT.replace("$05$", "$31$"),
    f"$scrypt$ln=18,r=8,p=1$c2FsdA${TAG}",
    f"$scrypt$ln=14,r=8,p=14$c2FsdA${TAG}",
    f"$scrypt$ln=1,r=9999999999,p=1$c2FsdA${TAG}",
    f"scrypt$1048576$salt$8$1${TAG}=",
    "scrypt:1048576:8:1$salt$" + "ab" * 64,
    SUPABASE.replace("n=14", "n=19"),
    f"$pbkdf2-sha256$i=1600000,l=32$c2FsdA${TAG}",
    f"$pbkdf2-sha1$i=1200000,l=32$c2FsdA${TAG}",
    f"$pbkdf2-sha256$9999999999$c2FsdA${TAG}",
    f"pbkdf2_sha256$9999999999$salt${TAG}=",
    "pbkdf2:sha256:9999999999$salt$" + "ab" * 32,
    "AQAAAAH/////AAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    "$P$z" + "a" * 30,
    "$6$rounds=656000$salt$" + "a" * 86,
]
DEFAULTS = [
    f"$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ${TAG}",  # RFC 9106 section 4, argon2-cffi
    f"$argon2id$v=19$m=65536,t=4,p=1$c2FsdHNhbHQ${TAG}",  # PHP
    f"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ${TAG}",  # Django
    BCRYPT.replace("$05$", "$12$"),  # PHP 8.4, Laravel, Devise
    BCRYPT.replace("$05$", "$13$"),
    f"scrypt$16384$salt$8$5${TAG}=",  # Django
    "scrypt:32768:8:1$salt$" + "ab" * 64,  # Werkzeug
    f"$scrypt$ln=17,r=8,p=1$c2FsdA${TAG}",  # OWASP
    f"pbkdf2_sha256$1200000$salt${TAG}=",  # Django 6.0
    f"pbkdf2_sha256$1500000$salt${TAG}=",
    "pbkdf2:sha256:1000000$salt$" + "ab" * 32,  # Werkzeug 3
    f"$pbkdf2-sha512$i=210000,l=64$c2FsdA${'A' * 85}Q",  # Keycloak, OWASP
    f"$pbkdf2-sha1$i=720000,l=20$c2FsdA${'A' * 27}",
    "$P$B" + "a" * 30,  # WordPress before 6.8
    "$S$D" + "a" * 51,  # Drupal 7
    "$6$salt$" + "a" * 86,  # glibc
    "$6$rounds=100000$salt$" + "a" * 86,
]


@pytest.mark.parametrize("text", TOO_COSTLY)
def test_what_a_sign_in_cannot_afford_is_refused(text: str) -> None:
    """The import rejects a hash whose parameters need too much work."""
    begun = time.process_time()
    with pytest.raises(UnusableHash) as raised:
        read_hash(text)
    assert (raised.value.code, time.process_time() - begun < 0.1) == ("hash_too_costly", True)


@pytest.mark.parametrize("text", DEFAULTS)
def test_what_systems_use_by_default_is_taken(text: str) -> None:
    """The bound keeps no system out that follows the recommendations of its day."""
    found = read_hash(text)
    assert isinstance(found, ForeignHash)
    assert 0.001 < found.recipe.seconds <= MAX_SECONDS


@pytest.mark.parametrize("numbers", [{"i": 10**10, "l": 32}, {"i": 3_000_000, "l": 64}])
def test_stored_recipe_that_costs_too_much_is_not_computed(numbers: dict[str, int]) -> None:
    """Someone who can write to the table cannot make a sign-in take minutes."""
    cheap = make_hash(bytes(32), "pbkdf2-sha512", SALT, i=1, l=32)
    text = protect(cheap, CHEAPEST_FOR_TESTS, SALT).replace("i=1,l=32", "i={i},l={l}".format(**numbers))
    with pytest.raises(WrongPassword) as raised:
        verify_password("U*U", text, CHEAPEST_FOR_TESTS)
    assert raised.value.corrupt


MALFORMED: list[object] = [
    "plain text",
    " ",
    "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
    f"$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=064,t=1,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=8,t=1,p=2$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=64,t=1,p=1$c2FsdA${TAG}",
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA",
    f"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHR${TAG}",
    f"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${TAG}\n",
    BCRYPT.replace("$2a", "$2x"),
    BCRYPT.replace("$05$", "$03$"),
    BCRYPT[:-1],
    BCRYPT.replace("C.E", "C/E"),
    f"scrypt$1000$salt$8$1${TAG}=",
    f"scrypt$1024$salt$8$1${TAG}",
    "scrypt:1024:8:1$salt$abcd",
    f"$pbkdf2-sha256$i=1,l=31$c2FsdA${TAG}",
    f"$pbkdf2-md5$i=1,l=32$c2FsdA${TAG}",
    "pbkdf2:sha256$salt$" + "ab" * 32,  # how often it iterates depends on the release
    "pbkdf2:sha256:29$salt$" + "ab" * 20,
    "$pbkdf2-sha256$29$c2Fs-A$" + TAG,
    "$pbkdf2-sha256$29$c2FsdA$" + "A" * 22,
    "{bcrypt}plain",
    "{noop}plain",
    "{pbkdf2}" + "ab" * 39,
    "{SHA}" + "A" * 27,
    "{SHA}3Px1P+JqeRUmMLTF73uK4osMPu9rLUUI",
    "{SSHA}bROMo65UVjGzq9caTwds51nFcAs=",
    "{SSHA}bROM",
    "md5$seasalt$abcd",
    "$wp$plain",
    "$wp" + BCRYPT[:-1],
    "$bcrypt-sha256$v=3,t=2b,r=4$nRb.eADqybmr8naXcuhL9u$X8br05xMcZfqSxA6OtEQqE4qyDHqEV2",
    "$P$4PyV1Fv94bLKUa6GhLgVWKpGh/leHy.",
    "$6$rounds=999$salt$" + "a" * 86,
    "$6$" + "s" * 17 + "$" + "a" * 86,
    "$5$salt$" + "a" * 86,
    "AQAAAAMAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    "AQAAAAEAACcQAAAA/wABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    WRAPPED_PREFIX,
    "$e0801$8bWJaSu2IKSn9Z9kM+TPXQ$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
    "pbkdf2_sha256$1$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=",
    f"pbkdf2_sha256$1$${TAG}=",
    SUPABASE.replace("v=1", "v=2"),
    SUPABASE.replace("sk=ou9t", "sk="),
    f"$pbkdf2-sha256$i=1,l=32$c2FsdA${TAG}" + " " * 1000,
    17,
    None,
    {},
    {"salt": "aa=="},
    {"passwordHash": "", "salt": "aa=="},
    FIREBASE | {"passwordHash": ""},
    FIREBASE | {"signerKey": "aa=="},
    FIREBASE | {"rounds": "8"},
    FIREBASE | {"rounds": True},
    FIREBASE | {"salt": "?"},
    FIREBASE | {"more": 1},
    {name: value for name, value in FIREBASE.items() if name != "signerKey"},
    KEYCLOAK | {"type": "otp"},
    KEYCLOAK | {"more": 1},
    KEYCLOAK | {"secretData": "{"},
    KEYCLOAK | {"secretData": "[]"},
    KEYCLOAK | {"secretData": '{"salt": "?", "value": "?"}'},
    KEYCLOAK | {"credentialData": '{"hashIterations": 1, "algorithm": "md5"}'},
    KEYCLOAK | {"credentialData": '{"hashIterations": 1, "algorithm": "argon2"}'},
    keycloak_argon2(version=["1.0"]),
    keycloak_argon2(memory="8"),
    keycloak_argon2(type=["x"]),
]


@pytest.mark.parametrize("exported", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_hash_is_refused(exported: object) -> None:
    """A hash that has no known form is rejected, and the message repeats nothing secret."""
    with pytest.raises(UnusableHash) as raised:
        read_hash(exported)
    assert raised.value.code in {"unknown_hash", "malformed_hash"}
    assert TAG not in raised.value.message


@pytest.mark.parametrize("cut", [1, 3, 30, 80, 100])
def test_hash_that_was_stored_corrupt_is_told_from_a_wrong_password(cut: int) -> None:
    """The log has the difference, and the caller does not see it."""
    with pytest.raises(WrongPassword) as raised:
        verify_password("U*U", wrapped(BCRYPT)[:-cut], CHEAPEST_FOR_TESTS)
    assert raised.value.corrupt


def test_recipe_of_an_unknown_kind_is_refused() -> None:
    """A recipe needs a kind, and exactly the numbers of that kind."""
    for kind, numbers in (("md4", {}), ("bcrypt", {}), ("bcrypt", {"r": 4, "l": 31}), ("scrypt", {"r": 4})):
        with pytest.raises(UnusableHash):
            make_recipe(kind, SALT, **numbers)
