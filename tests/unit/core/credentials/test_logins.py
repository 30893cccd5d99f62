"""Canonical logins."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.credentials.logins import (
    BadLogin,
    canonical_login,
    context_words,
    is_email,
    is_reserved,
    look_of,
    parse_login,
    trimmed,
)
from latchkey.core.credentials.look_alikes import LOOK_ALIKES
from latchkey.core.errors import Errors, ServiceError


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("victim@example.com", "victim@example.com"),
        ("Victim@EXAMPLE.Com", "victim@example.com"),
        ("o'neil!#$%&*+/=?^_`{|}~-@example.com", "o'neil!#$%&*+/=?^_`{|}~-@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("a@1.2.3.example", "a@1.2.3.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@XN--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@пример.example", "a@xn--e1afmkfd.example"),
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "a@xn--bcher-kva.example"),
        ("a@exa\u3002mple.com", "a@exa.mple.com"),
        ("a@\uff45xample\uff0ecom", "a@example.com"),
        ("a@ex\u00adample.com", "a@example.com"),
        ("a@\u212aelvin.com", "a@kelvin.com"),
        ("Alice_1.x-y", "alice_1.x-y"),
        ("0ab", "0ab"),
        ("a" * 64, "a" * 64),
        ("Олег", "олег"),
        ("José.Nuñez", "josé.nuñez"),
        ("jose\u0301", "josé"),
        ("Ёлка-2", "ёлка-2"),
        ("ΝΙΚΟΣ", "νικος"),
        ("νικοσ", "νικος"),
        ("\u212aelvin", "kelvin"),
        ("\uff21bcd", "abcd"),
        ("山田たろう", "山田たろう"),
        ("김철수", "김철수"),
        ("علي123", "علي123"),
        ("अमित", "अमित"),
    ],
)
def test_a_login_has_one_spelling(typed: str, canonical: str) -> None:
    """An address is lower-cased in ASCII, its domain follows UTS 46, and a user name RFC 8265."""
    assert canonical_login(typed) == canonical


@pytest.mark.parametrize("typed", ["Victim@EXAMPLE.Com", "a@bücher.example", "Alice_1"])
def test_the_canonical_form_is_its_own_canonical_form(typed: str) -> None:
    """Making a canonical login canonical changes nothing."""
    canonical = canonical_login(typed)
    assert canonical_login(canonical) == canonical


def test_providers_own_rules_are_not_applied() -> None:
    """Plus tags and dots make distinct accounts."""
    spellings = ["victim@gmail.com", "victim+x@gmail.com", "v.ictim@gmail.com", "victim@googlemail.com"]
    assert len({canonical_login(spelling) for spelling in spellings}) == len(spellings)


def test_a_homograph_is_another_domain() -> None:
    """A Cyrillic letter in the domain never equals the Latin one."""
    assert canonical_login("a@ex\u0430mple.com") == "a@xn--exmple-4nf.com"


@pytest.mark.parametrize(
    "typed",
    [
        '"quoted"@example.com',
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a" * 65 + "@example.com",
        "a@" + ".".join(["b" * 63] * 4) + ".example",
        "a@" + "b" * 64 + ".example",
        "a@localhost",
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "@example.com",
        "a@",
        "@",
        "a@b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a b@example.com",
        "a\x00@example.com",
        "josé@example.com",
        "a@exa_mple.com",
        "a@-example.com",
        "a@example-.com",
        "a@ab--cd.com",
        "a@xn--.com",
        "a@xn--a\u0430.com",
        "a@\u00ad.com",
        "a@b\uff20example.com",
        "a@\u2603.example",
        "a@\ud800.example",
        "a#USER#b@exam#ple.com",
    ],
)
def test_an_odd_address_is_refused(typed: str) -> None:
    """An address must be dot-atom @ IDNA 2008 domain, within the limits of SMTP."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize("typed", ["goo\u212ale@example.com", "al\u0131ce@example.com", "ADM\u0130N@example.com"])
