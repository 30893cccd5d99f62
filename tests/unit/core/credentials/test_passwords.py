"""Which passwords are good enough, and how they are kept."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidKey

from latchkey.core.credentials import passwords
from latchkey.core.credentials.passwords import (
    CHEAPEST_FOR_TESTS,
    MAX_BYTES,
    Argon2Cost,
    BlockList,
    PasswordRules,
    WeakPassword,
    WrongPassword,
    check_password,
    fingerprint,
    hash_password,
    normalise,
    spend_time,
    verify_password,
)

SALT = b"sixteen bytes ok"
GOOD = "correct horse battery staple"
LISTED = ("password1", "qwertyuiop", "sunshine7", "straße-und-weg")
BLOCKLIST = BlockList(b"".join(sorted(map(fingerprint, LISTED))))


def check(password: str, *, login: str = "victim@example.com", rules: PasswordRules | None = None) -> str:
    """Check a password against the small list."""
    return check_password(password, login=login, rules=rules or PasswordRules(), blocklist=BLOCKLIST)


def weakness(password: str, *, login: str = "victim@example.com", rules: PasswordRules | None = None) -> str:
    """Return the code that a password is refused with."""
    with pytest.raises(WeakPassword) as refusal:
        check(password, login=login, rules=rules)
    return refusal.value.code


# What is compared (RFC 8265)


def test_spellings_of_one_character_are_one_password() -> None:
    """A password typed decomposed equals the same one typed composed."""
    assert normalise("u\u0308berraschung") == normalise("\u00fcberraschung") == "\u00fcberraschung"


def test_other_blanks_become_plain_ones() -> None:
    """A no-break space, easily typed on some keyboards, equals a blank."""
    assert normalise("a\u00a0b\u3000c") == "a b c"


@pytest.mark.parametrize(
    "password", ["  Case And Blanks Stay  ", "\ufb01ne ligature", "family \U0001f468\u200d\U0001f469\u200d\U0001f467"]
)
def test_nothing_else_is_changed(password: str) -> None:
    """Case, blanks at the ends, ligatures and joined emoji stay as they were typed."""
    assert normalise(password) == password


@pytest.mark.parametrize("password", ["\u0958" * 100, "e\u0301\u00a0" * 50, GOOD])
def test_normalising_twice_changes_nothing(password: str) -> None:
    """A normalised password can be normalised again."""
    assert normalise(normalise(password)) == normalise(password)


@pytest.mark.parametrize("code_point", [0x00, 0x0A, 0x7F, 0x85, 0xD800, 0xDFFF])
def test_control_characters_and_lone_surrogates_are_refused(code_point: int) -> None:
    """Broken Unicode gets an error answer and does not crash the hash function."""
    assert weakness(f"correct{chr(code_point)}horse battery") == "bad_characters"


# Length


@pytest.mark.parametrize(
    ("password", "rules"), [("kX9-vw2", None), ("", None), ("correct-horse1", PasswordRules(min_length=15))]
)
def test_a_short_password_is_refused(password: str, rules: PasswordRules | None) -> None:
    """The minimum is the one that the rules set."""
    assert weakness(password, rules=rules) == "too_short"


@pytest.mark.parametrize("password", ["kX9-vw2!", "пароль-7", "\U0001f511\U0001f40e\U0001f50b\U0001f4ce abc"])
def test_length_is_counted_in_code_points(password: str) -> None:
    """Eight characters are eight, however many bytes they take."""
    assert check(password) == password


def test_length_is_counted_after_normalising() -> None:
    """A letter and its combining accent are one character."""
    assert weakness("kX9-vwe\u0301") == "too_short"


@pytest.mark.parametrize("length", [64, 128, MAX_BYTES])
def test_a_long_passphrase_is_accepted(length: int) -> None:
    """Nothing up to the cap is too long, and nothing is cut off."""
    password = (GOOD * 40)[:length]
    assert check(password) == password


@pytest.mark.parametrize(
    ("password", "rules"),
    [
        ((GOOD * 40)[: MAX_BYTES + 1], None),
        ("\u00e9a" * 400, None),
        ("\u0958a" * 170, None),
        ((GOOD * 40)[:257], PasswordRules(max_bytes=256)),
        ("\x00" * 10_000_000, None),
    ],
)
def test_more_bytes_than_the_cap_are_refused(password: str, rules: PasswordRules | None) -> None:
    """The cap counts bytes, before and after normalising, and comes before everything else."""
    assert weakness(password, rules=rules) == "too_long"


@pytest.mark.parametrize(
    "rules", [{"min_length": 7}, {"min_length": 65}, {"max_bytes": 255}, {"max_bytes": MAX_BYTES + 1}]
)
def test_rules_outside_the_bounds_are_refused(rules: dict[str, int]) -> None:
    """No setting goes below 8 characters, and none forbids 64."""
    with pytest.raises(ValueError, match="must be"):
        PasswordRules(min_length=rules.get("min_length", 8), max_bytes=rules.get("max_bytes", MAX_BYTES))


def test_an_empty_service_word_is_refused() -> None:
    """An empty word would be found everywhere."""
    with pytest.raises(ValueError, match="empty"):
        PasswordRules(service_words=("latchkey", ""))


# What is easy to guess


@pytest.mark.parametrize("password", ["qwertyuiop", "QwertyUiop", "STRASSE-UND-WEG"])
def test_a_listed_password_is_refused(password: str) -> None:
    """The block list is blind to case."""
    assert weakness(password) == "common"


def test_a_list_finds_its_first_and_last_entry_and_no_other() -> None:
    """Bisection reaches both ends of the list."""
    assert [word in BLOCKLIST for word in (*LISTED, GOOD)] == [True] * len(LISTED) + [False]


def test_an_empty_list_holds_nothing() -> None:
    """A list of no entries is a list."""
    assert GOOD not in BlockList(b"")


def test_a_truncated_list_is_refused() -> None:
    """Half an entry means that the file is damaged."""
    with pytest.raises(ValueError, match="truncated"):
        BlockList(fingerprint(GOOD)[:-1])


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaa",
        "AaAaAaAa",
        "abababab",
        "x" * 64,
        "12345678",
        "87654321",
        "abcdefgh",
        "HGFEDCBA",
        "456789012345",
        "32109876543",
        "абвгдежз",
    ],
)
def test_a_trivial_password_is_refused(password: str) -> None:
    """One or two characters repeated, or characters counted up or down, are guessed first."""
    assert weakness(password) == "trivial"


@pytest.mark.parametrize("password", ["bcadkfmqrstzwxy", "a b c d e f g h", "  kX9vw2  ", "12345687", "abcdefgi"])
def test_there_are_no_composition_rules(password: str) -> None:
    """Lower case alone, blanks and near-sequences that are on no list are accepted."""
    assert check(password) == password


@pytest.mark.parametrize(
    "password",
    [
        "latchkey1234567",
        "LatchKey-LatchKey",
        "xxlatchkeyxxxxxx",
        "victim123456789",
        "VICTIMvictimVICTIM",
        "example-1234567",
        "victim_._sunshine7",
        "victim@example.com",
        "latchkeypassword1",
        "sunlatchkeyshine7",
        "latclatchkeyhkey1234",
        "latchkey12345678",
    ],
)
def test_context_words_do_not_count(password: str) -> None:
    """The password without the service's and the login's words must still be good enough."""
    assert weakness(password) == "context"


def test_a_strong_password_may_hold_a_context_word() -> None:
    """A context word in a password that is long enough without it is harmless, and stays in it."""
    assert check("latchkey kX9-vw2!") == "latchkey kX9-vw2!"


def test_another_persons_words_are_no_context() -> None:
    """The words are those of the login at hand."""
    assert check("victim7wQ", login="alice") == "victim7wQ"


def test_the_service_words_are_a_setting() -> None:
    """An operator adds the names of their own service."""
    assert weakness("Acme-1234567", rules=PasswordRules(service_words=("ACME",))) == "context"


def test_without_any_words_only_the_password_counts() -> None:
    """Rules without service words and a login without long parts leave nothing to remove."""
    assert check(GOOD, login="bob", rules=PasswordRules(service_words=())) == GOOD


def test_the_refusal_says_why_and_keeps_the_password_out() -> None:
    """The public sentence never repeats the password."""
    with pytest.raises(WeakPassword) as refusal:
        check("sunshine7")
    assert (refusal.value.code, "sunshine7" in refusal.value.message, "most common" in refusal.value.message) == (
        "common",
        False,
        True,
    )


# Hashing


def test_a_hash_at_the_default_cost_is_owasps_minimum() -> None:
    """The default cost is 19 MiB, 2 iterations, 1 lane, and the right password passes."""
    phc = hash_password(GOOD, Argon2Cost(), SALT)
    assert (phc.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), verify_password(GOOD, phc, Argon2Cost())) == (
        True,
        False,
    )


def test_the_hash_is_the_argon2id_of_other_libraries() -> None:
    """A PHC string made by the reference implementation of Argon2 verifies."""
    reference = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
    assert verify_password("password", reference, CHEAPEST_FOR_TESTS) is False


def test_the_salt_decides_the_hash() -> None:
    """One password under two salts has two hashes."""
    assert hash_password(GOOD, CHEAPEST_FOR_TESTS, SALT) != hash_password(GOOD, CHEAPEST_FOR_TESTS, SALT[::-1])


@pytest.mark.parametrize("salt", [b"", SALT[:-1], SALT + b"!"])
def test_a_salt_of_another_length_is_refused(salt: bytes) -> None:
    """A salt has 16 bytes (RFC 9106 section 3.1)."""
    with pytest.raises(ValueError, match="16 bytes"):
        hash_password(GOOD, CHEAPEST_FOR_TESTS, salt)


LONG = (GOOD * 5)[:128]


@pytest.mark.parametrize(
    "guess",
    [
        "",
        LONG[:63],
        LONG[:72],
        LONG[:-1],
        LONG + " ",
        " " + LONG,
        LONG.upper(),
        LONG + "\x00",
        LONG + "\ud800",
        "x" * 20_000,
    ],
)
def test_the_whole_password_is_compared(guess: str) -> None:
    """Nothing is cut off, trimmed or folded, and an impossible password is a wrong one."""
    phc = hash_password(LONG, CHEAPEST_FOR_TESTS, SALT)
    with pytest.raises(WrongPassword) as refusal:
        verify_password(guess, phc, CHEAPEST_FOR_TESTS)
    assert not refusal.value.corrupt


def test_a_password_passes_in_either_normal_form() -> None:
    """A password that was set composed may be typed decomposed."""
    phc = hash_password("\u00fcberraschung", CHEAPEST_FOR_TESTS, SALT)
    assert verify_password("u\u0308berraschung", phc, CHEAPEST_FOR_TESTS) is False


@pytest.mark.parametrize("password", ["", "\ud800" * 8, "x" * (MAX_BYTES + 1)])
def test_what_cannot_be_a_password_is_never_hashed(password: str) -> None:
    """The empty string stands for every impossible guess, so it is never hashed as a password."""
    with pytest.raises(WeakPassword):
        hash_password(password, CHEAPEST_FOR_TESTS, SALT)


@pytest.mark.parametrize(
    ("memory_kib", "iterations", "due"), [(8, 1, False), (16, 1, True), (8, 2, True), (16, 2, True)]
)
def test_a_rehash_is_due_when_the_cost_has_risen(memory_kib: int, iterations: int, due: bool) -> None:
    """More memory or more iterations than a hash has make it due."""
    phc = hash_password(GOOD, CHEAPEST_FOR_TESTS, SALT)
    cost = Argon2Cost(memory_kib, iterations, for_tests_only=True)
    assert verify_password(GOOD, phc, cost) is due


def test_a_cost_that_fell_does_not_weaken_a_hash() -> None:
    """A hash that is stronger than the setting is left as it is."""
    phc = hash_password(GOOD, Argon2Cost(32, 2, for_tests_only=True), SALT)
    assert verify_password(GOOD, phc, CHEAPEST_FOR_TESTS) is False


PHC = hash_password(GOOD, CHEAPEST_FOR_TESTS, SALT)


@pytest.mark.parametrize(
    "phc",
    [
        "",
        "$",
        GOOD,
        PHC[:-1],
        PHC[:-30],
        PHC + "\n",
        PHC + "=",
        PHC.replace("v=19", "v=16"),
        PHC.replace("m=8,t=1,p=1", "t=1,m=8,p=1"),
        PHC.replace("m=8", "m=08"),
        PHC.replace("m=8", "m=-8"),
        PHC.replace("m=8", "m=7"),
        PHC.replace("m=8", "m=4194304"),
        PHC.replace("m=8", "m=99999999999999999999"),
        PHC.replace("t=1", "t=0"),
        PHC.replace("t=1", "t=4294967295"),
        PHC.replace("p=1", "p=255"),
        PHC.rpartition("$")[0] + "$",
        "pbkdf2_sha256$600000$salt$aGFzaA==",
    ],
)
def test_a_corrupt_hash_rejects_every_password(phc: str) -> None:
    """A malformed hash, or one that needs too much work, rejects the password and is marked as corrupt for the log."""
    with pytest.raises(WrongPassword) as refusal:
        verify_password(GOOD, phc, CHEAPEST_FOR_TESTS)
    assert refusal.value.corrupt


@pytest.mark.parametrize("password", [GOOD, "\ud800", "x" * 20_000])
@pytest.mark.parametrize("how", ["wrong", "corrupt", "unknown"])
def test_every_failure_does_the_same_work(monkeypatch: pytest.MonkeyPatch, how: str, password: str) -> None:
    """A wrong password, a corrupt hash and an unknown login each cost exactly one hash at the present cost."""
    work: list[tuple[object, ...]] = []

    class CountedArgon2id:
        def __init__(self, **parameters: object) -> None:
            self.cost = tuple(parameters[name] for name in ("memory_cost", "iterations", "lanes"))

        def derive(self, _key_material: bytes) -> bytes:
            work.append(self.cost)
            return bytes(32)

        def verify(self, _key_material: bytes, _expected_key: bytes) -> None:
            work.append(self.cost)
            raise InvalidKey

    stored = {"wrong": hash_password("another password", CHEAPEST_FOR_TESTS, SALT), "corrupt": PHC[:-1]}
    monkeypatch.setattr(passwords, "Argon2id", CountedArgon2id)
    if how == "unknown":
        spend_time(password, CHEAPEST_FOR_TESTS)
    else:
        with pytest.raises(WrongPassword):
            verify_password(password, stored[how], CHEAPEST_FOR_TESTS)
    assert work == [(8, 1, 1)]


@pytest.mark.parametrize(
    ("memory_kib", "iterations", "lanes"),
    [
        (19_455, 2, 1),
        (19_456, 1, 1),
        (8, 1, 1),
        (47_104, 1, 1),
        (262_145, 2, 1),
        (19_456, 11, 1),
        (19_456, 2, 5),
        (19_456, 2, 0),
    ],
)
def test_a_cost_outside_the_bounds_is_refused(memory_kib: int, iterations: int, lanes: int) -> None:
    """No setting is below OWASP's minimum or above what a login may spend."""
    with pytest.raises(ValueError, match="the cost"):
        Argon2Cost(memory_kib, iterations, lanes)


def test_the_greatest_cost_that_can_be_set_can_be_verified() -> None:
    """A stored hash may have any cost that the settings allow."""
    Argon2Cost(passwords.MAX_MEMORY_KIB, passwords.MAX_ITERATIONS, passwords.MAX_LANES)
    phc = hash_password(GOOD, Argon2Cost(64, passwords.MAX_ITERATIONS, passwords.MAX_LANES, for_tests_only=True), SALT)
    assert verify_password(GOOD, phc, CHEAPEST_FOR_TESTS) is False
