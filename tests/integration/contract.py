"""Requests and expectations that the tests of stores share."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.store import Advance
from latchkey.core.throttle import ThrottleRule
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import Session

RULE = ThrottleRule(free=2, waits=(30, 60), window=1000)
"""Two attempts at any pace; `NOW` is the first second of one of its windows."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    """Expect this error of the table."""
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def step_from(session: Session, **terms: Any) -> Advance:
    """Return the next step of a session's chain: a second later, and valid for two more hours.

    `terms` replace members of the step.
    """
    step = Advance(
        sub=session.sub,
        sid=session.sid,
        generation=session.generation,
        family_hash=session.family_hash,
        link_hash=session.link_hash,
        next_link_hash=secrets.token_hex(32),
        salt=secrets.token_urlsafe(16),
        client_id=session.client_id,
        epoch=session.epoch,
        now=NOW + 1,
        expires_at=NOW + 7200,
        network_mark=secrets.token_hex(16),
        key_mark=secrets.token_hex(16),
    )
    return replace(step, **terms)


def after(step: Advance, session: Session) -> Session:
    """Return the session after a step: the members of the step change, and all others stay."""
    return replace(
        session,
        generation=session.generation + 1,
        link_hash=step.next_link_hash,
        salt=step.salt,
        rotated_at=step.now,
        expires_at=min(step.expires_at, session.ends_at),
        network_mark=step.network_mark,
        key_mark_before=session.key_mark,
        key_mark=step.key_mark,
        burst=step.burst,
        burst_at=step.burst_at,
    )


def count_repeat(store: Store, session: Session, *, level: int = 1) -> bool:
    """Count a repeat of the token before the session's own."""
    return store.count_repeat(session, level=level, generation=session.generation - 1)
