"""A refresh token has one spelling, and only a holder of the MAC key can write it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.signing.jws import InvalidToken
from latchkey.signing.keys import WeakKey
from latchkey.signing.refresh import RefreshKey, RefreshToken, mint_refresh, next_link, verify_refresh

OLD = RefreshKey("old", bytes(range(32)))
NEW = RefreshKey("new", bytes(range(1, 33)))
FAMILY, LINK = bytes(range(16)), bytes(range(16, 32))
CHAIN = "AAECAwQFBgcICQoLDA0ODw" + "EBESExQVFhcYGRobHB0eHw"
TOKEN = RefreshToken("usr_ann", "s-1", 7, FAMILY, LINK)
NOW = 1_800_000_000


def signed(body: str) -> str:
    """Return a text with a true MAC under the new key."""
    mac = hmac.new(NEW.secret, body.encode(), hashlib.sha256).digest()
    return f"{body}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


def test_form_is_stable() -> None:
    """The text is the one that the design promises: phones hold it for months."""
    assert mint_refresh(TOKEN, [NEW]) == signed(f"lk2.usr_ann.s-1.7.{CHAIN}")


def test_first_key_signs() -> None:
    """The first of several keys is the one that signs."""
    assert mint_refresh(TOKEN, [NEW, OLD]) == mint_refresh(TOKEN, [NEW])


@pytest.mark.parametrize("key", [NEW, OLD], ids=["new", "old"])
def test_every_key_verifies(key: RefreshKey) -> None:
    """A token of any of the keys is good."""
    assert verify_refresh(mint_refresh(TOKEN, [key]), [NEW, OLD], NOW) == TOKEN


@pytest.mark.parametrize("keys", [[], [NEW]], ids=["none", "another"])
def test_stranger_is_refused(keys: list[RefreshKey]) -> None:
    """A token under a key that is not there is refused."""
    with pytest.raises(InvalidToken, match="mac is wrong"):
        verify_refresh(mint_refresh(TOKEN, [OLD]), keys, NOW)


@pytest.mark.parametrize(
    "body",
    [
        f"lk2.usr_ann.s-1.07.{CHAIN}",
        f"lk2.usr_ann.s-1.+7.{CHAIN}",
        f"lk2.usr_ann.s-1.-7.{CHAIN}",
        f"lk2.usr_ann.s-1.7.0.{CHAIN}",
        f"lk2.usr_ann.s-1. 7.{CHAIN}",
        f"lk2.usr_ann.s-1.7.{CHAIN}\n",
        f"lk2.usr_ann.s-1.0x7.{CHAIN}",
        f"lk2.usr_ann.s-1.1_0.{CHAIN}",
        f"lk2.usr_ann.s-1..{CHAIN}",
        f"lk2.usr_ann.s-1.99999999999.{CHAIN}",
        f"lk2.usr_ann.s-1.{CHAIN}",
        "lk2.usr_ann.s-1.7",
        f"lk2.usr_ann.s-1.7.{CHAIN[:-1]}",
        f"lk2.usr_ann.s-1.7.{CHAIN}A",
        f"lk2.usr_ann.s-1.7.{CHAIN[:-1]}x",
        f"lk2.usr_ann.s-1.7.{CHAIN[:21]}x{CHAIN[22:]}",
        f"lk2.usr_ann..7.{CHAIN}",
        f"lk2..s-1.7.{CHAIN}",
        f"lk2.usr_ann.s/1.7.{CHAIN}",
        f"lk2.usr#ann.s-1.7.{CHAIN}",
        "lk2.usr_ann." + "s" * 65 + f".7.{CHAIN}",
        "lk1.usr_ann.s-1.7",
        f"lk1.usr_ann.s-1.7.{CHAIN}",
        f"LK2.usr_ann.s-1.7.{CHAIN}",
        f" lk2.usr_ann.s-1.7.{CHAIN}",
        f"usr_ann.s-1.7.{CHAIN}",
        f"lk2.usr_ann.s-1.7.{CHAIN}" + " " * 300,
        "",
    ],
)
def test_other_spelling_is_refused(body: str) -> None:
    """A text of another form is refused though its MAC is true."""
    with pytest.raises(InvalidToken):
        verify_refresh(signed(body), [NEW], NOW)


@pytest.mark.parametrize("body", [f"lk2.usr_ann.s-1.\u0667.{CHAIN}", f"lk2.usr_änn.s-1.7.{CHAIN}"])
def test_other_scripts_are_refused(body: str) -> None:
    """Digits and letters of other scripts are refused, not crashed on."""
    with pytest.raises(InvalidToken):
        verify_refresh(signed(body), [NEW], NOW)


def test_long_text_is_refused_unread() -> None:
    """A text over the cap is refused before its MAC is computed."""
    with pytest.raises(InvalidToken, match="too long"):
        verify_refresh(mint_refresh(TOKEN, [NEW]) + "A" * 256, [NEW], NOW)


@pytest.mark.parametrize("change", ["=", "A", "\n", " ", ".", "\u00e9", "\ud800"])
def test_longer_mac_is_refused(change: str) -> None:
    """A character behind the MAC is refused."""
    with pytest.raises(InvalidToken):
        verify_refresh(mint_refresh(TOKEN, [NEW]) + change, [NEW], NOW)


def test_mac_has_one_spelling() -> None:
    """A MAC whose unused bits are set is refused."""
    text = mint_refresh(TOKEN, [NEW])
    with pytest.raises(InvalidToken, match="mac is wrong"):
        verify_refresh(text[:-1] + chr(ord(text[-1]) + 1), [NEW], NOW)


@given(position=st.integers(0, 105), bit=st.integers(0, 6))
def test_flipped_bit_is_refused(position: int, bit: int) -> None:
    """A token with any one bit changed is refused."""
    text = mint_refresh(TOKEN, [NEW])
    changed = text[:position] + chr(ord(text[position]) ^ 1 << bit) + text[position + 1 :]
    with pytest.raises(InvalidToken):
        verify_refresh(changed, [NEW], NOW)


ID = st.text("abcXYZ019_-", min_size=1, max_size=64)


@given(sub=ID, sid=ID, generation=st.integers(0, 9_999_999_999))
def test_any_token_comes_back(sub: str, sid: str, generation: int) -> None:
    """Verification returns the token that was minted."""
    token = RefreshToken(sub, sid, generation, FAMILY, LINK)
    assert verify_refresh(mint_refresh(token, [NEW]), [NEW], NOW) == token


@pytest.mark.parametrize(
    "token",
    [
        RefreshToken("a.b", "s", 0, FAMILY, LINK),
        RefreshToken("a", "", 0, FAMILY, LINK),
        RefreshToken("a", "s", -1, FAMILY, LINK),
        RefreshToken("a", "s", 0, FAMILY[1:], LINK),
        RefreshToken("a", "s", 0, FAMILY, LINK + b"x"),
    ],
)
def test_token_that_cannot_be_spelt_is_not_minted(token: RefreshToken) -> None:
    """A member that would change the form is refused when minted."""
    with pytest.raises(ValueError, match="malformed member"):
        mint_refresh(token, [NEW])


@pytest.mark.parametrize("secret", [b"", bytes(range(31)), bytes(32)])
def test_weak_secret_is_refused(secret: bytes) -> None:
    """A MAC key of less than 256 bits, or of zeros, cannot be made."""
    with pytest.raises(WeakKey):
        RefreshKey("weak", secret)


def test_repr_hides_the_secret() -> None:
    """The repr of a MAC key does not show its secret."""
    assert repr(NEW.secret) not in repr(NEW)


@pytest.mark.parametrize(("retire_at", "verifies"), [(None, True), (NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_key_verifies_until_its_end(retire_at: int | None, verifies: bool) -> None:
    """A key past its end proves nothing, however long it stays in the policy."""
    key = RefreshKey("old", OLD.secret, retire_at=retire_at)
    text = mint_refresh(TOKEN, [key])
    if verifies:
        assert verify_refresh(text, [NEW, key], NOW) == TOKEN
    else:
        with pytest.raises(InvalidToken, match="mac is wrong"):
            verify_refresh(text, [NEW, key], NOW)


def test_link_follows_from_link_and_salt() -> None:
    """The derivation is HMAC-SHA-256 over session, generation and salt, cut to 128 bits."""
    salt = bytes(range(32, 48))
    derived = hmac.new(LINK, b"s-1\n8\n" + salt, hashlib.sha256).digest()[:16]
    assert TOKEN.successor(salt) == RefreshToken("usr_ann", "s-1", 8, FAMILY, derived)


@pytest.mark.parametrize(
    "other",
    [
        next_link(bytes(16), "s-1", 8, FAMILY),
        next_link(LINK, "s-2", 8, FAMILY),
        next_link(LINK, "s-1", 9, FAMILY),
        next_link(LINK, "s-1", 8, LINK),
    ],
    ids=["link", "session", "generation", "salt"],
)
def test_link_depends_on_everything(other: bytes) -> None:
    """Another link, session, generation or salt leads elsewhere."""
    assert next_link(LINK, "s-1", 8, FAMILY) != other


def test_repr_of_a_token_hides_the_chain() -> None:
    """A token that ends up in a traceback opens nothing."""
    assert repr(TOKEN) == "RefreshToken(sub='usr_ann', sid='s-1', generation=7)"
