"""The signing policy as the admin API shows it, which contains no private key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.cli.errors import BadAnswer
from latchkey.signing.strict_json import StrictJsonError, integer_member, string_member


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key. Times are in seconds since the epoch, `None` where undecided.

    `activates_at` is when it starts signing, or started; `retire_at` is when it stops verifying.
    """

    kid: str
    alg: str
    state: str
    published_at: int
    activates_at: int | None
    retire_at: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy. Lifetimes are in seconds."""

    version: int
    issuer: str
    algorithm: str
    access_ttl: int
    refresh_ttl: int
    refresh_idle_ttl: int
    refresh_retry_limit: int
    keys: tuple[Key, ...]

    def heir(self, algorithm: str) -> Key | None:
        """Return the next key of this algorithm, if it is decided when it starts signing."""
        waiting = (key for key in self.keys if key.state == "next" and key.alg == algorithm)
        return next((key for key in waiting if key.activates_at is not None), None)


def read_policy(members: Mapping[str, object]) -> Policy:
    """Return the policy in a document; ignore unknown members, which a newer server may send. Raises `BadAnswer`."""
    try:
        return Policy(
            version=integer_member(members, "version"),
            issuer=_printable(members, "issuer"),
            algorithm=_printable(members, "algorithm"),
            access_ttl=integer_member(members, "access_ttl"),
            refresh_ttl=integer_member(members, "refresh_ttl"),
            refresh_idle_ttl=integer_member(members, "refresh_idle_ttl"),
            refresh_retry_limit=integer_member(members, "refresh_retry_limit"),
            keys=tuple(_key(item) for item in _keys(members)),
        )
    except StrictJsonError as error:
        raise BadAnswer(str(error)) from None


def _keys(members: Mapping[str, object]) -> list[Mapping[str, object]]:
    items = members.get("keys")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise StrictJsonError("bad_member", "keys")
    return items


def _key(members: Mapping[str, object]) -> Key:
    return Key(
        kid=_printable(members, "kid"),
        alg=_printable(members, "alg"),
        state=_printable(members, "state"),
        published_at=integer_member(members, "published_at"),
        activates_at=_optional_integer(members, "activates_at"),
        retire_at=_optional_integer(members, "retire_at"),
    )


def _optional_integer(members: Mapping[str, object], name: str) -> int | None:
    return None if members.get(name) is None else integer_member(members, name)


def _printable(members: Mapping[str, object], name: str) -> str:
    """Return a string without control characters, which a terminal would obey."""
    value = string_member(members, name)
    if not value.isprintable():
        raise StrictJsonError("bad_member", name)
    return value
