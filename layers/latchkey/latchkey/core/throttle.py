"""How attempts are slowed down: a number that is free, then waits that grow and end by themselves.

OWASP ASVS 5.0 6.3.1 and NIST SP 800-63B-4 section 3.2.2 ask for a bound on guesses; both warn that a lock must not
become a weapon. So nothing here locks for good: the longest wait is the last of `waits`.

Every attempt is reserved by one conditional write before the work that it pays for, and given back if it succeeds. A
counter that is read first and written later lets parallel attempts through (CVE-2023-47111).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from latchkey.core.networks import site_of

KEPT_WITHOUT_WINDOW = 34_560_000
"""Seconds that attempts without a window are kept after the last one: 400 days, so that the table does not grow
forever."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts a window has seen, and when the last was (seconds; 0 when there was none)."""

    count: int = 0
    last_at: int = 0


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """`free` attempts at any pace; the next needs `waits[0]` seconds since the last, then `waits[1]`, and so on.

    The last of `waits` then holds until the window of `window` seconds is over, and a new window starts empty. A rule
    whose window is 0 has none: its attempts count until one succeeds.
    """

    free: int
    waits: tuple[int, ...]
    window: int

    def wait(self, attempts: Attempts, now: int) -> int:
        """Return the seconds until the next attempt is allowed; 0 when it is allowed now."""
        if attempts.count < self.free:
            return 0
        pause = self.waits[min(attempts.count - self.free, len(self.waits) - 1)]
        wait = max(0, attempts.last_at + pause - now)
        return min(wait, self.kept_until(now) - now) if self.window else wait

    def window_index(self, now: int) -> int:
        """Return the number of the window that `now` is in; 0 for a rule without one."""
        return now // self.window if self.window else 0

    def kept_until(self, now: int) -> int:
        """Return the second at which an attempt of now may be forgotten: when its window is over."""
        return (self.window_index(now) + 1) * self.window if self.window else now + KEPT_WITHOUT_WINDOW


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of attempts: the action `what`, by or against `who`, under a rule. The store hashes `who`."""

    what: str
    who: str
    rule: ThrottleRule


@dataclass(frozen=True, slots=True)
class LoginDevice:
    """A known device of a canonical login. The counters of the devices of a login stand together."""

    login: str
    device_id: str

    @property
    def counter(self) -> Counter:
        """What the counters of all devices of the login stand under."""
        return Counter("devices", self.login, DEVICE_RULE)


_GUESSES = (30, 60, 120, 300, 900)

STRANGERS_RULE = ThrottleRule(free=10, waits=_GUESSES, window=0)
"""Per login, all devices together that are not known: ten failures at any pace, then half a minute, one, two, five, and
every quarter of an hour. A sign-in from such a device and a reset by mail start again."""

MOST_FAILURES = 100
"""Consecutive failures of such devices after which no password opens the account on one of them, where a reset by mail
can open it again (NIST SP 800-63B-4 section 3.2.2)."""

DEVICE_RULE = ThrottleRule(free=10, waits=_GUESSES, window=86_400)
"""Per login and known device, failures only."""

MOST_DEVICES = 20
"""Known devices of a login that have a counter of their own on one day. The others count as unknown ones."""

OWNER_RULE = ThrottleRule(free=10, waits=_GUESSES, window=86_400)
"""Per session, failures only: the present password, for a change of what opens the account."""

ADDRESS_RULE = ThrottleRule(free=100, waits=(1, 2, 5, 10, 30, 60), window=900)
"""Per address, failures only: many people may share one (a mobile carrier's NAT), so it is wide and ends soon. Known
devices are not counted."""

MAIL_ADDRESS_RULE = ThrottleRule(free=30, waits=(1, 2, 5, 10, 30, 60), window=900)
"""Per address: requests for mail, to any login."""

ADDRESS_CHANGE_RULE = ThrottleRule(free=5, waits=(60, 300, 900), window=86_400)
"""Per account: digits sent to new addresses. Each mail allows five tries, so a day allows some 500 of a million."""

REGISTRATION_RULE = ThrottleRule(free=100, waits=(1, 2, 5, 10, 30, 60), window=900)
"""Per address: registrations, and confirmations with a password. Each of them hashes a password."""

CLIENT_RULE = ThrottleRule(free=20, waits=(1, 2, 5, 10, 30, 60), window=900)
"""Per address, failures only: wrong secrets of clients and wrong API keys. None with 256 bits can be guessed, so this
bounds the work that junk causes. The right secret is never held up."""

JUNK_RULE = ThrottleRule(free=100, waits=(1, 2, 5, 10, 30, 60), window=900)
"""Per address, failures only: bad tokens at the validation, and bad assertions."""

LETTER_RULE = ThrottleRule(free=3, waits=(60, 300, 900, 3600), window=86_400)
"""Per kind of mail, mailbox and asker. So a stranger who asks too often delays the mail of no other asker."""

MAILBOX_RULE = ThrottleRule(free=10, waits=(3600,), window=86_400)
"""Per kind of mail and mailbox, from any asker: ten a day, then one an hour, some thirty in all. One mail an hour is
as good for the owner as any other: it goes to the owner's mailbox, whichever request it answers."""

SITE_FACTOR = 10
"""How many times the limit of a /64 network a whole /48 gets."""


class ThrottleStore(Protocol):
    """Counted attempts, per counter and window of its rule."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one; return how many this window has seen with it.

        One conditional write, so that N parallel callers never get more than the rule gives. Raise `RATE_LIMITED` with
        `retry_after` when refused; a refused attempt is not counted.
        """

    def clear(self, counter: Counter, now: int) -> None:
        """Start the count of this window again."""

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Count an attempt of a known device under `DEVICE_RULE`, as `reserve_attempt` does.

        Return `False`, and count nothing, if this would be the counter of one device too many for its login and window.
        The first attempt of a device in a window is one more write.
        """

    def clear_device(self, device: LoginDevice, now: int) -> None:
        """Start the count of a known device again."""

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Count an attempt even if the rule does not allow it; return the state with it."""

    def give_back(self, counter: Counter, now: int) -> None:
        """Count one attempt less in the window of `now`, never below 0: it was reserved, and is not one."""

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return the state of this window without counting."""


class NoThrottle:
    """A `ThrottleStore` that counts nothing, for a laptop where load is measured."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Allow the attempt."""
        del counter, now
        return 0

    def clear(self, counter: Counter, now: int) -> None:
        """Do nothing."""

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Allow the attempt."""
        del device, now
        return True

    def clear_device(self, device: LoginDevice, now: int) -> None:
        """Do nothing."""

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Return a state without attempts."""
        del counter, now
        return Attempts()

    def give_back(self, counter: Counter, now: int) -> None:
        """Give back nothing."""
        del counter, now

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return a state without attempts."""
        del counter, now
        return Attempts()


def strangers_of(login: str) -> Counter:
    """Return the counter that all devices share which are not known to a login."""
    return Counter("login", login, STRANGERS_RULE)


def owner_in(sid: str) -> Counter:
    """Return the counter of the passwords that a session presents to change what opens its account."""
    return Counter("owner", sid, OWNER_RULE)


def from_address(what: str, address: str, rule: ThrottleRule) -> tuple[Counter, ...]:
    """Return the counters of what comes from an address: its own and, for IPv6, that of its /48 network.

    The /48 gets ten times the limit: a household may have all of it, and so may a small town.
    """
    own = Counter(what, address, rule)
    site = site_of(address)
    return (own, Counter(what, site, replace(rule, free=rule.free * SITE_FACTOR))) if site else (own,)


def sign_ins_from(address: str) -> tuple[Counter, ...]:
    """Return the counters of sign-ins that come from an address, with devices which are not known."""
    return from_address("address", address, ADDRESS_RULE)


def registrations_from(address: str) -> tuple[Counter, ...]:
    """Return the counters of passwords that are hashed for an address without an account: registrations."""
    return from_address("register_from", address, REGISTRATION_RULE)


def confirmations_from(address: str) -> tuple[Counter, ...]:
    """Return the counters of passwords that are hashed for an address to confirm what a mail was about."""
    return from_address("confirm_from", address, REGISTRATION_RULE)


def mail_requests_from(address: str) -> tuple[Counter, ...]:
    """Return the counters of requests for mail that come from an address, to any logins."""
    return from_address("mail_from", address, MAIL_ADDRESS_RULE)


def reserve_all(store: ThrottleStore, counters: Sequence[Counter], now: int) -> None:
    """Count an attempt on each counter, up to the first that refuses it. Raise `RATE_LIMITED` then.

    Narrow counters stand first, so that a household beyond its own limit uses up nothing of its neighbours.
    """
    for counter in counters:
        store.reserve_attempt(counter, now)
