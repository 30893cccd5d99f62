"""Measure what checking the hashes of other systems costs: `make bench-hashes`. This is not a test.

Each line has the CPU seconds of one recipe, those that the model of `foreign_hashes.py` expects, and their ratio. A
ratio above 1 means that the constants there are too low for this machine. The last lines are our own Argon2id, which
each sign-in and each imported account takes besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from latchkey.core.credentials.foreign_hashes import Recipe, make_recipe
from latchkey.core.credentials.passwords import MAX_BYTES, Argon2Cost, hash_password

TRIES = 5
LONGEST = b"x" * MAX_BYTES
SALT = b"s" * 16
BCRYPT_SALT = b"." * 22

RECIPES: tuple[Recipe, ...] = (
    *(make_recipe("bcrypt", BCRYPT_SALT, r=cost) for cost in (4, 8, 10, 12, 13)),
    make_recipe("bcrypt-wordpress", BCRYPT_SALT, r=12),
    *(
        make_recipe("scrypt", SALT, ln=ln, r=r, p=p, l=length)
        for ln, r, p, length in (
            *((14, 8, 1, 64), (15, 8, 1, 64), (17, 8, 1, 64), (17, 8, 1, 32), (10, 8, 16, 64), (14, 8, 5, 64)),
            *((1, 8, 16_000, 32), (1, 8, 16_000, 128), (1, 1, 100_000, 64), (4, 1, 50_000, 64)),
        )
    ),
    make_recipe("fbscrypt", SALT, ln=14, r=8, p=1, l=64),
    *(make_recipe(f"pbkdf2-{digest}", SALT, i=500_000, l=16) for digest in ("sha1", "sha256", "sha512")),
    make_recipe("pbkdf2-sha256", SALT, i=1_200_000, l=32),  # Django 6.0
    make_recipe("pbkdf2-sha512", SALT, i=210_000, l=64),  # Keycloak 25
    make_recipe("pbkdf2-sha1", SALT, i=100_000, l=128),
    *(
        make_recipe(kind, SALT, m=m, t=t, p=p, l=32)
        for kind, m, t, p in (
            *(("argon2id", 19_456, 2, 1), ("argon2id", 65_536, 3, 4), ("argon2id", 65_536, 4, 1)),
            *(("argon2id", 102_400, 2, 8), ("argon2id", 262_144, 2, 1), ("argon2id", 131_072, 4, 16)),
            *(("argon2i", 65_536, 4, 1), ("argon2d", 65_536, 4, 1), ("argon2id", 128, 500, 16)),
            *(("argon2id", 8, 40_000, 1), ("argon2id", 16, 4_000, 2)),
        )
    ),
    make_recipe("sha512-password-salt", SALT),
    make_recipe("phpass-md5", b"saltsalt", r=13),
    make_recipe("phpass-sha512", b"saltsalt", r=16),
    make_recipe("crypt-sha256", SALT, r=50_000),
    make_recipe("crypt-sha512", SALT, r=50_000),
)


def main() -> None:
    """Print one line for each recipe."""
    for recipe in RECIPES:
        measured = cpu_seconds(lambda recipe=recipe: recipe.derive(LONGEST))  # type: ignore[misc]
        print(f"{recipe.text:52} {measured:8.4f} s, expected {recipe.seconds:8.4f}: {measured / recipe.seconds:5.2f}")
    cost = Argon2Cost()
    measured = cpu_seconds(lambda: hash_password("a quiet river at dawn", cost, SALT))
    print(f"our own Argon2id: {measured:.4f} s")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the fewest CPU seconds of several tries, all threads together."""

    def once() -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    return min(once() for _ in range(TRIES))


if __name__ == "__main__":
    main()
