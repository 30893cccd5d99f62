"""Canonical logins."""

from __future__ import annotations

import pytest

from latchkey.core.credentials.logins import BadLogin, canonical_login, context_words, is_email


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
        ("Alice_1.x-y", "alice_1.x-y"),
        ("0ab", "0ab"),
        ("a" * 64, "a" * 64),
    ],
)
def test_a_login_has_one_spelling(typed: str, canonical: str) -> None:
    """A login is lower-cased in ASCII, and its domain becomes A-labels."""
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
        " a@example.com",
        "a@example.com ",
        "a@example.com\n",
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
        "a@exa\u3002mple.com",
        "a@\uff45xample.com",
        "a@B\u00dcCHER.example",
        "a@bu\u0308cher.example",
        "a@\u2603.example",
        "a@\ud800.example",
        "a#USER#b@exam#ple.com",
    ],
)
def test_an_odd_address_is_refused(typed: str) -> None:
    """An address must be dot-atom @ IDNA 2008 domain, within the limits of SMTP."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


@pytest.mark.parametrize(
    "typed", ["goo\u212ale@example.com", "a@goo\u212ale.com", "\u212aelvin", "al\u0131ce", "ADM\u0130N"]
)
def test_a_letter_that_folds_into_ascii_is_refused(typed: str) -> None:
    """A login with the Kelvin sign, the dotless i or the dotted I matches no account."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


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
        " abc",
        "abc ",
        "abc\n",
        "a#b",
        "a+b",
        "a/b",
        "josé",
        "\uff41bcd",
        "a\uff20b.com",
    ],
)
def test_an_odd_user_name_is_refused(typed: str) -> None:
    """A user name is 3 to 64 of a-z, digits, dot, underscore and dash, and starts with a letter or a digit."""
    with pytest.raises(BadLogin):
        canonical_login(typed)


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