def test_a_letter_that_folds_into_ascii_is_refused(typed: str) -> None:
    """An address with the Kelvin sign, the dotless i or the dotted I matches no account."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize("typed", ["al\u0131ce", "ADM\u0130N"])
def test_a_letter_that_looks_like_an_ascii_one_stays_another(typed: str) -> None:
    """It opens no account of the name in ASCII, and takes its look, so that only one of both exists."""
    ascii_name = typed.lower().replace("\u0131", "i").replace("i\u0307", "i")
    assert (canonical_login(typed) != ascii_name, look_of(canonical_login(typed))) == (True, ascii_name)


def test_an_address_whose_a_labels_are_too_long_is_refused() -> None:
    """The limit of 254 counts the A-labels, not the typed characters."""
    with pytest.raises(BadLogin):
        canonical_login("a@" + ".".join(["\u4e2d" * 10] * 20) + ".example")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ab",
        "a" * 65,
        ".ab",
        "_ab",
        "-ab",
        "a b c",
        "a\nbc",
        "a#b",
        "a+b",
        "a/b",
        "яй",
        "я" * 65,
        "_яя",
        "а б в",
        "яя+я",
        "a\uff20b.com",
    ],
)
def test_an_odd_user_name_is_refused(typed: str) -> None:
    """A user name is 3 to 64 letters, digits, dot, underscore and dash, and starts with a letter or a digit."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize(
    "typed",
    ["p\u0430ypal", "\u0430dmin", "олeг", "山田taro", "김たろう", "нет\u0627", "\u13a0\u13a1\u13a2", "\U00010330" * 3],
)
def test_a_name_of_two_scripts_or_of_a_dead_one_is_refused(typed: str) -> None:
    """A letter of another script looks like one of this, and no keyboard has a script that is no longer written."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\u200c", "\u202e", "\u00ad", "\ufe0f", "\u034f", "\u0085", "\U000e0061", "\ud800"]
)
def test_a_name_hides_nothing(hidden: str) -> None:
    """Control and format characters, and marks without a shape of their own."""
    with pytest.raises(BadLogin):
        canonical_login(f"яб{hidden}локо")


@pytest.mark.parametrize("typed", ["я\u0301\u0301ма", "я-\u0301ма", "\u0301яма", "яма1\u0301"])
def test_a_mark_stands_on_a_letter_and_once(typed: str) -> None:
    """A second acute accent above the first cannot be seen (UTS 39 section 5.4)."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize("around", [" ", "\n", "\u00a0", "\u200b", "\ufeff", "\u2060", "\u202a", "\u3000", " \u00a0\t"])
def test_white_space_around_a_login_is_cut(around: str) -> None:
    """A paste or a keyboard adds it."""
    assert canonical_login(f"{around}Ann@example.com{around}") == "ann@example.com"
    assert canonical_login(f"{around}Олег{around}") == "олег"


def test_no_space_and_no_format_character_is_left_around() -> None:
    """The list in the code has every character of Unicode that is a space, or invisible and of no script."""
    spaces = [chr(code) for code in range(0x3001) if chr(code).isspace()]
    hidden = [chr(code) for code in range(0x2000, 0x2070) if unicodedata.category(chr(code)) == "Cf"]
    assert [each for each in (*spaces, *hidden, "\ufeff", "\u00ad", "\u061c") if trimmed(f"{each}a{each}") != "a"] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("capa", "сара"),
        ("егор", "erop"),
        ("p\u0251ypal", "paypal"),
        ("ορο", "оро"),
        ("ırmak", "irmak"),
        ("İzmir", "izmir"),
        ("\u0585\u0570\u0578", "ohn"),
        ("кот", "ĸoᴛ"),
        ("ёсо", "ëco"),
    ],
)
def test_names_that_look_alike_share_a_look_and_no_account(one: str, other: str) -> None:
    """Latin, Cyrillic and Greek names, and those of other scripts that look like them (UTS 39 section 4)."""
    first, second = canonical_login(one), canonical_login(other)
    assert (first != second, look_of(first) == look_of(second)) == (True, True)


def test_a_login_in_ascii_is_its_own_look() -> None:
    """Digits that look like letters, and `rn` like `m`, stay what they are."""
    assert [look_of(login) for login in ("m1lo.rn", "a@example.com")] == ["m1lo.rn", "a@example.com"]


