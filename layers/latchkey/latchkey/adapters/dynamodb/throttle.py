"""Counted attempts, one item per subject and window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER, AnyItem
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import MOST_DEVICES, Attempts, Counter, LoginDevice, ThrottleRule

if TYPE_CHECKING:
    from latchkey.adapters.dynamodb.table import Write


class AttemptCounters(TablePart):
    """Implements `ThrottleStore`."""

    def reserve_attempt(self, counter: Counter, now: int) -> int:
        """Count an attempt if the rule allows one: the whole rule is the condition of the one write."""
        steps, values = _allowance(counter.rule, now)
        write = self._count(counter, now, values, only_if=steps)
        attempts = _attempts(write.item)
        if not write.applied:
            raise _refusal(counter, attempts, now)
        return attempts.count

    def clear(self, counter: Counter, now: int) -> None:
        """Start the count again."""
        self._table.update(items.throttle(counter, now), "SET #n = :zero", {"zero": 0}, only_if="#n > :zero")

    def reserve_on_device(self, device: LoginDevice, now: int) -> bool:
        """Count an attempt on a device that has a counter in this window, or else give it one if there is room."""
        n, last_at = _of_device(device)
        return self._count_again(device, n, last_at, now) or self._count_first(device, n, last_at, now)

    def clear_device(self, device: LoginDevice, now: int) -> None:
        """Start the count of a device again."""
        n, _ = _of_device(device)
        self._table.update(
            items.throttle(device.counter, now), f"SET #{n} = :zero", {"zero": 0}, only_if=f"#{n} > :zero"
        )

    def _count_again(self, device: LoginDevice, n: str, last_at: str, now: int) -> bool:
        """Count an attempt; return whether the device has a counter. Raises `RATE_LIMITED`."""
        steps, values = _allowance(device.counter.rule, now, n, last_at)
        write = self._table.update(
            items.throttle(device.counter, now),
            f"SET #{last_at} = :now ADD #{n} :one",
            {**values, "now": now, "one": 1},
            only_if=f"attribute_exists(#{n}) AND ({steps})",
        )
        attempts = _attempts(write.item, n, last_at)
        if not write.applied and write.item and n in write.item:
            raise _refusal(device.counter, attempts, now)
        return write.applied

    def _count_first(self, device: LoginDevice, n: str, last_at: str, now: int) -> bool:
        """Count the first attempt of a device; return whether there was room for its counter."""
        write = self._table.update(
            items.throttle(device.counter, now),
            f"SET #{last_at} = :now, #ttl = :ttl ADD #{n} :one, #devices :one",
            {**_counted(device.counter, now), "most": MOST_DEVICES},
            only_if=f"attribute_not_exists(#{n}) AND (attribute_not_exists(#devices) OR #devices < :most)",
        )
        if not write.applied and write.item and n in write.item:  # a parallel attempt of the device was the first
            return self._count_again(device, n, last_at, now)
        return write.applied

    def count_attempt(self, counter: Counter, now: int) -> Attempts:
        """Count an attempt, even if the rule does not allow it."""
        return _attempts(self._count(counter, now, {}).item)

    def give_back(self, counter: Counter, now: int) -> None:
        """Count one attempt less, unless the window has none."""
        values: dict[str, int] = {"now": now, "less": -1, "one": 1}
        self._table.update(items.throttle(counter, now), f"SET #given_at = :now ADD {_LESS}", values, only_if=_ANY)

    def attempts(self, counter: Counter, now: int) -> Attempts:
        """Return the state of this window."""
        return _attempts(self._table.get(items.throttle(counter, now)))

    def _count(self, counter: Counter, now: int, values: Mapping[str, int], *, only_if: str = "") -> Write:
        return self._table.update(
            items.throttle(counter, now),
            f"SET {_SET} ADD {_ADD}",
            {**values, **_counted(counter, now)},
            only_if=only_if,
        )


def reserved(counter: Counter, now: int) -> Change:
    """Return the step of a transaction that counts an attempt. It fails if the rule does not allow one."""
    steps, values = _allowance(counter.rule, now)
    return Change(items.throttle(counter, now), {**values, **_counted(counter, now)}, steps, set=_SET, add=_ADD)


def given_back(counter: Counter, now: int) -> Change:
    """Return the step of a transaction that counts one attempt less. It fails if the window has none."""
    return Change(items.throttle(counter, now), {"less": -1, "one": 1}, _ANY, add=_LESS)


_SET, _ADD = "#last_at = :now, #ttl = :ttl", "#n :one"
_LESS, _ANY = "#n :less", "#n >= :one"


def _counted(counter: Counter, now: int) -> dict[str, int]:
    return {"now": now, "ttl": counter.rule.kept_until(now) + LINGER, "one": 1}


def _allowance(rule: ThrottleRule, now: int, n: str = "n", last_at: str = "last_at") -> tuple[str, dict[str, int]]:
    """Return `rule.wait(...) == 0` as a condition: the free attempts, or the step that the counter stands on.

    n:   0 … free-1        free           free+1     …    free+len(waits)-1 and up
    ok:  always       last_at+waits[0]   last_at+waits[1]       last_at+waits[-1]     <= now
    """
    steps = [f"attribute_not_exists(#{n})", f"#{n} < :free"]
    values = {"free": rule.free}
    last = len(rule.waits) - 1
    for step, wait in enumerate(rule.waits):
        steps.append(f"(#{n} {'>=' if step == last else '='} :n{step} AND #{last_at} <= :since{step})")
        values |= {f"n{step}": rule.free + step, f"since{step}": now - wait}
    return " OR ".join(steps), values


def _attempts(item: AnyItem | None, n: str = "n", last_at: str = "last_at") -> Attempts:
    return Attempts(int(item[n]["N"]), int(item[last_at]["N"])) if item and n in item else Attempts()


def _of_device(device: LoginDevice) -> tuple[str, str]:
    """Return the attributes of a device: its count, and when its last attempt was."""
    return f"n_{device.device_id}", f"at_{device.device_id}"


def _refusal(counter: Counter, attempts: Attempts, now: int) -> ServiceError:
    wait = counter.rule.wait(attempts, now)
    return ServiceError(Errors.RATE_LIMITED, f"{attempts.count} attempts at {counter.what}", retry_after=wait)
