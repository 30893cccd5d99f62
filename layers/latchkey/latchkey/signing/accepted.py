"""The issuers and audiences that verifiers accept, which they learn together with the public keys.

They stand in a member of the JWKS that other verifiers ignore (RFC 7517 section 5):

    {"keys": [...], "latchkey:names:c977e413-c9f4-47fe-be3d-cc1937b65876": {
        "issuers": [{"iss": "https://id.example"}, {"iss": "https://old.example", "until": 1800000000}],
        "audiences": [{"aud": "latchkey"}]}}

From `until` on, in seconds since the epoch, verifiers refuse the name. A name without `until` has no end yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from latchkey.signing.strict_json import StrictJsonError, integer_member, string_member

MEMBER = "latchkey:names:c977e413-c9f4-47fe-be3d-cc1937b65876"
"""The member of the JWKS. The UUID makes it a collision-resistant name, as RFC 7517 section 5 asks."""

Ends: TypeAlias = Mapping[str, "int | None"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The accepted names, each with its end or `None`. An empty list says nothing about its claim."""

    issuers: Ends = field(default_factory=dict)
    audiences: Ends = field(default_factory=dict)

    def issuers_at(self, now: int, *, otherwise: str = "") -> AbstractSet[str]:
        """Return the issuers accepted at that time; where the list says nothing, only `otherwise`."""
        return _live(self.issuers, now) if self.issuers else frozenset({otherwise} - {""})

    def audiences_at(self, now: int, *, otherwise: str = "") -> AbstractSet[str]:
        """Return the audiences accepted at that time; where the list says nothing, only `otherwise`."""
        return _live(self.audiences, now) if self.audiences else frozenset({otherwise} - {""})

    def at(self, now: int) -> Accepted:
        """Return this without the names that have ended."""
        issuers, audiences = _live(self.issuers, now), _live(self.audiences, now)
        return Accepted(
            {name: end for name, end in self.issuers.items() if name in issuers},
            {name: end for name, end in self.audiences.items() if name in audiences},
        )

    def joined(self, other: Accepted) -> Accepted:
        """Return all names of both, each with its later end: for when either of the two may turn out to be right."""
        return Accepted(_joined(self.issuers, other.issuers), _joined(self.audiences, other.audiences))

    def to_member(self) -> dict[str, object]:
        """Return the value of the member in the JWKS; a list that says nothing is left out."""
        lists = {"issuers": _listed("iss", self.issuers), "audiences": _listed("aud", self.audiences)}
        return {name: names for name, names in lists.items() if names}


def from_member(value: object) -> Accepted:
    """Read the member of a JWKS; unknown members inside it are ignored. Raises `StrictJsonError`."""
    if not isinstance(value, dict):
        raise StrictJsonError("bad_member", "names")
    return Accepted(_ends(value, "issuers", "iss"), _ends(value, "audiences", "aud"))


def _live(names: Ends, now: int) -> frozenset[str]:
    return frozenset(name for name, until in names.items() if until is None or now < until)


def _joined(one: Ends, other: Ends) -> Ends:
    return {**one, **other, **{name: _later(one[name], other[name]) for name in one if name in other}}


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _listed(claim: str, names: Ends) -> list[dict[str, object]]:
    return [{claim: name} if until is None else {claim: name, "until": until} for name, until in names.items()]


def _ends(value: Mapping[str, object], name: str, claim: str) -> Ends:
    items = value.get(name, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise StrictJsonError("bad_member", name)
    return {string_member(item, claim): integer_member(item, "until") if "until" in item else None for item in items}
