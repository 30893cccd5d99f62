"""Where a caller is: household, site and network, and the counters of each."""

from __future__ import annotations

import pytest

from latchkey.core.errors import Errors
from latchkey.core.networks import household_of, network_of, site_of
from latchkey.core.throttle import SITE_FACTOR, ThrottleRule, from_address, reserve_all
from tests.integration.contract import refuses
from tests.memory.store import MemoryStore
from tests.world import NOW

RULE = ThrottleRule(free=2, waits=(60,), window=900)


@pytest.mark.parametrize(
    ("address", "household", "site", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8:1::/48"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8:1::/48"),
        ("::ffff:192.0.2.7", "192.0.2.7", "", "192.0.2.0/24"),
        ("", "", "", ""),
        ("nonsense", "nonsense", "", ""),
    ],
)
def test_address_has_a_household_a_site_and_a_network(address: str, household: str, site: str, network: str) -> None:
    """IPv4 counts whole, IPv6 as /64 and /48. A household is an address, too: functions hand it on."""
    assert (household_of(address), site_of(address), network_of(address)) == (household, site, network)


def test_site_gets_ten_times_the_limit_of_a_household() -> None:
    """A stranger with a whole /48 gets no more than ten households; a neighbour within it has its own limit."""
    store = MemoryStore()
    for number in range(SITE_FACTOR):
        counters = from_address("guess", f"2001:db8:1:{number:x}::/64", RULE)
        for _ in range(2):
            reserve_all(store, counters, NOW)
        with refuses(Errors.RATE_LIMITED):
            reserve_all(store, counters, NOW)
    with refuses(Errors.RATE_LIMITED):
        reserve_all(store, from_address("guess", "2001:db8:1:ffff::/64", RULE), NOW)
    reserve_all(store, from_address("guess", "2001:db8:2::/64", RULE), NOW)


def test_household_beyond_its_limit_uses_up_nothing_of_its_site() -> None:
    """Its refused attempts are counted nowhere."""
    store, noisy = MemoryStore(), from_address("guess", "2001:db8:1::/64", RULE)
    for _ in range(2):
        reserve_all(store, noisy, NOW)
    for _ in range(100):
        with refuses(Errors.RATE_LIMITED):
            reserve_all(store, noisy, NOW)
    assert store.attempts(noisy[1], NOW).count == 2
    reserve_all(store, from_address("guess", "2001:db8:1:1::/64", RULE), NOW)
