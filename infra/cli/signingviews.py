"""How the signing policy, its changes and the impact of a reset look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from infra.cli.durations import human, moment
from infra.cli.signingpolicy import Key, Policy

LABELS = {
    "algorithm": "Algorithm",
    "access_ttl": "Access token lives",
    "refresh_ttl": "Session lives at most",
    "refresh_idle_ttl": "Unused session lives",
    "refresh_retry_limit": "Late refreshes in a row",
}
"""The settings that an operator can change, in the order in which they are shown."""

_EFFECT = {
    "access_ttl": "in tokens issued from now on",
    "refresh_ttl": "in sessions begun from now on",
    "refresh_idle_ttl": "in each session from its next refresh on",
    "refresh_retry_limit": "in every session from now on",
}
_STATE_STYLES = {"current": "green", "next": "cyan", "previous": "dim"}
_KNOWN_IMPACT = frozenset({"keys_revoked", "verifiers_notice_within", "longest_token_life", "sessions_end"})


def settings_table(policy: Policy) -> Table:
    """Return the settings, one a row."""
    table = _table(f"Signing policy of {policy.issuer}, version {policy.version}")
    table.add_column("Setting")
    table.add_column("Value")
    for name, label in LABELS.items():
        table.add_row(label, _value(policy, name))
    return table


def keys_table(policy: Policy, now: int) -> Table:
    """Return the keys, one a row; times are local."""
    table = _table("Keys")
    for heading in ("State", "Algorithm"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Key", "Published", "Signs", "Verifies until"):
        table.add_column(heading, overflow="fold")
    for key in policy.keys:
        until = moment(key.retire_at, now) if key.retire_at is not None else ""
        published = moment(key.published_at, now)
        style = _STATE_STYLES.get(key.state, "")
        table.add_row(Text(key.state, style), key.alg, key.kid, published, _signs(key, now), until)
    return table


def changes(before: Policy, after: Policy, now: int) -> Text:
    """Say what differs and when it takes effect."""
    lines = [
        f"{label}: {_value(before, name)} → {_value(after, name)}, {_effect(after, name, now)}"
        for name, label in LABELS.items()
        if getattr(before, name) != getattr(after, name)
    ]
    if not lines:
        return Text("Nothing has changed.")
    return Text("\n".join([*lines, "Functions that have read the policy before follow within a minute."]))


def rotation(policy: Policy, now: int) -> Text:
    """Say when the new key begins to sign."""
    heir = policy.heir(policy.algorithm)
    if heir is None or heir.activates_at is None:
        return Text("The keys have rotated.")
    return Text(f"Key {heir.kid} signs from {moment(heir.activates_at, now)}. By then every verifier has it.")


def impact(effects: Mapping[str, object], target: str) -> Text:
    """Name what a reset will break."""
    return Text("\n".join([f"A reset of the signing keys of {target}:", *(f"  - {line}" for line in _impact(effects))]))


def _impact(effects: Mapping[str, object]) -> Iterator[str]:
    yield f"keys revoked: {_number(effects, 'keys_revoked')}; no access token issued so far is accepted any more"
    yield f"tokens end up to {_duration(effects, 'longest_token_life')} early: apps refresh, services ask for new ones"
    yield f"verifiers follow within {_duration(effects, 'verifiers_notice_within')}; until then, a stolen key may pass"
    yield "whoever verifies with a copy of a key, an HS256 secret or a PEM, needs the new one"
    if effects.get("sessions_end"):
        yield "every session ends: everybody has to log in again"
    else:
        yield "sessions live on: refresh tokens go on working"
    for name, value in effects.items():
        if name not in _KNOWN_IMPACT and isinstance(value, int) and name.isidentifier():
            yield f"{name.replace('_', ' ')}: {value}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")


def _signs(key: Key, now: int) -> str:
    if key.state == "next":
        return f"from {moment(key.activates_at, now)}" if key.activates_at is not None else "after the next rotation"
    return f"since {moment(key.activated_at, now)}" if key.state == "current" and key.activated_at is not None else ""


def _value(policy: Policy, name: str) -> str:
    value = getattr(policy, name)
    return human(value) if name.endswith("_ttl") else str(value)


def _effect(policy: Policy, name: str, now: int) -> str:
    if name != "algorithm":
        return _EFFECT[name]
    heir = policy.heir(policy.algorithm)
    if heir is None or heir.activates_at is None:
        return "in the keys made from now on"
    return f"in tokens issued from {moment(heir.activates_at, now)} on"


def _number(effects: Mapping[str, object], name: str) -> str:
    value = effects.get(name)
    return str(value) if isinstance(value, int) else "unknown"


def _duration(effects: Mapping[str, object], name: str) -> str:
    value = effects.get(name)
    return human(value) if isinstance(value, int) else "an unknown time"
