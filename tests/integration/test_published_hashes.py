"""Hashes at their real cost that other systems, their users and their specifications have published."""

from __future__ import annotations

import pytest

from latchkey.core.credentials.foreign_hashes import ForeignHash
from latchkey.core.credentials.hash_imports import read_hash
from latchkey.core.credentials.passwords import Argon2Cost, WrongPassword, protect, verify_password

FIREBASE = {
    "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    "salt": "42xEC+ixf3L2lw==",
    "signerKey": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    "saltSeparator": "Bw==",
    "rounds": 8,
    "memCost": 14,
}
"""The example of Firebase's own description of its scrypt."""

PUBLISHED: dict[str, tuple[object, str]] = {
    "Argon2id of Django": ("argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw", "secret"),
    "Argon2id of Spring": (
        (
            "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=16384,t=2,p=1"
            "$lGnuXr7ppRC33DBCL3drOA$/OazSBWZr+7OZ/uOZ0kz9oCo079oJ+fqDkhL3zmwo84"
        ),
        "password",
    ),
    "bcrypt of Spring": ("{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "password"),
    "bcrypt of WordPress": ("$wp$2y$10$v719Zyb/5DiglXjaGmtVoO.58ZfZLBkfIyjXnYyIbWYYFsofeucua", "test123"),
    "scrypt of RFC 7914": (
        (
            "$scrypt$ln=10,r=8,p=16$TmFDbA"
            "$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"
        ),
        "password",
    ),
    "scrypt of Django": (
        (
            "scrypt$16384$seasalt$8$1"
            "$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
        ),
        "lètmein",
    ),
    "scrypt of Spring": (
        (
            "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw=="
            "$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc="
        ),
        "password",
    ),
    "scrypt of Spring 5.8": (
        "{scrypt}$100801$AI7MTvo+Bi953IDwR6ffKA==$RV6VeMB6seHKP4wJmwnu5ZuK1lQQ1hSehhgJicbkq10=",
        "scrypt-password-1",
    ),
    "PBKDF2 of Django": ("pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=", "lètmein"),
    "PBKDF2 of Spring": (
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
        "password",
    ),
    "PBKDF2 of ASP.NET Core": (
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
        "my password",
    ),
    "Firebase": (FIREBASE, "user1password"),
    "Firebase in web-safe Base64": (
        FIREBASE | {name: str(FIREBASE[name]).replace("+", "-").replace("/", "_") for name in ("passwordHash", "salt")},
        "user1password",
    ),
    "Firebase by way of Supabase": (
        (
            "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
            "sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw=="
            "$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="
        ),
        "mytestpassword",
    ),
    "LDAP, salted SHA-512": (
        "{ssha512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC",
        "password",
    ),
    "phpass, its own test": ("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"),
    "phpBB": ("$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"),
    "Drupal 7": ("$S$5FIcboyzv1ZD/OZDb4w/4HSlnsPlwbr/PWLWrHPWrJp8eXOQQaWJ", "DifficultPassword123"),
    "Drupal 7, from Drupal 6": ("U$S$5I5Ht7YwxFRiMiJhBjyt42Ji2WRndX2dCx1jyktH92PeQp0xWdgi", "SimpleEasyPassword"),
    # The next four are those of the specification.
    "SHA-256-crypt, 77777 rounds": (
        "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
        "we have a short salt string but not a short password",
    ),
    "SHA-512-crypt, rounds unsaid": (
        ("$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
        "Hello world!",
    ),
    "SHA-512-crypt, a long password": (
        (
            "$6$rounds=1400$anotherlongsalts"
            "$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1"
        ),
        "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    ),
    "SHA-512-crypt, 123456 rounds": (
        (
            "$6$rounds=123456$asaltof16chars.."
            "$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1"
        ),
        "a short string",
    ),
}


@pytest.mark.parametrize(("exported", "password"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_hash_is_proven(exported: object, password: str) -> None:
    """A published hash, wrapped as the import stores it, is opened by its password and by no other."""
    found = read_hash(exported)
    assert isinstance(found, ForeignHash)
    text = protect(found, Argon2Cost(), b"sixteen bytes ok")
    assert verify_password(password, text, Argon2Cost()) is True
    with pytest.raises(WrongPassword):
        verify_password(password[:-1], text, Argon2Cost())