def test_the_table_of_looks_is_frozen() -> None:
    """The keys of stored logins depend on it: with another table, accounts could not be found again."""
    digest = hashlib.sha256("\n".join(LOOK_ALIKES).encode()).hexdigest()
    assert digest == "f9da1ea79a012d4ca624b655de4c92952f49eae40d3348e10180de9d4539dbec"


def test_a_letter_has_one_look() -> None:
    """No letter stands in two rows, and one of a-z always stands for its row."""
    letters = "".join(LOOK_ALIKES)
    assert len(set(letters)) == len(letters)
    assert [row for row in LOOK_ALIKES if any(each.isascii() for each in row[1:])] == []


@pytest.mark.parametrize(
    "typed",
    [
        "admin",
        "Root",
        "SUPPORT",
        "postmaster",
        "no-reply",
        "web.master",
        "\u0251dmin",
        "adm\u0131n",
    ],
)
def test_names_that_speak_for_the_service_are_reserved(typed: str) -> None:
    """RFC 2142 and common practice, whatever dots and look-alikes are in them."""
    assert is_reserved(canonical_login(typed))


@pytest.mark.parametrize("typed", ["admin@example.com", "administer", "ann", "Олег"])
def test_other_logins_are_free(typed: str) -> None:
    """An address belongs to the reader of its mail, and a longer word is another name."""
    assert not is_reserved(canonical_login(typed))


LETTERS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])
NAMES = st.one_of(
    st.text(max_size=70),
    st.text(LETTERS, min_size=3, max_size=12),
    st.text("абвгдеёжзіїйкѕсту.-_019", min_size=3, max_size=12),
    st.text("αβγσςόΣΐ", min_size=3, max_size=8),
    st.text("aàâeéiıİlnñoöß\u0301\u0307\u0323", min_size=3, max_size=12),
    st.text("ابتثعلي۱٢12", min_size=3, max_size=8),
    st.builds("{}@{}.{}".format, st.text("aB.+ß"), st.text("aBüÜß-\u0430\u3002\uff0e\u00ad\u200d"), st.just("example")),
)


def spelling(typed: str) -> str | None:
    """Return the canonical form, or nothing where there is none."""
    try:
        return canonical_login(typed)
    except BadLogin:
        return None


@given(NAMES)
def test_a_login_is_canonical_once_and_for_all(typed: str) -> None:
    """A login is refused with the one error, or has a spelling that is its own, in NFC, without white space."""
    canonical = spelling(typed)
    if canonical is None:
        with pytest.raises(ServiceError) as refusal:
            parse_login(typed)
        assert refusal.value.error is Errors.INVALID_REQUEST
        return
    assert parse_login(canonical) == canonical == unicodedata.normalize("NFC", canonical).strip()
    assert look_of(look_of(canonical)) == look_of(canonical)


@given(NAMES.filter(lambda text: "@" not in text))
def test_case_width_and_composition_make_no_other_name(typed: str) -> None:
    """A name in capitals, in full width or decomposed is the same name, unless capitals have lost a letter."""
    canonical = spelling(typed)
    if canonical is None:
        return
    wide = "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in canonical)
    assert {spelling(unicodedata.normalize("NFD", canonical)), spelling(wide)} == {canonical}
    if canonical.upper().lower() == canonical:
        assert spelling(canonical.upper()) == canonical


def test_a_refusal_does_not_repeat_what_was_typed() -> None:
    """The public sentence repeats nothing of the input."""
    with pytest.raises(BadLogin) as refusal:
        canonical_login("<script>@localhost")
    assert "script" not in refusal.value.message


def test_only_an_address_is_an_email() -> None:
    """A login with an @ is an e-mail address."""
    assert (is_email("a@example.com"), is_email("alice")) == (True, False)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("victim@example.com", {"victim", "example"}),
        ("john.smith+news@mail.example.co.uk", {"john.smith+news", "john", "smith", "news", "mail", "example"}),
        ("bob@gmail.com", {"gmail"}),
        ("jane_doe-77", {"jane_doe-77", "jane"}),
        ("abc@xn--bcher-kva.example", {"xn--bcher-kva", "bücher", "example"}),
    ],
)
def test_context_words_are_the_parts_of_four_letters_and_more(login: str, words: set[str]) -> None:
    """The local part, its pieces and the domain's labels are words of the login."""
    assert set(context_words(login)) == words
