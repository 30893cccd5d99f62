"""How the signing policy, its changes and the impact of a reset look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeGuard

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.cli.signing.policy import Key, Policy
from infra.cli.terminal.durations import distance, human, moment
from infra.cli.terminal.tables import new_table

LABELS = {
    "algorithm": "Algorithm",
    "access_ttl": "Access token lives",
    "refresh_ttl": "Session lives at most",
    "refresh_idle_ttl": "Unused session lives",
    "refresh_retry_limit": "Late repeats allowed",
}
"""The settings that an operator can change, in the order in which they are shown."""

_EFFECT = {
    "access_ttl": "in tokens issued from now on",
    "refresh_ttl": "in sessions that start from now on",
    "refresh_idle_ttl": "in each session from its next refresh on",
    "refresh_retry_limit": "in every session from now on",
}
_WIDE, _NARROW = 120, 80
"""Columns of a terminal that hold a key's id and its times, and its id and one short text."""

_STATE_STYLES = {"current": "green", "next": "cyan", "previous": "dim"}
_KNOWN_IMPACT = frozenset(
    {
        "keys_revoked",
        "longest_token_life",
        "verifiers_notice_within",
        "verifiers_without_keys_stop_within",
        "other_verifiers_notice_within",
        "sessions_end",
        "functions_notice_within",
        "old_refresh_tokens_accepted_for",
    }
)


def policy_view(policy: Policy, now: int, width: int | None) -> Group:
    """Show the settings and the keys."""
    title = Text(f"Signing policy of {policy.issuer}, version {policy.version}", style="bold")
    return Group(title, "", settings_table(policy), "", keys_table(policy, now, width))


def settings_table(policy: Policy) -> Table:
    """Return the settings, one a row."""
    table = new_table()
    table.add_column("Setting", no_wrap=True)
    table.add_column("Value")
    for name, label in LABELS.items():
        table.add_row(label, _value(policy, name))
    return table


def keys_table(policy: Policy, now: int, width: int | None) -> Table:
    """Return the keys, one a row. Ages are counted from the publication; times are local.

    A terminal with few columns shows how far away the times are, and no ages; a very narrow one shows states alone.
    """
    table = new_table()
    for heading in _key_headings(width):
        table.add_column(heading, overflow="fold")
    for key in policy.keys:
        state = Text(key.state, _STATE_STYLES.get(key.state, ""))
        age = human(max(0, now - key.published_at), parts=1)
        wide = width is None or width >= _WIDE
        cells: list[RenderableType] = [
            key.kid,
            state,
            key.alg,
            *([age, _life(key, now)] if wide else [_short_life(key, now)]),
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def _key_headings(width: int | None) -> list[str]:
    if width is None or width >= _WIDE:
        return ["Key", "State", "Algorithm", "Age", "Life"]
    return ["Key", "State", "Alg", "Life"] if width >= _NARROW else ["Key", "State"]


def changes(before: Policy, after: Policy, now: int) -> Text:
    """Return what differs and when it takes effect."""
    lines = [
        f"{label}: {_value(before, name)} → {_value(after, name)}, {_effect(after, name, now)}"
        for name, label in LABELS.items()
        if getattr(before, name) != getattr(after, name)
    ]
    if not lines:
        return Text("Nothing has changed.")
    return Text("\n".join([*lines, "Functions that have cached the policy follow within a minute."]))


def rotation(policy: Policy, now: int) -> Text:
    """Return when the new key starts signing."""
    heir = policy.heir(policy.algorithm)
    if heir is None or heir.activates_at is None:
        return Text("The keys have rotated.")
    return Text(f"Key {heir.kid} signs from {moment(heir.activates_at, now)}. By then every verifier has it.")


def impact(effects: Mapping[str, object], target: str) -> Text:
    """Return what a reset will break."""
    return Text("\n".join([f"A reset of the signing keys of {target}:", *(f"  - {line}" for line in _impact(effects))]))


def _impact(effects: Mapping[str, object]) -> Iterator[str]:
    functions = _duration(effects, "functions_notice_within")
    yield f"keys revoked: {_number(effects, 'keys_revoked')}; access tokens issued so far are not accepted any more"
    yield f"tokens end up to {_duration(effects, 'longest_token_life')} early: apps refresh, services request new ones"
    yield f"this stack's verifiers follow within {_duration(effects, 'verifiers_notice_within')}"
    yield f"if they cannot fetch the new keys: within {_duration(effects, 'verifiers_without_keys_stop_within')}"
    yield f"verifiers elsewhere follow within {_duration(effects, 'other_verifiers_notice_within')} (cache headers)"
    yield "verifiers with a copy of a key (HS256, PEM) reject every new token until they get the new key"
    yield f"cursors of lists end within {functions}: clients begin the list again"
    yield from _sessions(effects, functions)
    for name, value in effects.items():
        if name not in _KNOWN_IMPACT and _is_number(value) and name.isidentifier():
            yield f"{name.replace('_', ' ')}: {value}"


def _sessions(effects: Mapping[str, object], functions: str) -> Iterator[str]:
    """Return the effect on sessions, and the effect of the other choice."""
    if effects.get("sessions_end"):
        yield f"every session ends within {functions}: all users must log in again"
        yield "without --end-sessions, users stay logged in; leaked keys alone make no refresh token either way"
        return
    until = _duration(effects, "old_refresh_tokens_accepted_for")
    yield f"sessions continue: no one signs in again, and refresh tokens of the old keys are accepted for up to {until}"
    yield "leaked keys alone make no refresh token; if refresh tokens themselves have leaked, use --end-sessions"


def _life(key: Key, now: int) -> str:
    """Return what the key does, and since or until when."""
    if key.state == "next":
        return f"signs from {moment(key.activates_at, now)}" if key.activates_at else "signs after the next rotation"
    if key.state == "current":
        return f"signs since {moment(key.activates_at, now)}" if key.activates_at else "signs"
    return f"verifies until {moment(key.retire_at, now)}" if key.retire_at else "verifies"


def _short_life(key: Key, now: int) -> str:
    """Return the same in as few words as possible: a key's id takes half of the line."""
    if key.state == "next":
        return f"signs {distance(key.activates_at, now)}" if key.activates_at else "after a rotation"
    if key.state == "current":
        return f"since {human(max(0, now - key.activates_at), parts=1)}" if key.activates_at else ""
    return f"ends {distance(key.retire_at, now)}" if key.retire_at else ""


def _value(policy: Policy, name: str) -> str:
    value = getattr(policy, name)
    return human(value) if name.endswith("_ttl") else str(value)


def _effect(policy: Policy, name: str, now: int) -> str:
    if name != "algorithm":
        return _EFFECT[name]
    heir = policy.heir(policy.algorithm)
    if heir is None or heir.activates_at is None:
        return "in the keys created from now on"
    return f"in tokens issued from {moment(heir.activates_at, now)} on"


def _number(effects: Mapping[str, object], name: str) -> str:
    value = effects.get(name)
    return str(value) if _is_number(value) else "unknown"


def _duration(effects: Mapping[str, object], name: str) -> str:
    value = effects.get(name)
    return human(value) if _is_number(value) else "an unknown time"


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
