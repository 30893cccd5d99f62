"""The names that tokens carry, and how they move: the issuer (`iss`) and the audience (`aud`).

A name moves as keys do. Every verifier learns the new name before a token carries it, and accepts the old one until the
last token that carries it has expired:

    planned                  at                                   previous_until
       |---- publish_lead ----|------ longest token + name_margin ------|
       |- tokens: old name ---|- tokens: new name ------------------------------->
       |- accepted: both names -----------------------------------------|- new -->

The move is written once, ahead of time. Which name tokens carry at a moment follows from the times alone (`at`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.signing.key_set import Caches


class BadName(ValueError):
    """Names that are refused. The message never quotes one."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The name that tokens carry from `at` on. The name before it is accepted until `previous_until`."""

    name: str
    at: int
    previous_until: int


@dataclass(frozen=True, slots=True)
class Previous:
    """A name that new tokens no longer carry. It is accepted until `until`."""

    name: str
    until: int


@dataclass(frozen=True, slots=True)
class Name:
    """The name that tokens carry, the one planned after it, and those before it. Raises `BadName`."""

    current: str
    planned: Planned | None = None
    previous: tuple[Previous, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.all)) != len(self.all):
            raise BadName("a name that is there twice")
        if self.planned and self.planned.previous_until < self.planned.at:
            raise BadName("a name that ends before its successor begins")

    @property
    def all(self) -> tuple[str, ...]:
        """Every name that is mentioned."""
        return (self.current, *([self.planned.name] if self.planned else []), *(each.name for each in self.previous))

    def at(self, now: int) -> Name:
        """Return the names as they stand at that time: without a completed move, and without ended names."""
        if self.planned and self.planned.at <= now:
            before = Previous(self.current, self.planned.previous_until)
            return Name(self.planned.name, None, (before, *self.previous)).at(now)
        live = tuple(each for each in self.previous if now < each.until)
        return self if live == self.previous else replace(self, previous=live)

    def minted(self, now: int) -> str:
        """Return the name that tokens minted at that time carry."""
        return self.at(now).current

    def accepted(self, now: int) -> dict[str, int | None]:
        """Return the names that are accepted at that time, each with its end if that is decided."""
        settled = self.at(now)
        names: dict[str, int | None] = {each.name: each.until for each in settled.previous}
        names[settled.current] = settled.planned.previous_until if settled.planned else None
        return names | ({settled.planned.name: None} if settled.planned else {})

    def moved(self, name: str, *, now: int, longest: int, caches: Caches) -> Name:
        """Return the names with a move to this one; `self` if tokens carry it already, or will after a planned move.

        `longest` is the longest life, in seconds, of any token that carries one of the names. A move that is planned
        and has not begun is replaced; a move to the name that tokens carry now calls it off.
        """
        settled = self.at(now)
        if name == (settled.planned.name if settled.planned else settled.current):
            return self
        free = settled.called_off(now=now, longest=longest, caches=caches)
        if name == free.current:
            return free
        begins_at = now + caches.publish_lead
        planned = Planned(name, begins_at, begins_at + longest + caches.name_margin)
        return Name(free.current, planned, tuple(each for each in free.previous if each.name != name))

    def kept_for(self, ttl: int, caches: Caches) -> Name:
        """Return the names for tokens that live `ttl` seconds from now on; a planned end is postponed if need be."""
        if self.planned is None:
            return self
        until = max(self.planned.previous_until, self.planned.at + ttl + caches.name_margin)
        return replace(self, planned=replace(self.planned, previous_until=until))

    def called_off(self, *, now: int, longest: int, caches: Caches) -> Name:
        """Return the names without the planned move, which has not begun.

        That name stays accepted for a while. A function that holds the plan may use it before it reads again; tokens
        may carry it since an earlier move; and verifiers hold it without an end.
        """
        if self.planned is None:
            return self
        until = now + longest + caches.name_margin
        return Name(self.current, None, (Previous(self.planned.name, until), *self.previous))
