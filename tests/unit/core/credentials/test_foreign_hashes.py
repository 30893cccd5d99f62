"""Password hashes of other systems: only a hash in their exact form can be verified."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from latchkey.core.credentials.foreign_hashes import UnusableHash, parse
from latchkey.core.credentials.hash_imports import canonical_hash
from latchkey.core.credentials.passwords import CHEAPEST_FOR_TESTS, NO_PASSWORD, WrongPassword, verify_password

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
DJANGO_SCRYPT = (
    "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
)
RFC_7914 = (
    "$scrypt$ln=10,r=8,p=16$TmFDbA"
    "$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"
)
BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


def keycloak_argon2(**changes: Any) -> dict[str, str]:
    """Return Keycloak's form of a hash that Django's tests have."""
    parameters = {"hashLength": ["16"], "memory": ["8"], "type": ["i"], "version": ["1.3"], "parallelism": ["1"]}
    data = {"hashIterations": 1, "algorithm": "argon2", "additionalParameters": parameters | changes}
    secret = {"value": "YC9+jJCrQhs5R6db7LlN8Q==", "salt": "c2FsdHNhbHQ=", "additionalParameters": {}}
    return {"secretData": json.dumps(secret), "credentialData": json.dumps(data)}


KNOWN: dict[str, tuple[object, str]] = {
    "Argon2i of Django": ("argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "secret"),
    "Argon2id of Django": ("argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw", "secret"),
    "Argon2 of Keycloak": (keycloak_argon2(), "secret"),
    "bcrypt 2a": (BCRYPT, "U*U"),
    "bcrypt 2b": (BCRYPT.replace("$2a", "$2b"), "U*U"),
    "bcrypt 2y": (BCRYPT.replace("$2a", "$2y"), "U*U"),
    "bcrypt of Django": ("bcrypt$" + BCRYPT, "U*U"),
    "scrypt, PHC": (RFC_7914, "password"),
    "scrypt of Django": (DJANGO_SCRYPT, "lètmein"),
    "scrypt of Werkzeug": (generate_password_hash("lètmein", "scrypt:1024:8:1"), "lètmein"),
    "PBKDF2 of Django": (
        "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
        "lètmein",
    ),
    "PBKDF2 of Django, SHA-1 (RFC 6070)": ("pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=", "password"),
    "PBKDF2 of Keycloak": (KEYCLOAK, "admin"),
    "Firebase": (FIREBASE, "user1password"),
    "Firebase in web-safe Base64": (
        FIREBASE | {name: str(FIREBASE[name]).replace("+", "-").replace("/", "_") for name in ("passwordHash", "salt")},
        "user1password",
    ),
    "Firebase by way of Supabase": (SUPABASE, "mytestpassword"),
}


@pytest.mark.parametrize(("exported", "password"), KNOWN.values(), ids=KNOWN)
def test_password_of_another_system_is_proven(exported: object, password: str) -> None:
    """The hash is the one that its own system published; it is due for one of ours."""
    assert verify_password(password, canonical_hash(exported), CHEAPEST_FOR_TESTS) is True


@pytest.mark.parametrize("exported", [BCRYPT, RFC_7914.replace("ln=10", "ln=4"), KEYCLOAK, keycloak_argon2()])
def test_another_password_is_not(exported: object) -> None:
    """A wrong password is rejected, and the hash is not reported as corrupt."""
    with pytest.raises(WrongPassword) as raised:
        verify_password("not it", canonical_hash(exported), CHEAPEST_FOR_TESTS)
    assert not raised.value.corrupt


def test_bcrypt_reads_72_bytes() -> None:
    """The bytes after the 72nd were never compared, so they are ignored here too."""
    cut = "$2b$04$" + "." * 21 + "."
    import bcrypt

    text = bcrypt.hashpw(b"x" * 72, cut.encode()).decode()
    assert verify_password("x" * 72 + "tail", text, CHEAPEST_FOR_TESTS)
    with pytest.raises(WrongPassword):
        verify_password("x" * 71, text, CHEAPEST_FOR_TESTS)


@pytest.mark.parametrize("typed", ["cafe\u0301", "caf\u00e9"])
def test_password_is_tried_as_typed_and_normalised(typed: str) -> None:
    """Another system hashed the text as typed, and ours normalises it. Both forms open the account."""
    hashed = generate_password_hash(typed, "scrypt:1024:8:1")
    assert verify_password("cafe\u0301", hashed, CHEAPEST_FOR_TESTS)


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
    f"$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQ${TAG}",
    f"$argon2i$v=19$m=1024,t=1,p=17$c2FsdHNhbHQ${TAG}",
    BCRYPT.replace("$05$", "$15$"),
    f"$scrypt$ln=19,r=8,p=1$c2FsdA${TAG}",
    f"$scrypt$ln=14,r=8,p=33$c2FsdA${TAG}",
    f"$scrypt$ln=1,r=9999999999,p=1$c2FsdA${TAG}",
    f"scrypt$1048576$salt$8$1${TAG}=",
    "scrypt:1048576:8:1$salt$" + "ab" * 64,
    SUPABASE.replace("n=14", "n=19"),
    f"$pbkdf2-sha256$i=3000001,l=32$c2FsdA${TAG}",
    f"$pbkdf2-sha1$i=1500001,l=32$c2FsdA${TAG}",
    f"pbkdf2_sha256$9999999999$salt${TAG}=",
]


@pytest.mark.parametrize("text", TOO_COSTLY)
def test_what_a_sign_in_cannot_afford_is_refused(text: str) -> None:
    """The import rejects a hash whose parameters need too much work."""
    begun = time.monotonic()
    with pytest.raises(UnusableHash) as raised:
        canonical_hash(text)
    assert (raised.value.code, time.monotonic() - begun < 0.1) == ("hash_too_costly", True)


MALFORMED: list[object] = [
    "",
    "plain text",
    NO_PASSWORD,
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
    "pbkdf2_sha256$1$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=",
    f"pbkdf2_sha256$1$${TAG}=",
    SUPABASE.replace("v=1", "v=2"),
    SUPABASE.replace("sk=ou9t", "sk="),
    f"$pbkdf2-sha256$i=1,l=32$c2FsdA${TAG}" + " " * 1000,
    17,
    None,
    {},
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
        canonical_hash(exported)
    assert raised.value.code in {"unknown_hash", "malformed_hash"}
    assert TAG not in raised.value.message


def test_hash_that_was_stored_corrupt_is_told_from_a_wrong_password() -> None:
    """The log has the difference, and the caller does not see it."""
    with pytest.raises(WrongPassword) as raised:
        verify_password("U*U", BCRYPT[:-1], CHEAPEST_FOR_TESTS)
    assert raised.value.corrupt


@pytest.mark.parametrize("text", [BCRYPT, SUPABASE, DJANGO_SCRYPT, RFC_7914])
def test_canonical_text_stays_as_it_is(text: str) -> None:
    """A hash that was exported from here is imported unchanged."""
    assert canonical_hash(text) == text
    assert parse(text) is not None
