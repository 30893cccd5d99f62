"""Counted attempts, one item per subject and window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER, AnyItem
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import Attempts, Counter, ThrottleRule

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
            wait = counter.rule.wait(attempts, now)
            raise ServiceError(Errors.RATE_LIMITED, f"{attempts.count} attempts at {counter.what}", retry_after=wait)
        return attempts.count

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
    return {"now": now, "ttl": counter.rule.window_end(now) + LINGER, "one": 1}


def _allowance(rule: ThrottleRule, now: int) -> tuple[str, dict[str, int]]:
    """Return `rule.wait(...) == 0` as a condition: the free attempts, or the step that the counter stands on.

    n:   0 … free-1        free           free+1     …    free+len(waits)-1 and up
    ok:  always       last_at+waits[0]   last_at+waits[1]       last_at+waits[-1]     <= now
    """
    steps = ["attribute_not_exists(#n)", "#n < :free"]
    values = {"free": rule.free}
    last = len(rule.waits) - 1
    for step, wait in enumerate(rule.waits):
        steps.append(f"(#n {'>=' if step == last else '='} :n{step} AND #last_at <= :since{step})")
        values |= {f"n{step}": rule.free + step, f"since{step}": now - wait}
    return " OR ".join(steps), values


def _attempts(item: AnyItem | None) -> Attempts:
    return Attempts(int(item["n"]["N"]), int(item["last_at"]["N"])) if item else Attempts()
