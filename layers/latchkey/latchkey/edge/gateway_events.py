"""Parts of an event of API Gateway, read so that an odd event has none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]
"""What Lambda was invoked with. Nothing about it is sure: a test console or another service may send anything."""


def members(event: Event, name: str) -> Mapping[str, Any]:
    """Return a member of the event that is an object, or none where it is anything else."""
    value = event.get(name)
    return value if isinstance(value, Mapping) else {}


def told_apart(event: Event, header: str) -> list[object]:
    """Return each value of a header, as an event of a REST API tells them apart. A value may be no text."""
    many = [values for name, values in members(event, "multiValueHeaders").items() if name.lower() == header]
    return [value for values in many for value in (values if isinstance(values, list) else [values])]


def header_values(event: Event, header: str) -> list[object]:
    """Return each value of a header; of an event that does not tell them apart, the one that it has."""
    single = [value for name, value in members(event, "headers").items() if name.lower() == header]
    return told_apart(event, header) or single
