"""Canonical logins: one spelling per account, so that a login cannot be registered twice or open another account.

In the local part of an address only ASCII case is folded: a mail to the spelling that was typed could reach another
person (CVE-2019-19844). Plus tags and dots stay, because RFC 5321 treats them as distinct mailboxes. Domains follow
UTS 46, and user names RFC 8265.
"""

from __future__ import annotations

import re

from latchkey.core.errors import invalid_field

MAX_EMAIL = 254
"""Longest address that SMTP can carry (RFC 5321 section 4.5.3.1.3: a path of 256 with its angle brackets)."""

MAX_LOCAL_PART = 64
"""RFC 5321 section 4.5.3.1.1."""

SHORTEST_CONTEXT_WORD = 4

_ATEXT = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")  # RFC 5322 section 3.2.3
_LDH_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 5890 section 2.3.1
_USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_BAD_EMAIL = "This is not an e-mail address that can be used here."
_BAD_USER_NAME = (
    "A user name has 3 to 64 characters: letters of one script, digits 0-9, dots, dashes and underscores, "
    "a letter or digit first."
)

_SPACES = (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
_INVISIBLE = (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_AROUND = "".join(map(chr, (*range(0x09, 0x0E), *range(0x1C, 0x20), *_SPACES, *_INVISIBLE)))

RESERVED_NAMES = frozenset(
    {
        # RFC 2142: mailboxes of a business, of a network and of services
        *("info", "marketing", "sales", "support", "abuse", "noc", "security"),
        *("postmaster", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp"),
        # CA/Browser Forum, Baseline Requirements 3.2.2.4.4: addresses that prove control of a domain
        *("admin", "administrator"),
        # common practice: accounts of systems, and names that speak for the service
        *("root", "system", "sysadmin", "sysop", "superuser", "daemon", "operator", "moderator", "staff", "official"),
        *("help", "helpdesk", "contact", "billing", "legal", "privacy", "noreply", "donotreply", "mailerdaemon"),
        *("autoconfig", "autodiscover", "isatap", "wpad", "localhost", "api", "auth", "login", "logout", "register"),
        *("account", "accounts", "user", "users", "guest", "anonymous", "null", "undefined", "latchkey"),
    }
)
"""User names that strangers may not take, without dots, dashes and underscores."""


class BadLogin(ValueError):
    """A login that has no canonical form; `message` is a public sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def trimmed(text: str) -> str:
    """Return a text without the white space and the invisible characters around it, as a paste or a keyboard adds."""
    return text.strip(_AROUND)


def canonical_login(text: str) -> str:
    """Return the one spelling of an e-mail address or a user name; raise `BadLogin` when it is neither.

    A user name cannot contain an "@", so it can never look like another user's address (CVE-2022-39229).
    """
    # Not str.lower(): in an address, U+212A KELVIN SIGN would become the ASCII letter k.
    lowered = trimmed(text).translate(_ASCII_LOWER)
    return _canonical_email(lowered) if is_email(lowered) else _canonical_user_name(lowered)


def look_of(login: str) -> str:
    """Return the text that a canonical login shares with all that look like it, so that one of them has an account.

    An address or a user name in ASCII is its own. An account is found by its own login alone: if others found it too,
    each would bring a guesser a counter of its own.
    """
    if login.isascii():
        return login
    from latchkey.core.credentials.user_names import skeleton

    return skeleton(login)


def is_reserved(login: str) -> bool:
    """Say whether a canonical login is a user name that speaks for the service or for a system, or looks like one."""
    return re.sub("[._-]", "", look_of(login)) in RESERVED_NAMES


def is_email(login: str) -> bool:
    """Say whether a login is an e-mail address rather than a user name."""
    return "@" in login


def context_words(login: str) -> tuple[str, ...]:
    """Return the words of a canonical login that its password must not be made of (ASVS 5.0 6.2.11).

    They are the local part or user name, the pieces it is joined from, and the domain's labels, in both of their forms.
    """
    name, _, domain = login.partition("@")
    labels = domain.split(".")
    words = {name, *re.split(r"[._+-]", name), *labels, *map(_u_label, labels)}
    return tuple(sorted(word for word in words if len(word) >= SHORTEST_CONTEXT_WORD))


def _canonical_user_name(text: str) -> str:
    name: str | None = text
    if not text.isascii():
        from latchkey.core.credentials.user_names import canonical_user_name

        name = canonical_user_name(text)
    if name is None or (name.isascii() and not _USER_NAME.fullmatch(name)):
        raise BadLogin(_BAD_USER_NAME)
    return name


def _canonical_email(text: str) -> str:
    local_part, _, domain = text.rpartition("@")
    if len(local_part) > MAX_LOCAL_PART or not _DOT_ATOM.fullmatch(local_part):
        raise BadLogin(_BAD_EMAIL)
    email = f"{local_part}@{_canonical_domain(domain)}"
    if len(email) > MAX_EMAIL:  # A-labels are longer than what was typed
        raise BadLogin(_BAD_EMAIL)
    return email


def _canonical_domain(domain: str) -> str:
    labels = [_a_label(label) for label in _mapped(domain).split(".")]
    # No top-level domain is a number, and every IPv4 address ends in one (RFC 3696 section 2).
    if len(labels) < 2 or labels[-1].isdigit():  # noqa: PLR2004 - a name with a dot in it
        raise BadLogin(_BAD_EMAIL)
    return ".".join(labels)


def _mapped(domain: str) -> str:
    """Return a domain with its letters and dots as DNS has them: small, composed, of one width (UTS 46 section 4)."""
    if domain.isascii():
        return domain
    import idna

    try:
        return idna.uts46_remap(domain, std3_rules=True, transitional=False)
    except idna.IDNAError as error:
        raise BadLogin(_BAD_EMAIL) from error


def _a_label(label: str) -> str:
    if _LDH_LABEL.fullmatch(label) and label[2:4] != "--":
        return label
    import idna

    try:
        # What UTS 46 has mapped must be a name of IDNA 2008 (RFC 5891 section 4.2).
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError as error:
        raise BadLogin(_BAD_EMAIL) from error


def _u_label(a_label: str) -> str:
    if not a_label.startswith("xn--"):
        return a_label
    import idna

    return idna.ulabel(a_label)


def parse_login(text: str, field: str = "login") -> str:
    """Return the canonical form of a typed login, or raise `INVALID_REQUEST` naming the field."""
    try:
        return canonical_login(text)
    except BadLogin as error:
        raise invalid_field(field, "invalid_login", error.message) from None
