"""A thief who has read the whole table and the signing policy, and tries to make a refresh token from them."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latchkey.signing.base64url import b64url_decode
from latchkey.signing.policy import SigningPolicy, parse
from latchkey.signing.refresh import LINK_BYTES, RefreshToken, mint_refresh, next_link

Octets = frozenset[bytes]


@dataclass(frozen=True)
class Leak:
    """The data that was read: every item of the table, and the signing policy with all its secrets.

    `held` are other texts that the reader has, such as an old refresh token.
    """

    items: Sequence[Mapping[str, Any]]
    document: str
    held: tuple[str, ...] = ()

    @property
    def policy(self) -> SigningPolicy:
        """The policy that the document spells."""
        return parse(self.document)

    def session(self) -> Mapping[str, str]:
        """Return the one session's members, as text."""
        [item] = [item for item in self.items if item["sk"]["S"].startswith("SESSION#")]
        return {name: str(next(iter(value.values()))) for name, value in item.items()}

    def known(self) -> Octets:
        """Return everything that was read, in every spelling it may have."""
        texts = [text for item in self.items for value in item.values() for text in _texts(value)]
        texts += [*_texts(json.loads(self.document)), *self.held]
        pieces = [piece for text in texts for piece in (text, *text.replace("#", ".").split("."))]
        return frozenset(octets for piece in pieces for octets in _spellings(piece))

    def secrets(self) -> Octets:
        """Return the secrets of the policy: keys of MACs, and private keys in their written form."""
        texts = [text for each in json.loads(self.document)["keys"] for text in _texts(each)]
        texts += [text for each in json.loads(self.document)["refresh_keys"] for text in _texts(each)]
        return frozenset(octets for text in texts for octets in _spellings(text))

    def messages(self) -> Octets:
        """Return the possible inputs of a family or a link: the session's ids, generations and salt."""
        session = self.session()
        sub, sid, salt = session["sub"], session["sid"], b64url_decode(session["salt"])
        generation = int(session["generation"])
        said = [sub, sid, f"{sub}.{sid}", f"{sub}\n{sid}"]
        for number in range(generation + 2):
            said += [f"{sid}\n{number}", f"{sid}.{number}", f"{sub}.{sid}.{number}", f"lk2.{sub}.{sid}.{number}"]
        plain = [text.encode() for text in said]
        return frozenset([*plain, *(message + end for message in plain for end in (salt, b"\n" + salt))])

    def guesses(self) -> Octets:
        """Return all octets that may be a family or a link: the known ones, hashed, and derived with known keys."""
        known, secrets = self.known(), self.secrets()
        session = self.session()
        salt, generation = b64url_decode(session["salt"]), int(session["generation"])
        derived = {hashlib.sha256(octets).digest() for octets in known}
        derived |= {hmac.digest(key, message, "sha256") for key in secrets for message in known | self.messages()}
        derived |= {hmac.digest(key, message, "sha256") for key in known for message in self.messages()}
        derived |= {
            next_link(link, session["sid"], number, salt)
            for link in known | derived
            for number in (generation, generation + 1)
            if len(link) >= LINK_BYTES
        }
        return frozenset(cut for octets in known | derived for cut in (octets[:LINK_BYTES], octets[-LINK_BYTES:]))

    def tokens(self) -> Iterator[str]:
        """Return the refresh tokens to try, the most promising first, under the key that signs.

        If the hash of a guess is in the table, the guess is used. Otherwise some guesses are tried.
        """
        session, guesses = self.session(), self.guesses()
        whole = sorted(guess for guess in guesses if len(guess) == LINK_BYTES)
        families = _preimages(whole, session["family_hash"]) or whole[:: max(1, len(whole) // 8)]
        links = _preimages(whole, session["link_hash"]) or whole[:: max(1, len(whole) // 8)]
        generation = int(session["generation"])
        for number, family, link in itertools.product((generation, generation - 1, generation + 1), families, links):
            if number >= 0:
                yield mint_refresh(
                    RefreshToken(session["sub"], session["sid"], number, family, link), self.policy.refresh_keys
                )


def _preimages(guesses: Sequence[bytes], digest: str) -> list[bytes]:
    return [guess for guess in guesses if hashlib.sha256(guess).hexdigest() == digest]


def _texts(value: object) -> list[str]:
    """Return every text and number in a document, as text."""
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in _texts(member)]
    if isinstance(value, list | tuple):
        return [text for member in value for text in _texts(member)]
    return [] if value is None else [str(value)]


def _spellings(text: str) -> list[bytes]:
    """Return the octets of a text, and those that it spells in hex or base64url, whole or as two of 128 bits."""
    found = [text.encode()]
    for read in (bytes.fromhex, b64url_decode):
        for part in (text, text[:22], text[22:]):
            try:
                found.append(read(part))
            except ValueError:
                continue
    return [octets for octets in found if octets]
